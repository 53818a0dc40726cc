internal import AvatarCore
internal import HTTPFront
internal import PosixFiles
internal import ServerRuntime
internal import TransferMachines
internal import WireProtocol

/// What a server keeps across its own death: users, icons, files, parts and progress.
final class SimStore {
    var tokens: [UserID: String] = [:]
    /// Whether there is no room for anything more.
    var isFull = false
    private(set) var icons: [UserID: AvatarName] = [:]
    var files: [ResourceKey: [UInt8]] = [:]
    var records: [ResourceKey: UploadRecord] = [:]
    var parts: [UploadID: [UInt8]] = [:]
    /// Each time that a whole upload got its final name.
    var commits: [Commit] = []
    /// Uploads in pieces over HTTP.
    var pieces: [UploadID: Pieces] = [:]
    /// The users' avatars as the log of changes has them, and the log.
    private var avatars: [UserID: Avatar] = [:]
    private var generations: [UserID: Int64] = [:]
    private var log: [LoggedChange] = []
    private var newest: Int64 = 0
    private var epoch = 1
    /// The log has grown, or is another.
    var changed: () -> Void = {}
    /// The seed's progress of downloads, by name.
    var downloadProgress: [String: Int64] = [:]
    /// The seed's upload progress, by name.
    var seedUploads: [String: Int64] = [:]

    /// A whole upload that got its final name.
    struct Commit {
        let key: ResourceKey
        let md5: MD5Digest
        var isHTTP = false
    }

    /// An upload in pieces.
    struct Pieces {
        let key: ResourceKey
        let size: Int
        /// The digest that was promised, and when the upload was begun.
        let sha256: SHA256Digest?
        let at: MonotonicTime
        var bytes: [UInt8] = []
        var isComplete = false
    }

    func forgetProgress() {
        pieces = [:]
        records = [:]
        parts = [:]
        downloadProgress = [:]
        seedUploads = [:]
    }

    func progress(_ key: ResourceKey) -> (UploadRecord?, Int64?) {
        guard let record = records[key] else { return (nil, nil) }
        let held = record.isComplete ? files[key]?.count : parts[record.uploadID]?.count
        return (record, held.map { Int64($0) })
    }

    /// Bytes of the complete files of the key's owner, less the one of `key`.
    func bytesUsed(besides key: ResourceKey) -> Int64 {
        files.reduce(0) { sum, file in
            file.key.owner == key.owner && file.key != key ? sum + Int64(file.value.count) : sum
        }
    }

    /// One step of an upload; the chunk's bytes go with it.
    func perform(_ action: UploadExchange.Action, bytes: [UInt8]) -> UploadExchange.Input {
        switch action {
        case .checkToken(let token, let user):
            guard let known = tokens[user] else { return .token(.unknownUser) }
            return .token(known == token ? .valid : .wrong)
        case .loadProgress(let key):
            let (record, held) = progress(key)
            return .progress(record, held: held)
        case .measureUse(let key): return .use(bytes: bytesUsed(besides: key), uploads: 0)
        // The server's memory, not the store's, holds the reservations.
        case .reserve: return .failed(.unavailable)
        case .begin where isFull, .append where isFull: return .failed(.full)
        case .begin(let record, let replacing):
            if let replacing { parts[replacing] = nil }
            parts[record.uploadID] = bytes
            records[record.key] = record
            return .done
        case .append(let record, let offset):
            guard var part = parts[record.uploadID], part.count >= Int(offset) else { return .failed(.missing) }
            part.removeLast(part.count - Int(offset))
            parts[record.uploadID] = part + bytes
            return .done
        case .advance: return .done
        case .compare(let source, let offset):
            let there: [UInt8]? =
                switch source {
                case .part(let id): parts[id]
                case .file(let key): files[key]
                }
            guard let there, there.count >= Int(offset) + bytes.count else { return .compared(false) }
            return .compared(Array(there[Int(offset)..<Int(offset) + bytes.count]) == bytes)
        case .verify(let id):
            guard let part = parts[id], let md5 = try? MD5Digest(of: part.span.bytes) else { return .failed(.missing) }
            return .verified(size: Int64(part.count), md5: md5)
        case .verifyFile(let key):
            guard let file = files[key], let md5 = try? MD5Digest(of: file.span.bytes) else { return .failed(.missing) }
            return .verified(size: Int64(file.count), md5: md5)
        case .commit(let record, let quota):
            guard let part = parts[record.uploadID] else { return .failed(.missing) }
            if let quota, bytesUsed(besides: record.key) > quota - Int64(part.count) {
                return .committed(fitsQuota: false)
            }
            parts[record.uploadID] = nil
            files[record.key] = part
            commits.append(Commit(key: record.key, md5: record.md5))
            return .committed(fitsQuota: true)
        case .setIcon(let name, let user):
            setIcon(name, of: user)
            return .icon(userExists: tokens[user] != nil)
        case .checkIcon(let name, let user): return .isIcon(icons[user] == name)
        case .complete(let record):
            records[record.key] = record
            return .done
        case .discard(let record):
            records[record.key] = nil
            parts[record.uploadID] = nil
            return .done
        case .reply: return .done
        }
    }

    func perform(_ action: DownloadExchange.Action, read: inout [UInt8]) -> DownloadExchange.Input {
        switch action {
        case .checkToken(let token, let user):
            guard let known = tokens[user] else { return .token(.unknownUser) }
            return .token(known == token ? .valid : .wrong)
        case .open(let key):
            read = files[key] ?? []
            return .opened(size: files[key].map { Int64($0.count) })
        case .findOwners(let name):
            return .owners(Array(icons.filter { $0.value == name }.keys.sorted().prefix(2)))
        case .read(let range):
            read = Array(read[Int(range.lowerBound)..<min(Int(range.upperBound), read.count)])
            return .read(Int64(read.count))
        case .reply: return .failed(.unavailable)
        }
    }
}

// Avatars, and the log of their changes.
extension SimStore {
    /// From now on that is the user's avatar, or there is none.
    func setIcon(_ name: AvatarName?, of user: UserID) {
        icons[user] = name
        noteAvatar(of: user)
    }

    /// The user's avatar may have other bytes: what is another goes into the log.
    func noteAvatar(of user: UserID) {
        let generation = generations[user, default: 0] + 1
        let avatar = icons[user].flatMap { name -> Avatar? in
            guard let bytes = files[ResourceKey(owner: user, name: name)],
                let sha256 = try? SHA256Digest(of: bytes.span.bytes)
            else { return nil }
            return Avatar(
                name: name, sha256: sha256, size: Int64(bytes.count), format: .png, generation: generation)
        }
        guard avatar?.name != avatars[user]?.name || avatar?.sha256 != avatars[user]?.sha256 else { return }
        avatars[user] = avatar
        generations[user] = generation
        newest += 1
        log.append(LoggedChange(cursor: newest, user: user, generation: generation, avatar: avatar))
        changed()
    }

    /// Whether somebody's avatar is called so.
    func isShown(_ name: AvatarName) -> Bool { icons.values.contains(name) }

    var logRange: ChangeLogRange {
        ChangeLogRange(epoch: "e\(epoch)", oldest: log.first?.cursor ?? newest + 1, newest: newest)
    }

    func changes(after cursor: Int64, limit: Int) -> [LoggedChange] {
        Array(log.lazy.filter { $0.cursor > cursor }.prefix(limit))
    }

    /// Whether the log has a change of the user behind this place, or cannot tell.
    func mayHaveChanged(_ user: UserID, since position: String) -> Bool {
        guard let id = ChangeID(position), id.canGoOn(in: logRange) else { return true }
        return changes(after: id.cursor, limit: .max).contains { $0.user == user }
    }

    /// The database was made anew.
    func loseLog() {
        (log, newest) = ([], 0)
        epoch += 1
        changed()
    }

    /// The log keeps only its end.
    func cutLog(to count: Int) {
        log = Array(log.suffix(count))
        changed()
    }
}

// The seed's ways (docs/protocol.md: what it accepts, what it forgets, what it appends).
extension SimStore {
    func seedUpload(_ chunk: UploadChunk) -> ClassicReply {
        guard let user = UserID(chunk.uid), let name = try? AvatarName(chunk.name) else {
            return .uploadHead(UploadChunkReply(error: ClassicError.uidInvalid.rawValue))
        }
        if chunk.seq == 1, tokens[user] != chunk.token {
            return .uploadHead(UploadChunkReply(error: ClassicError.tokenInvalid.rawValue))
        }
        if chunk.seq != 1, seedUploads[chunk.name] == nil {
            return .uploadHead(UploadChunkReply(error: ClassicError.fileNotExists.rawValue))
        }
        if isFull { return .uploadHead(UploadChunkReply(error: ClassicError.writePermission.rawValue)) }
        let key = ResourceKey(owner: user, name: name)
        seedUploads[chunk.name] = chunk.seq
        files[key] = chunk.seq == 1 ? chunk.data : (files[key] ?? []) + chunk.data
        if chunk.last {
            setIcon(name, of: user)
            if let md5 = MD5Digest(hex: chunk.md5) { commits.append(Commit(key: key, md5: md5)) }
        }
        return .uploadHead(
            UploadChunkReply(
                error: 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq, totalSize: chunk.totalSize,
                transSize: chunk.transSize, last: chunk.last, uid: chunk.uid))
    }

    func seedDownload(_ request: DownloadRequest) -> ClassicReply {
        func refuse(_ error: ClassicError) -> ClassicReply {
            .download(DownloadReply(error: error.rawValue, name: request.name, clientPath: request.clientPath))
        }
        guard let user = UserID(request.uid) else { return refuse(.uidInvalid) }
        if request.seq == 1, tokens[user] != request.token { return refuse(.tokenInvalid) }
        guard let name = try? AvatarName(request.name), let bytes = files[ResourceKey(owner: user, name: name)] else {
            return refuse(.fileNotExists)
        }
        if request.seq == 1 {
            downloadProgress[request.name] = 1
        } else {
            guard let expected = downloadProgress[request.name] else { return refuse(.progressLost) }
            guard expected == request.seq else { return refuse(.seqInvalid) }
        }
        guard let geometry = ChunkGeometry(totalSize: Int64(bytes.count), chunkSize: Int64(Life.chunkBytes)),
            let range = geometry.range(of: request.seq)
        else { return refuse(.offsetInvalid) }
        let isLast = geometry.isLast(request.seq)
        downloadProgress[request.name] = isLast ? nil : request.seq + 1
        return .download(
            DownloadReply(
                error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
                totalSize: Int64(bytes.count), currentSize: range.upperBound, isLast: isLast,
                data: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])))
    }
}

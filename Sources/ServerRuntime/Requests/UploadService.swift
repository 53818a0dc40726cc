internal import AvatarCore
internal import TransferMachines
internal import WireProtocol

/// Does what ``TransferMachines/UploadExchange`` decides for one chunk, against the stores. Runs on a worker thread.
struct UploadService {
    let stores: Stores
    let quota: QuotaLedger
    let connection: QuotaReservations.Holder
    let chunk: UploadChunk
    let isHead: Bool
    var exchange: UploadExchange
    private(set) var errors: [StoreError] = []
    /// The token that the store confirmed for this chunk.
    private(set) var validToken: String?
    private var hasReserved = false
    /// What was read of the file that the exchange has verified.
    private var verified: FileContent?

    init(
        _ chunk: UploadChunk, isHead: Bool, stores: Stores, settings: UploadExchange.Settings, quota: QuotaLedger,
        connection: QuotaReservations.Holder, isAuthenticated: Bool, shownToken: String?, freshID: UploadID?
    ) {
        self.stores = stores
        self.quota = quota
        self.connection = connection
        self.chunk = chunk
        self.isHead = isHead
        exchange = UploadExchange(
            ReceivedChunk(chunk, isHead: isHead), settings: settings, isAuthenticated: isAuthenticated,
            shownToken: shownToken, freshID: freshID)
    }

    /// Does action after action until the exchange answers.
    ///
    /// - Returns: nil for success.
    mutating func run() -> ClassicError? {
        var action = exchange.start()
        while true {
            if case .reply(let error) = action {
                settleReservation(isTaken: error == nil)
                return error
            }
            do throws(StoreError) {
                action = exchange.handle(try perform(action))
            } catch {
                errors.append(error)
                action = exchange.handle(.failed(error.code))
            }
        }
    }

    private mutating func perform(_ action: UploadExchange.Action) throws(StoreError) -> UploadExchange.Input {
        switch action {
        case .checkToken(let token, let user):
            let verdict = try stores.users.checkToken(token, of: user)
            validToken = isHead && verdict == .valid ? token : nil
            return .token(verdict)
        case .loadProgress(let key):
            let progress = try stores.progress(of: key)
            return .progress(progress?.record, held: progress?.held)
        case .measureUse(let key):
            return try use(besides: key)
        case .reserve(let bytes, let key, let room):
            hasReserved = quota.reserve(bytes, for: key, room: room, holder: connection)
            return .reserved(hasReserved)
        case .compare(let source, let offset):
            return .compared(try isHeld(source, offset))
        case .verify(let id):
            let digested = try stores.files.digestPart(id)
            verified = digested.content
            return .verified(size: digested.size, md5: digested.md5)
        case .verifyFile(let key):
            let digested = try stores.files.digestFile(key)
            verified = digested.content
            return .verified(size: digested.size, md5: digested.md5)
        case .commit(let record, let quotaBytes):
            let fits = try stores.files.commitPart(record.uploadID, as: record.key, quotaBytes: quotaBytes)
            return .committed(fitsQuota: fits)
        case .setIcon(let name, let user):
            guard let content = try content(of: ResourceKey(owner: user, name: name)) else { return .failed(.missing) }
            return .icon(userExists: try stores.avatars.setAvatar(name, content, of: user, .uploaded) != nil)
        case .checkIcon(let name, let user):
            return .isIcon(try stores.users.icon(of: user).map { ExactString($0) } == name.exact)
        default:
            try change(action)
            return .done
        }
    }

    /// What the file is that becomes the icon: as it was verified for this chunk, else as it lies there since an earlier one. Nil when it
    /// is gone.
    private func content(of key: ResourceKey) throws(StoreError) -> FileContent? {
        if let verified { return verified }
        guard let file = try stores.files.open(key) else { return nil }
        return try FileContent(reading: file)
    }

    /// Does an action whose only result is that it succeeds.
    private func change(_ action: UploadExchange.Action) throws(StoreError) {
        switch action {
        case .begin(let record, let replaced):
            try stores.files.beginPart(record.uploadID, bytes: chunk.data)
            try stores.progress.save(record)
            if let replaced { try stores.files.removePart(replaced) }
        case .append(let record, let offset):
            try stores.files.writePart(record.uploadID, bytes: chunk.data, at: offset)
        case .advance(let record, let held): try stores.progress.advance(record, held: held)
        case .complete(let record):
            try stores.progress.save(record)
            quota.release(record.key)
        case .discard(let record):
            quota.release(record.key)
            try stores.progress.remove(record)
            try stores.files.removePart(record.uploadID)
        default: break
        }
    }

    /// Gives the reservation of a failed begin back, and renews that of an upload that goes on for this connection.
    private func settleReservation(isTaken: Bool) {
        guard exchange.needsUse, let key else { return }
        if !isTaken, hasReserved { quota.release(key) }
        if isTaken, !chunk.last { quota.renew(chunk.totalSize, for: key, holder: connection) }
    }

    /// The resource that the chunk belongs to; nil for a chunk of 1003 that names no user, which counts for nobody's quota.
    private var key: ResourceKey? {
        guard let owner = UserID(chunk.uid), let name = try? AvatarName(chunk.name) else { return nil }
        return ResourceKey(owner: owner, name: name)
    }

    /// The bytes and the unfinished uploads of a user. The folder is only walked when there is a quota to compare with.
    private func use(besides key: ResourceKey) throws(StoreError) -> UploadExchange.Input {
        guard let owner = key.owner else { return .use(bytes: 0, uploads: 0) }
        let bytes = exchange.needsUse ? try stores.files.bytesUsed(by: owner, besides: key) : 0
        return .use(bytes: bytes, uploads: try stores.progress.unfinishedCount(of: owner, besides: key))
    }

    private func isHeld(_ source: UploadExchange.Source, _ offset: Int64) throws(StoreError) -> Bool {
        switch source {
        case .part(let id): return try stores.files.part(id, holds: chunk.data, at: offset)
        case .file(let key):
            guard let file = try stores.files.open(key) else { return false }
            return try file.read(at: offset, count: chunk.data.count) == chunk.data
        }
    }
}

extension Stores {
    /// The record of a resource's upload and how many bytes the server has of it; nil when there is no record.
    func progress(of key: ResourceKey) throws(StoreError) -> (record: UploadRecord, held: Int64?)? {
        guard let record = try progress.record(of: key) else { return nil }
        let held = record.isComplete ? try files.open(key)?.size : try files.partBytes(record.uploadID)
        return (record, held)
    }
}

extension ReceivedChunk {
    init(_ chunk: UploadChunk, isHead: Bool) {
        self.init(
            isHead: isHead, uid: chunk.uid, name: chunk.name, md5: chunk.md5, seq: chunk.seq,
            totalSize: chunk.totalSize, transSize: chunk.transSize, last: chunk.last, bytes: Int64(chunk.data.count),
            token: chunk.token)
    }
}

extension UploadChunkReply {
    /// The answer to `chunk`, field for field as in docs/protocol.md: 1032 echoes `last_seq`, 1004 does not.
    init(
        _ chunk: UploadChunk, isHead: Bool, _ error: ClassicError?, _ reason: UploadRefusalReason? = nil,
        chunkBytes: Int64
    ) {
        self.init(
            error: error?.rawValue ?? ClassicError.success, md5: chunk.md5, name: chunk.name, seq: chunk.seq,
            totalSize: chunk.totalSize, transSize: chunk.transSize, last: chunk.last,
            lastSeq: isHead ? chunk.lastSeq : nil, uid: chunk.uid, reason: error == nil ? nil : reason?.rawValue,
            inOrder: isHead ? true : nil, chunkBytes: isHead ? chunkBytes : nil)
    }
}

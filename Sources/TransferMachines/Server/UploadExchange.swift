package import AvatarCore

/// A chunk as it came with 1003 or 1031, before the server has checked any of its fields.
package struct ReceivedChunk: Hashable, Sendable {
    /// Whether the chunk came with 1031. Then the file belongs to a user, the first chunk needs a token, and the last one sets the icon.
    package let isHead: Bool
    package let uid: Int64
    package let name: String
    package let md5: String
    package let seq: Int64
    package let totalSize: Int64
    package let transSize: Int64
    package let last: Bool
    package let bytes: Int64
    package let token: String?

    package init(
        isHead: Bool, uid: Int64, name: String, md5: String, seq: Int64, totalSize: Int64, transSize: Int64, last: Bool,
        bytes: Int64, token: String?
    ) {
        self.isHead = isHead
        self.uid = uid
        self.name = name
        self.md5 = md5
        self.seq = seq
        self.totalSize = totalSize
        self.transSize = transSize
        self.last = last
        self.bytes = bytes
        self.token = token
    }

    /// Where the chunk begins in the file, computed from its own fields.
    package var offset: Int64 { transSize - bytes }
}

/// Decides what the server does with one chunk of an upload: write it, acknowledge it again, or refuse it; and after the last chunk,
/// whether the file is what the first chunk promised. The exchange keeps nothing between chunks. The record and the part file say
/// everything, so that another instance, or this one after a crash, can go on with the upload.
///
/// The caller does each action in turn and hands its result to ``handle(_:)``, one chunk of a resource at a time.
package struct UploadExchange: Sendable {
    /// The settings of the configuration that concern uploads.
    package struct Settings: Hashable, Sendable {
        /// Bytes of the largest file that the server takes.
        package var bytesMax: Int64
        /// Bytes that all files of one user may have together; nil for no bound.
        package var quotaBytes: Int64?
        /// Whether the server takes files of 1003, which shows no token.
        package var openUpload: Bool

        package init(bytesMax: Int64, quotaBytes: Int64? = nil, openUpload: Bool = false) {
            self.bytesMax = bytesMax
            self.quotaBytes = quotaBytes
            self.openUpload = openUpload
        }
    }

    /// Where the server has bytes of an upload already.
    package enum Source: Hashable, Sendable {
        case part(UploadID)
        case file(ResourceKey)
    }

    /// What the driver has to do next. It answers every action but `reply` with an ``Input``; the arrow names which.
    package enum Action: Hashable, Sendable {
        /// → `token`.
        case checkToken(String, UserID)
        /// → `progress`, with the bytes that the part holds, or the file when the upload is complete.
        case loadProgress(ResourceKey)
        /// Counts the bytes of the user's files and the user's unfinished uploads, without those of this key → `use`.
        case measureUse(ResourceKey)
        /// Reserves so many bytes of the user's quota for this key, if they and everything reserved for the user's other uploads fit
        /// into `room` (``QuotaReservations``) → `reserved`.
        case reserve(Int64, ResourceKey, room: Int64)
        /// Makes the part with the chunk's bytes, then stores the record, then removes the part `replacing` → `done`.
        case begin(UploadRecord, replacing: UploadID?)
        /// Writes the chunk's bytes into the part → `done`.
        case append(UploadRecord, offset: Int64)
        /// Tells the progress store that the part now holds so many bytes → `done`.
        case advance(UploadRecord, held: Int64)
        /// Compares the chunk's bytes with those at `offset` → `compared`.
        case compare(Source, offset: Int64)
        /// Digests the whole part → `verified`.
        case verify(UploadID)
        /// Syncs the whole file at that place as configured and digests it → `verified`.
        case verifyFile(ResourceKey)
        /// Renames the part into place, synced as configured, unless the user's files would then exceed `quota` → `committed`.
        case commit(UploadRecord, quota: Int64?)
        /// → `icon`.
        case setIcon(AvatarName, UserID)
        /// Looks up whether the name is the user's icon now → `isIcon`.
        case checkIcon(AvatarName, UserID)
        /// Stores the record as complete → `done`.
        case complete(UploadRecord)
        /// Forgets record and part → `done`.
        case discard(UploadRecord)
        /// Sends the reply; nil is success.
        case reply(ClassicError?)
    }

    /// The result of an action.
    package enum Input: Hashable, Sendable {
        case token(TokenVerdict)
        case progress(UploadRecord?, held: Int64?)
        case use(bytes: Int64, uploads: Int)
        case reserved(Bool)
        case compared(Bool)
        case verified(size: Int64, md5: MD5Digest)
        case committed(fitsQuota: Bool)
        case icon(userExists: Bool)
        case isIcon(Bool)
        case done
        case failed(StoreErrorCode)
    }

    private struct Claim {
        var key: ResourceKey
        var md5: MD5Digest
    }

    private enum State {
        case new
        case checkingToken(Claim)
        case loading(Claim)
        case measuring(Claim, replacing: UploadID?)
        case reserving(Claim, replacing: UploadID?)
        case beginning(UploadRecord)
        case appending(UploadRecord)
        case advancing(UploadRecord)
        case comparing(UploadRecord, Claim)
        case verifying(UploadRecord)
        case verifyingFile(UploadRecord)
        case committing(UploadRecord)
        case settingIcon(UploadRecord)
        case checkingShownToken(UploadRecord)
        case checkingIcon
        case completing
        case discarding(ClassicError)
        case ended
    }

    private let chunk: ReceivedChunk
    private let settings: Settings
    private let isAuthenticated: Bool
    private let shownToken: String?
    private let freshID: UploadID?
    private var state = State.new
    /// Why the chunk is refused, where the code of the answer does not tell; known once the exchange replies.
    package private(set) var reason: UploadRefusalReason?

    /// - Parameters:
    ///   - isAuthenticated: whether a first chunk needs no look at the store (``ServerSession/isAuthenticated(_:token:now:)``).
    ///   - shownToken: the token that this connection has shown for the user (``ServerSession/shownToken(of:)``).
    ///   - freshID: the name of the upload that a first chunk begins; nil for every other chunk.
    package init(
        _ chunk: ReceivedChunk, settings: Settings, isAuthenticated: Bool = false, shownToken: String? = nil,
        freshID: UploadID?
    ) {
        self.chunk = chunk
        self.settings = settings
        self.isAuthenticated = isAuthenticated
        self.shownToken = shownToken
        self.freshID = freshID
    }

    /// Whether `measureUse` has to count the bytes of the user's files, for which the driver reads the whole folder.
    package var needsUse: Bool { settings.quotaBytes != nil }

    /// The first action.
    package mutating func start() -> Action {
        let claim: Claim
        do throws(ClassicError) {
            claim = try self.claim()
        } catch {
            return end(error)
        }
        if let owner = claim.key.owner, chunk.seq == 1, !isAuthenticated {
            state = .checkingToken(claim)
            return .checkToken(chunk.token ?? "", owner)
        }
        state = .loading(claim)
        return .loadProgress(claim.key)
    }

    /// The next action.
    package mutating func handle(_ input: Input) -> Action {
        if case .failed(let failure) = input { return failed(failure) }
        switch (state, input) {
        case (.checkingToken(let claim), .token(let verdict)): return checked(verdict, claim)
        case (.loading(let claim), .progress(let record, let held)): return loaded(record, held, claim)
        case (.measuring(let claim, let replacing), .use(let bytes, let uploads)):
            return measured(bytes, uploads, claim, replacing: replacing)
        case (.reserving(let claim, let replacing), .reserved(let fits)):
            return fits ? begin(claim, replacing: replacing) : end(.writePermission, .quota)
        case (.beginning(let record), .done), (.appending(let record), .done):
            state = .advancing(record)
            return .advance(record, held: chunk.transSize)
        case (.advancing(let record), .done): return held(record)
        case (.comparing(let record, let claim), .compared(let equal)): return compared(equal, record, claim)
        case (.verifying(let record), .verified(let size, let md5)): return verified(size, md5, record)
        case (.verifyingFile(let record), .verified(let size, let md5)):
            return size == record.totalSize && md5 == record.md5 ? committed(record) : end(.progressLost)
        case (.committing(let record), .committed(let fitsQuota)):
            if fitsQuota { return committed(record) }
            reason = .quota
            state = .discarding(.writePermission)
            return .discard(record)
        case (.settingIcon(let record), .icon(let userExists)):
            return userExists ? completing(record) : end(.uidInvalid)
        // Who shows no token must not bring an earlier picture back: the upload begins again at 1, where the token is shown.
        case (.checkingShownToken(let record), .token(let verdict)):
            return verdict == .valid ? committed(record) : checkIcon(record)
        case (.checkingIcon, .isIcon(let isIcon)): return end(isIcon ? nil : .progressLost)
        case (.completing, .done): return end(nil)
        case (.discarding(let error), .done): return end(error)
        default: return end(.saveProgressFailed)
        }
    }
}

// What happens before the server stores the chunk.
extension UploadExchange {
    /// The key and the MD5 that the chunk claims to belong to, when its fields do not contradict each other.
    private mutating func claim() throws(ClassicError) -> Claim {
        guard chunk.isHead || settings.openUpload else { throw forbidden(.closed) }
        let owner = UserID(chunk.uid)
        if chunk.isHead, owner == nil { throw .uidInvalid }
        guard let name = try? AvatarName(chunk.name) else { throw forbidden(.name) }
        // Files of 1003 that name no user lie beside the users' folders, so they must not have the name of such a folder.
        if owner == nil, chunk.name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { throw forbidden(.name) }
        guard let md5 = MD5Digest(hex: chunk.md5) else { throw .badJSON }
        guard chunk.seq >= 1 else { throw .seqInvalid }
        guard chunk.totalSize <= settings.bytesMax else { throw forbidden(.tooLarge) }
        guard chunk.bytes > 0 || chunk.totalSize == 0, chunk.bytes <= chunk.transSize,
            chunk.transSize <= chunk.totalSize, chunk.last == (chunk.transSize == chunk.totalSize)
        else { throw .offsetInvalid }
        guard chunk.seq != 1 || chunk.offset == 0 else { throw .offsetInvalid }
        return Claim(key: ResourceKey(owner: owner, name: name), md5: md5)
    }

    private mutating func forbidden(_ reason: UploadRefusalReason) -> ClassicError {
        self.reason = reason
        return .writePermission
    }

    private mutating func checked(_ verdict: TokenVerdict, _ claim: Claim) -> Action {
        switch verdict {
        case .valid:
            state = .loading(claim)
            return .loadProgress(claim.key)
        case .wrong where !chunk.isHead:
            // 1003 shows none. That the user exists is all that was asked for.
            state = .loading(claim)
            return .loadProgress(claim.key)
        case .wrong: return end(.tokenInvalid)
        case .unknownUser: return end(.uidInvalid)
        }
    }

    private mutating func loaded(_ record: UploadRecord?, _ held: Int64?, _ claim: Claim) -> Action {
        guard chunk.seq > 1 else { return first(record, held, claim) }
        guard let record else { return end(.progressLost) }
        guard let held else { return gone(record, claim) }
        // The first chunk showed the token for this content: a chunk of other content is not authorized.
        guard record.md5 == claim.md5, record.totalSize == chunk.totalSize else { return end(.tokenInvalid) }
        guard let geometry = record.geometry, let range = geometry.range(of: chunk.seq) else { return end(.seqInvalid) }
        guard range.lowerBound == chunk.offset, range.upperBound == chunk.transSize else { return end(.offsetInvalid) }
        if record.isComplete {
            guard held == record.totalSize else { return end(.progressLost) }
            return compare(record, .file(record.key), claim)
        }
        let chunksHeld = geometry.chunksHeld(bytes: held)
        if chunk.seq <= chunksHeld { return compare(record, .part(record.uploadID), claim) }
        guard chunk.seq == chunksHeld + 1 else { return end(.seqInvalid) }
        state = .appending(record)
        return .append(record, offset: chunk.offset)
    }

    /// Decides about a chunk whose part does not exist. When the last chunk comes again, the part may have been renamed into place before
    /// the icon's store or this process failed. Then the exchange verifies the file that lies there and does the steps that are left.
    private mutating func gone(_ record: UploadRecord, _ claim: Claim) -> Action {
        guard chunk.last, !record.isComplete, record.md5 == claim.md5, record.totalSize == chunk.totalSize,
            let range = record.geometry?.range(of: chunk.seq), range == chunk.offset..<chunk.transSize
        else { return end(.progressLost) }
        state = .verifyingFile(record)
        return .verifyFile(record.key)
    }

    /// Decides about a first chunk. It begins a new upload, unless the part holds the same chunk already: then the upload under way goes
    /// on. When the chunk is the whole file and that file is in place, the client has lost the reply and sends the chunk again.
    private mutating func first(_ record: UploadRecord?, _ held: Int64?, _ claim: Claim) -> Action {
        if let record, let held, !record.isComplete, record.md5 == claim.md5, record.totalSize == chunk.totalSize,
            record.chunkSize == chunk.bytes, held >= chunk.bytes
        {
            return compare(record, .part(record.uploadID), claim)
        }
        if let record, record.isComplete, chunk.last, record.md5 == claim.md5, held == chunk.totalSize,
            record.totalSize == chunk.totalSize
        {
            return compare(record, .file(record.key), claim)
        }
        return beginOrMeasure(claim, replacing: record.flatMap { $0.isComplete ? nil : $0.uploadID })
    }

    private mutating func beginOrMeasure(_ claim: Claim, replacing: UploadID?) -> Action {
        guard claim.key.owner != nil else { return begin(claim, replacing: replacing) }
        state = .measuring(claim, replacing: replacing)
        return .measureUse(claim.key)
    }

    private mutating func measured(_ bytes: Int64, _ uploads: Int, _ claim: Claim, replacing: UploadID?) -> Action {
        guard uploads < Limits.Server.uploadsPerUserMax else { return end(.writePermission, .tooManyUploads) }
        guard let quota = settings.quotaBytes else { return begin(claim, replacing: replacing) }
        guard bytes <= quota - chunk.totalSize else { return end(.writePermission, .quota) }
        state = .reserving(claim, replacing: replacing)
        return .reserve(chunk.totalSize, claim.key, room: quota - bytes)
    }

    private mutating func begin(_ claim: Claim, replacing: UploadID?) -> Action {
        guard let freshID else { return end(.saveProgressFailed) }
        let record = UploadRecord(
            key: claim.key, uploadID: freshID, md5: claim.md5, totalSize: chunk.totalSize, chunkSize: chunk.bytes)
        state = .beginning(record)
        return .begin(record, replacing: replacing)
    }

    private mutating func compare(_ record: UploadRecord, _ source: Source, _ claim: Claim) -> Action {
        state = .comparing(record, claim)
        return .compare(source, offset: chunk.offset)
    }

    private mutating func compared(_ equal: Bool, _ record: UploadRecord, _ claim: Claim) -> Action {
        if equal, !record.isComplete { return held(record) }
        if equal { return repeated(record) }
        if chunk.seq == 1 { return beginOrMeasure(claim, replacing: record.isComplete ? nil : record.uploadID) }
        if record.isComplete { return end(.seqInvalid) }
        // The client sends other bytes for a chunk that the part holds already. One of the two is wrong, so the upload begins again at 1.
        state = .discarding(.seqInvalid)
        return .discard(record)
    }

    /// A chunk of a complete upload came again, and is not written again. A client sends the last one again when it has lost the reply, or
    /// to make the picture its icon once more. The server cannot tell which, so it sets the icon, for whoever has shown the token. A friend
    /// who has downloaded the picture could send its last chunk too.
    private mutating func repeated(_ record: UploadRecord) -> Action {
        guard chunk.last, let owner = record.key.owner else { return end(nil) }
        if chunk.seq == 1 || !chunk.isHead { return committed(record) }
        guard let token = chunk.token ?? shownToken else { return checkIcon(record) }
        state = .checkingShownToken(record)
        return .checkToken(token, owner)
    }

    private mutating func checkIcon(_ record: UploadRecord) -> Action {
        guard let owner = record.key.owner else { return end(nil) }
        state = .checkingIcon
        return .checkIcon(record.key.name, owner)
    }
}

// What happens after the server has stored the chunk.
extension UploadExchange {
    private mutating func held(_ record: UploadRecord) -> Action {
        guard chunk.last else { return end(nil) }
        state = .verifying(record)
        return .verify(record.uploadID)
    }

    private mutating func verified(_ size: Int64, _ md5: MD5Digest, _ record: UploadRecord) -> Action {
        guard size == record.totalSize, md5 == record.md5 else {
            state = .discarding(.progressLost)
            return .discard(record)
        }
        state = .committing(record)
        return .commit(record, quota: record.key.owner == nil ? nil : settings.quotaBytes)
    }

    private mutating func committed(_ record: UploadRecord) -> Action {
        guard let owner = record.key.owner else { return completing(record) }
        state = .settingIcon(record)
        return .setIcon(record.key.name, owner)
    }

    private mutating func completing(_ record: UploadRecord) -> Action {
        var complete = record
        complete.isComplete = true
        state = .completing
        return .complete(complete)
    }

    /// Answers with the code that belongs to a failure. After a failed sync the record is discarded first: pages that the kernel could
    /// not write are lost even when a later sync succeeds (fsync(2)), so the client has to send them again.
    private mutating func failed(_ failure: StoreErrorCode) -> Action {
        switch (failure, state) {
        case (.unsynced, .committing(let record)), (.unsynced, .verifyingFile(let record)):
            state = .discarding(.progressLost)
            return .discard(record)
        default: break
        }
        return switch failure {
        case .missing, .unsynced: end(.progressLost)
        case .forbidden: end(.writePermission, .notWritable)
        case .full: end(.writePermission, .noRoom)
        case .unavailable: end(.saveProgressFailed, .unavailable)
        }
    }

    private mutating func end(_ error: ClassicError?, _ reason: UploadRefusalReason? = nil) -> Action {
        state = .ended
        if let reason { self.reason = reason }
        return .reply(error)
    }
}

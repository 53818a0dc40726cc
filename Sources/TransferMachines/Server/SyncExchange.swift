package import AvatarCore

/// Decides how the server answers one 1005, which asks how far the upload with an MD5 is.
///
/// The client names the upload by `md5`, `uid` and `name`; or by `md5` alone, when only one upload has it and this connection has
/// brought a chunk of that upload (docs/protocol.md, "Resuming"). Uploads of 1003 belong to nobody, so every connection may ask for them.
package struct SyncExchange: Sendable {
    /// What the driver has to do next. It answers every action but `reply` with an ``Input``; the arrow names which.
    package enum Action: Hashable, Sendable {
        /// → `progress`, as in ``UploadExchange``.
        case loadProgress(ResourceKey)
        /// Finds at most two records with this MD5 → `records`.
        case findUploads(MD5Digest)
        case reply(Reply)
    }

    /// The result of an action.
    package enum Input: Hashable, Sendable {
        case progress(UploadRecord?, held: Int64?)
        case records([UploadRecord])
        case failed(StoreErrorCode)
    }

    /// The reply to the client.
    package enum Reply: Hashable, Sendable {
        case error(ClassicError)
        /// The record, the last whole chunk held, and the bytes up to its end.
        case progress(UploadRecord, seq: Int64, transSize: Int64)
    }

    private let md5: String
    private let uid: Int64?
    private let name: String?
    private let uploads: [ResourceKey]
    private var digest: MD5Digest?

    /// - Parameter uploads: the uploads of which this connection has brought a chunk.
    package init(md5: String, uid: Int64?, name: String?, uploads: [ResourceKey]) {
        self.md5 = md5
        self.uid = uid
        self.name = name
        self.uploads = uploads
    }

    /// The first action.
    package mutating func start() -> Action {
        guard let digest = MD5Digest(hex: md5) else { return .reply(.error(.fileNotExists)) }
        self.digest = digest
        guard let uid, let name else { return .findUploads(digest) }
        guard let owner = UserID(uid) else { return .reply(.error(.uidInvalid)) }
        guard let wanted = try? AvatarName(name) else { return .reply(.error(.fileNotExists)) }
        return .loadProgress(ResourceKey(owner: owner, name: wanted))
    }

    /// The next action.
    package mutating func handle(_ input: Input) -> Action {
        switch input {
        case .records(let records):
            guard records.count == 1, let record = records.first,
                record.key.owner == nil || uploads.contains(record.key)
            else { return .reply(.error(.fileNotExists)) }
            return .loadProgress(record.key)
        case .progress(let record, let held):
            guard let record, let held, record.md5 == digest else { return .reply(.error(.fileNotExists)) }
            let progress = record.progress(held: held)
            return .reply(.progress(record, seq: progress.seq, transSize: progress.transSize))
        case .failed(.unavailable), .failed(.full), .failed(.unsynced): return .reply(.error(.progressLost))
        case .failed(.missing): return .reply(.error(.fileNotExists))
        case .failed(.forbidden): return .reply(.error(.readPermission))
        }
    }
}

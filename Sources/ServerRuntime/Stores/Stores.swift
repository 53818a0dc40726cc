package import AvatarCore
package import TransferMachines

// A call may block on a disk or a socket, so only worker threads make it, never an event loop; the calls that may be made on an event
// loop say so. Calls for one resource come one after the other, calls for different resources at the same time.

/// The users, their tokens and their icons.
package protocol UserStore: Sendable {
    /// Whether `token` is the token of `user`. An empty token is never valid.
    func checkToken(_ token: String, of user: UserID) throws(StoreError) -> TokenVerdict
    /// The icon of `user` as it is stored; nil when there is no such user, or the user has no icon.
    func icon(of user: UserID) throws(StoreError) -> String?
    /// The users whose icon is `name`, lowest uid first. At most two: the server serves an icon that exactly one user has.
    func users(withIcon name: AvatarName) throws(StoreError) -> [UserID]
}

/// Which uploads are under way, or were complete a short while ago (``AvatarCore/Limits/Server/uploadLifeSeconds``).
package protocol ProgressStore: Sendable {
    /// The record of this resource's upload, or nil when there is none or it is too old.
    func record(of key: ResourceKey) throws(StoreError) -> UploadRecord?
    /// Stores `record`, over what was there for its key, and durable against the death of this process.
    func save(_ record: UploadRecord) throws(StoreError)
    /// Notes that the part now holds `held` bytes; the part itself says so too.
    func advance(_ record: UploadRecord, held: Int64) throws(StoreError)
    /// Forgets the record, unless another upload has taken its place.
    func remove(_ record: UploadRecord) throws(StoreError)
    /// The records with this MD5. At most two: an MD5 that several uploads have names none of them.
    func records(md5: MD5Digest) throws(StoreError) -> [UploadRecord]
    /// How many unfinished uploads `user` has, not counting the one of `key`.
    func unfinishedCount(of user: UserID, besides key: ResourceKey) throws(StoreError) -> Int
}

/// The files: complete ones at `<root>/<uid>/<name>`, unfinished ones as parts in a hidden folder beside them.
package protocol FileStore: Sendable {
    /// Makes a part with its first bytes.
    func beginPart(_ id: UploadID, bytes: [UInt8]) throws(StoreError)
    /// Writes into a part. The error is ``TransferMachines/StoreErrorCode/missing`` when the part does not exist.
    func writePart(_ id: UploadID, bytes: [UInt8], at offset: Int64) throws(StoreError)
    /// The part's size, or nil when there is none.
    func partBytes(_ id: UploadID) throws(StoreError) -> Int64?
    /// Whether the part holds exactly `bytes` at `offset`.
    func part(_ id: UploadID, holds bytes: [UInt8], at offset: Int64) throws(StoreError) -> Bool
    /// Reads the whole part.
    func digestPart(_ id: UploadID) throws(StoreError) -> FileDigest
    /// Why the whole part is no picture that the server knows, or not a whole one; nil when it is one.
    func pictureFault(ofPart id: UploadID) throws(StoreError) -> ImageError?
    /// Syncs a complete file as configured, and reads it. The error is ``TransferMachines/StoreErrorCode/missing`` when
    /// there is no such file, and ``TransferMachines/StoreErrorCode/unsynced`` when the sync fails; then the file is removed.
    func digestFile(_ key: ResourceKey) throws(StoreError) -> FileDigest
    /// Renames the part to the place of `key`, over the file that may lie there. When a sync fails, the part or the renamed file is removed
    /// and the error is ``TransferMachines/StoreErrorCode/unsynced``.
    ///
    /// - Parameter quotaBytes: how many bytes the files of the key's owner may have together. The check and the rename are one step for
    ///   all threads and all instances that share the folder.
    /// - Returns: false when the files would have more; then nothing has changed.
    func commitPart(_ id: UploadID, as key: ResourceKey, quotaBytes: Int64?) throws(StoreError) -> Bool
    /// Syncs the part as configured, in any order with other parts. When that fails, the part is removed and the error is
    /// ``TransferMachines/StoreErrorCode/unsynced``.
    func syncPart(_ id: UploadID) throws(StoreError)
    /// Renames a synced part, as ``commitPart(_:as:quotaBytes:)`` does. A power cut may undo that until ``syncNames(of:)``.
    func placePart(_ id: UploadID, as key: ResourceKey, quotaBytes: Int64?) throws(StoreError) -> Bool
    /// Syncs the names of files that were placed. When that fails, the files are removed and the error is
    /// ``TransferMachines/StoreErrorCode/unsynced``.
    func syncNames(of keys: [ResourceKey]) throws(StoreError)
    /// Removes a part, if there is one.
    func removePart(_ id: UploadID) throws(StoreError)
    /// Removes the parts that were last written to longer ago than an upload lives, and returns how many.
    func removeStaleParts() throws(StoreError) -> Int

    /// Opens a complete file; nil when there is none. Reads give the bytes of the opened file, even after another has taken its place.
    func open(_ key: ResourceKey) throws(StoreError) -> (any StoredFile)?
    /// Does what ``open(_:)`` does, when the kernel need not wait for a disk; nil when it must. May be called on an event loop.
    func openAtOnce(_ key: ResourceKey) -> (any StoredFile)??
    /// Bytes of the complete files of `user`, not counting the one of `key`.
    func bytesUsed(by user: UserID, besides key: ResourceKey) throws(StoreError) -> Int64
}

/// What one reading of a file says.
package struct FileDigest: Hashable, Sendable {
    package let md5: MD5Digest
    /// With the stamp that the file keeps when it is renamed into place.
    package let content: FileContent
    /// Bytes.
    package var size: Int64 { content.stamp.size }

    package init(md5: MD5Digest, content: FileContent) {
        self.md5 = md5
        self.content = content
    }
}

/// A complete file, open for reading as long as this value exists.
package protocol StoredFile: Sendable {
    /// How many bytes the file had when it was opened.
    var size: Int64 { get }
    /// Which file that was when it was opened.
    var stamp: FileStamp { get }
    /// Up to `count` bytes from `offset`; fewer only at the end.
    func read(at offset: Int64, count: Int) throws(StoreError) -> [UInt8]
    /// Exactly `count` bytes from `offset`, when the kernel need not wait for a disk; nil when it must. May be called on an event loop.
    func readAtOnce(at offset: Int64, count: Int) -> [UInt8]?
}

/// The stores of one server.
package struct Stores: Sendable {
    package let users: any UserStore
    package let avatars: any AvatarStore
    package let progress: any ProgressStore
    package let files: any FileStore
    /// The services that the stores use, each with whether it could be reached when it was last needed. Does not wait.
    package let health: @Sendable () -> [(service: String, isUp: Bool)]
    /// What the stores stand on, each with why it does not answer now, or nil where it does. Waits for it.
    package let probe: @Sendable () -> [(service: String, problem: String?)]

    package init(
        users: any UserStore, avatars: any AvatarStore, progress: any ProgressStore, files: any FileStore,
        health: @escaping @Sendable () -> [(service: String, isUp: Bool)] = { [] },
        probe: @escaping @Sendable () -> [(service: String, problem: String?)] = { [] }
    ) {
        self.users = users
        self.avatars = avatars
        self.progress = progress
        self.files = files
        self.health = health
        self.probe = probe
    }
}

package import AvatarCore
internal import PosixFiles
internal import Synchronization
internal import TransferMachines

/// Which file the server has looked at: another stamp, another file or other bytes.
package struct FileStamp: Hashable, Sendable {
    package let inode: UInt64
    /// Bytes.
    package let size: Int64
    /// Nanoseconds since 1970 of the last change of the bytes; a rename keeps it.
    package let modified: Int64

    package init(inode: UInt64, size: Int64, modified: Int64) {
        self.inode = inode
        self.size = size
        self.modified = modified
    }
}

/// What the server knows of a file that it has read once.
package struct FileContent: Hashable, Sendable {
    package let sha256: SHA256Digest
    /// By its first bytes, never by its name; nil for bytes that are no picture which the server knows.
    package let format: ImageFormat?
    package let stamp: FileStamp

    package init(sha256: SHA256Digest, format: ImageFormat?, stamp: FileStamp) {
        self.sha256 = sha256
        self.format = format
        self.stamp = stamp
    }

    /// Reads a whole file.
    package init(reading file: any StoredFile) throws(StoreError) {
        let piece = 256 * 1024
        var head: [UInt8] = []
        var offset: Int64 = 0
        do {
            var digester = try Digester(.sha256)
            while offset < file.size {
                let bytes = try file.read(at: offset, count: Int(min(file.size - offset, Int64(piece))))
                guard !bytes.isEmpty else { throw StoreError(.unavailable, "a file became shorter while it was read") }
                if offset == 0 { head = Array(bytes.prefix(ImageFormat.signatureBytes)) }
                try digester.update(bytes)
                offset += Int64(bytes.count)
            }
            guard let sha256 = SHA256Digest(bytes: try digester.finish()) else {
                throw StoreError(.unavailable, "a SHA-256 without 32 bytes")
            }
            self.init(sha256: sha256, format: ImageFormat(firstBytes: head), stamp: file.stamp)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }
}

/// A user's current avatar.
package struct Avatar: Hashable, Sendable {
    package let name: AvatarName
    package let sha256: SHA256Digest
    /// Bytes.
    package let size: Int64
    package let format: ImageFormat?
    /// Grows by one with every change of the user's avatar, also when there is none any more.
    package let generation: Int64

    package init(name: AvatarName, sha256: SHA256Digest, size: Int64, format: ImageFormat?, generation: Int64) {
        self.name = name
        self.sha256 = sha256
        self.size = size
        self.format = format
        self.generation = generation
    }
}

/// A user's icon, and what is known of it.
package struct CurrentIcon: Hashable, Sendable {
    /// As any server has set it.
    package let name: String
    /// The last avatar that was recorded, and the file that it was made from; perhaps of another icon, and nil when there is none.
    package let record: Record?

    package struct Record: Hashable, Sendable {
        package let avatar: Avatar
        package let stamp: FileStamp

        package init(avatar: Avatar, stamp: FileStamp) {
            self.avatar = avatar
            self.stamp = stamp
        }
    }

    package init(name: String, record: Record?) {
        self.name = name
        self.record = record
    }
}

/// One line of the change log.
package struct LoggedChange: Hashable, Sendable {
    /// The place in the log: one more than that of the change before.
    package let cursor: Int64
    package let user: UserID
    package let generation: Int64
    /// Nil when the user has no avatar any more.
    package let avatar: Avatar?

    package init(cursor: Int64, user: UserID, generation: Int64, avatar: Avatar?) {
        self.cursor = cursor
        self.user = user
        self.generation = generation
        self.avatar = avatar
    }
}

/// How far the change log reaches.
package struct ChangeLogRange: Hashable, Sendable {
    /// Names the log: another after a database was made anew, whose cursors then mean something else.
    package let epoch: String
    /// The cursor of the oldest change that the log still has; one more than ``newest`` when it has none.
    package let oldest: Int64
    /// The cursor of the last change, 0 before the first.
    package let newest: Int64

    package init(epoch: String, oldest: Int64, newest: Int64) {
        self.epoch = epoch
        self.oldest = oldest
        self.newest = newest
    }
}

/// The users' current avatars with their digests, and a log of their changes.
///
/// The user's icon stays where it always was (``UserStore/icon(of:)``), because other servers may set it; a record here holds as long as
/// it names that icon and the file's stamp is the same.
package protocol AvatarStore: Sendable {
    /// Makes a file the avatar of `user`: the icon, the record and a change in the log are one step. Content and name that the user's
    /// record has already are no change.
    ///
    /// - Parameter cause: why the record is made.
    /// - Returns: nil, and nothing has changed, when there is no such user, or the icon is not the file that was found.
    func setAvatar(
        _ name: AvatarName, _ content: FileContent, of user: UserID, _ cause: AvatarCause
    ) throws(StoreError) -> Avatar?
    /// Makes files that the user has uploaded the user's avatar one after the other, so that the last of them is it in the end.
    ///
    /// - Returns: each file's avatar, nil where there is no such user.
    func setAvatars(
        _ files: [(name: AvatarName, content: FileContent)], of user: UserID
    ) throws(StoreError) -> [Avatar?]
    /// Takes the icon from `user`. Returns false when there was none; then nothing has changed.
    func removeAvatar(of user: UserID) throws(StoreError) -> Bool
    /// The user's icon, and in the same look the record of it; nil for a user without an icon, or none at all.
    func current(of user: UserID) throws(StoreError) -> CurrentIcon?
    /// What ``current(of:)`` said less than ``AvatarCore/Limits/Server/iconTrust`` ago, unless this store has changed it since; nil when the
    /// store must be asked. May be called on an event loop.
    func currentAtOnce(of user: UserID) -> CurrentIcon?
    /// How far the log reaches now.
    func logRange() throws(StoreError) -> ChangeLogRange
    /// The changes behind `cursor`, oldest first, at most `limit`.
    func changes(after cursor: Int64, limit: Int) throws(StoreError) -> [LoggedChange]
    /// Calls `bell` after each change, by this instance or another, soon and from any thread; several changes may ring once. The caller
    /// reads ``changes(after:limit:)`` then, not in the bell.
    func onChange(_ bell: @escaping @Sendable () -> Void)
}

/// Why a record is made.
package enum AvatarCause: Hashable, Sendable {
    /// The user has uploaded the file: it becomes the icon.
    case uploaded
    /// The file lies there as the user's icon, and another server had put it there.
    case found
}

/// Who is called after a change.
package final class ChangeBells: Sendable {
    private let bells = Mutex<[@Sendable () -> Void]>([])

    package init() {}

    package func add(_ bell: @escaping @Sendable () -> Void) { bells.withLock { $0.append(bell) } }

    package func ring() {
        for bell in bells.withLock({ $0 }) { bell() }
    }
}

extension Digester {
    fileprivate mutating func update(_ bytes: [UInt8]) throws(DigestError) { try update(bytes.span.bytes) }
}

extension ImageFormat {
    fileprivate init?(firstBytes bytes: [UInt8]) { self.init(firstBytes: bytes.span.bytes) }
}

extension AvatarStore {
    /// Of a store that others write to, too, nothing is remembered.
    package func currentAtOnce(of user: UserID) -> CurrentIcon? { nil }

    package func setAvatars(
        _ files: [(name: AvatarName, content: FileContent)], of user: UserID
    ) throws(StoreError) -> [Avatar?] {
        var avatars: [Avatar?] = []
        for file in files { avatars.append(try setAvatar(file.name, file.content, of: user, .uploaded)) }
        return avatars
    }
}

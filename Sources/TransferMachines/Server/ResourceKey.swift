package import AvatarCore

/// One file on the server: the user whose file it is, and its name.
package struct ResourceKey: Hashable, Sendable, CustomStringConvertible {
    /// The user in whose folder the file lies; nil for files of 1003 that name none, which lie at `<root>/<name>`.
    package let owner: UserID?
    package let name: AvatarName

    package init(owner: UserID?, name: AvatarName) {
        self.owner = owner
        self.name = name
    }

    package var description: String { "\(owner.map { "\($0)/" } ?? "")\(name)" }
}

/// Names one attempt at an upload and its part file, so that two attempts at the same name never share bytes.
package struct UploadID: Hashable, Sendable, CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    package let hex: String

    /// Makes an id of 128 random bits, which the caller draws.
    package init(high: UInt64, low: UInt64) { hex = Self.digits(high) + Self.digits(low) }

    /// Reads a stored id; nil when `hex` is none.
    package init?(hex: String) {
        guard hex.utf8.count == 32,
            hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        self.hex = hex
    }

    package var description: String { hex }

    private static func digits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}

/// What the first chunk of an upload promised. The length of the part file says how many bytes the server has.
package struct UploadRecord: Hashable, Sendable {
    package let key: ResourceKey
    package let uploadID: UploadID
    /// The MD5 that the whole file must have.
    package let md5: MD5Digest
    /// Bytes of the whole file.
    package let totalSize: Int64
    /// Bytes of the first chunk, and of every other but the last. 0 for an empty file.
    package let chunkSize: Int64
    /// Whether the file is in its place and the icon is set. The store keeps a complete record for a while, for a client that has lost the
    /// last reply.
    package var isComplete: Bool

    package init(
        key: ResourceKey, uploadID: UploadID, md5: MD5Digest, totalSize: Int64, chunkSize: Int64,
        isComplete: Bool = false
    ) {
        self.key = key
        self.uploadID = uploadID
        self.md5 = md5
        self.totalSize = totalSize
        self.chunkSize = chunkSize
        self.isComplete = isComplete
    }

    /// Nil for an empty file, which has no chunks.
    package var geometry: ChunkGeometry? { ChunkGeometry(totalSize: totalSize, chunkSize: chunkSize) }

    /// The last whole chunk among the first `held` bytes, and the bytes up to its end.
    package func progress(held: Int64) -> (seq: Int64, transSize: Int64) {
        guard let geometry else { return (isComplete ? 1 : 0, 0) }
        let seq = geometry.chunksHeld(bytes: held)
        return (seq, geometry.range(of: seq)?.upperBound ?? 0)
    }
}

/// What a store knows about a token.
package enum TokenVerdict: Hashable, Sendable {
    case valid
    /// The user has another token.
    case wrong
    /// The store has no token for this user.
    case unknownUser
}

/// Why a store could not do an action, as far as the answer to the client depends on the reason; the code of `StoreError`.
package enum StoreErrorCode: Hashable, Sendable {
    /// The file that the server was about to use is gone.
    case missing
    /// A sync failed. The kernel may have dropped what was written, and a second sync would not say so (fsync(2)).
    case unsynced
    /// The system does not let this process read or write there.
    case forbidden
    /// The disk has no room.
    case full
    /// The store cannot be reached or has failed.
    case unavailable
}

package import AvatarCore

/// One file on the server: the user whose file it is, and its name.
package struct ResourceKey: Hashable, Sendable, CustomStringConvertible {
    /// Whose folder it lies in; nil for files of 1003, which the seed keeps at `<output>/<name>`.
    package let owner: UserID?
    package let name: AvatarName

    package init(owner: UserID?, name: AvatarName) {
        self.owner = owner
        self.name = name
    }

    package var description: String { "\(owner.map { "\($0)/" } ?? "")\(name)" }
}

/// Names one attempt at an upload, and so its part file: two attempts at the same name never share bytes.
package struct UploadID: Hashable, Sendable, CustomStringConvertible {
    /// 32 lower-case hexadecimal digits.
    package let hex: String

    /// Drawn by the caller; 128 bits make a repetition unthinkable.
    package init(high: UInt64, low: UInt64) { hex = Self.digits(high) + Self.digits(low) }

    /// As it was stored; nil when it is none.
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
    /// What the whole file's MD5 must be.
    package let md5: MD5Digest
    /// Bytes of the whole file.
    package let totalSize: Int64
    /// Bytes of every chunk but the last: those of the first. 0 for an empty file.
    package let chunkSize: Int64
    /// Whether the file is in its place and the icon set. Kept for a while, for a client that lost the last reply.
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

/// What a store says of a token.
package enum TokenVerdict: Hashable, Sendable {
    case valid
    /// The user is known, the token is another.
    case wrong
    /// No token is known for this user.
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
    /// No room on the disk.
    case full
    /// The store cannot be reached, or broke.
    case unavailable
}

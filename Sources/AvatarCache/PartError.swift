package import AvatarCore
package import PosixFiles

/// Why the bytes of a part, or of a file in the cache folder, are not taken for a picture: a code to act on, and the cause.
package struct PartError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the caller can do about it.
    package enum Code: String, Hashable, Sendable {
        /// There is no part of that name: fetch it.
        case missing
        /// The file has another size than was promised.
        case wrongSize = "wrong-size"
        /// The bytes have another SHA-256 than the server promised.
        case wrongDigest = "wrong-digest"
        /// The bytes are no complete picture; ``image`` says why.
        case notAnImage = "not-an-image"
        /// The bytes could not be read; ``posix`` says why.
        case unreadable
        /// libcrypto gave no digest.
        case noDigest = "no-digest"
    }

    /// What the caller can do about it.
    package let code: Code
    /// What the picture lacks, where that is the cause.
    package let image: ImageError?
    /// The system call that failed, where one did.
    package let posix: PosixError?
    /// The cause in words, where neither of the two says it.
    package let detail: String?

    private init(_ code: Code, image: ImageError? = nil, posix: PosixError? = nil, detail: String? = nil) {
        self.code = code
        self.image = image
        self.posix = posix
        self.detail = detail
    }

    /// There is no part of that name.
    package static let missing = PartError(.missing, detail: "there is no part file")

    /// The file has `found` bytes, and `expected` were promised or are allowed.
    package static func wrongSize(expected: Int64, found: Int64) -> PartError {
        PartError(.wrongSize, detail: "\(found) bytes came where \(expected) were promised")
    }

    /// The server promised the digest `expected`, and the bytes have `found`.
    package static func wrongDigest(expected: SHA256Digest, found: SHA256Digest) -> PartError {
        PartError(.wrongDigest, detail: "the bytes have SHA-256 \(found.hex), the server promised \(expected.hex)")
    }

    /// The bytes are no complete picture.
    package static func image(_ fault: ImageError) -> PartError { PartError(.notAnImage, image: fault) }

    /// The bytes could not be read.
    package static func unreadable(_ error: PosixError) -> PartError { PartError(.unreadable, posix: error) }

    static func noDigest(_ reason: String) -> PartError { PartError(.noDigest, detail: reason) }

    package var description: String {
        image?.description ?? posix?.description ?? detail ?? code.rawValue
    }
}

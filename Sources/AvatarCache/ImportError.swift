package import AvatarCore
package import PosixFiles

/// Why a file from elsewhere cannot be imported: a code to act on, the file, and the cause.
package struct ImportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the file.
    package enum Code: String, Hashable, Sendable {
        /// The bytes are no complete picture; ``ImportError/image`` says why.
        case notAnImage = "not-an-image"
        /// Over `upload.bytesMax`; ``ImportError/size`` and ``ImportError/limit`` say by how much.
        case tooLarge = "too-large"
        /// A folder, a FIFO, a device.
        case notRegular = "not-regular"
        /// Missing, or not allowed; ``ImportError/posix`` says why.
        case unreadable
    }

    /// What is wrong with the file.
    package let code: Code
    /// The file that was to be imported, as the person named it.
    package let path: String
    /// What the picture lacks, where that is the cause.
    package let image: ImageError?
    /// The system call that failed, where one did.
    package let posix: PosixError?
    /// Bytes of the file, where there are too many.
    package let size: Int64?
    /// Bytes that are allowed, where the file has more.
    package let limit: Int64?

    private init(
        _ code: Code, path: String, image: ImageError? = nil, posix: PosixError? = nil, size: Int64? = nil,
        limit: Int64? = nil
    ) {
        self.code = code
        self.path = path
        self.image = image
        self.posix = posix
        self.size = size
        self.limit = limit
    }

    /// The bytes are no complete picture.
    package static func notAnImage(path: String, _ fault: ImageError) -> ImportError {
        ImportError(.notAnImage, path: path, image: fault)
    }

    /// The file has `size` bytes, and `limit` are allowed.
    package static func tooLarge(path: String, size: Int64, limit: Int64) -> ImportError {
        ImportError(.tooLarge, path: path, size: size, limit: limit)
    }

    /// The file is a folder, a FIFO or a device.
    package static func notRegular(path: String) -> ImportError { ImportError(.notRegular, path: path) }

    /// The file is missing, or may not be read.
    package static func unreadable(path: String, _ error: PosixError) -> ImportError {
        ImportError(.unreadable, path: path, posix: error)
    }

    /// The cause without the path.
    package var reason: String {
        switch code {
        case .notAnImage: image?.description ?? code.rawValue
        case .tooLarge: "it has \(size ?? 0) bytes, upload.bytesMax allows \(limit ?? 0)"
        case .notRegular: "it is no regular file"
        case .unreadable: posix?.description ?? code.rawValue
        }
    }

    package var description: String { "\(path): \(reason)" }
}

package import AvatarCore
package import PosixFiles

/// Why a file in the upload folder is not to be uploaded: a code to act on, and the cause.
package struct CropError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the file.
    package enum Code: String, Hashable, Sendable {
        /// A symlink is never followed.
        case symlink
        /// A folder, a FIFO, a socket, a device.
        case notRegular = "not-regular"
        /// Over `upload.bytesMax`.
        case tooLarge = "too-large"
        /// The bytes are no complete picture; ``image`` says why.
        case notAnImage = "not-an-image"
        /// The agent may not read the file, or could not; ``posix`` says why.
        case unreadable
    }

    /// What is wrong with the file.
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

    /// The file is a symlink.
    package static let symlink = CropError(.symlink, detail: "it is a symbolic link, which is never followed")
    /// The file is a folder, a FIFO, a socket or a device.
    package static let notRegular = CropError(.notRegular, detail: "it is no regular file")

    /// The file has `size` bytes, and `limit` are allowed.
    package static func tooLarge(size: Int64, limit: Int64) -> CropError {
        CropError(.tooLarge, detail: "it has \(size) bytes, upload.bytesMax allows \(limit)")
    }

    /// The bytes are no complete picture.
    package static func image(_ fault: ImageError) -> CropError { CropError(.notAnImage, image: fault) }

    /// The file could not be read.
    package static func unreadable(_ error: PosixError) -> CropError { CropError(.unreadable, posix: error) }

    /// Whether the bytes are the beginning of a picture: its writer may not be done.
    package var isIncomplete: Bool {
        image?.isIncomplete ?? false
    }

    package var description: String {
        image?.description ?? posix?.description ?? detail ?? code.rawValue
    }
}

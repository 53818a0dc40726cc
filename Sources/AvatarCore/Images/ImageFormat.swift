/// The four picture formats that an avatar may have, known by their first bytes and never by a name's extension.
package enum ImageFormat: String, Hashable, Sendable, CaseIterable {
    case png
    case jpeg
    case webp
    case bmp

    /// The usual extension, without a dot.
    package var fileExtension: String {
        switch self {
        case .png: "png"
        case .jpeg: "jpg"
        case .webp: "webp"
        case .bmp: "bmp"
        }
    }

    /// How many first bytes ``init(firstBytes:)`` looks at.
    package static let signatureBytes = 12

    /// The format that these first bytes announce, or nil. Twelve bytes are enough for all four.
    package init?(firstBytes bytes: RawSpan) {
        let reader = ByteReader(_bytes: bytes)
        if reader.matches(PNGStructure.signature, at: 0) {
            self = .png
        } else if reader.matches([0xff, 0xd8, 0xff], at: 0) {
            self = .jpeg
        } else if reader.matches(Array("RIFF".utf8), at: 0), reader.matches(Array("WEBP".utf8), at: 8) {
            self = .webp
        } else if reader.matches(Array("BM".utf8), at: 0) {
            self = .bmp
        } else {
            return nil
        }
    }
}

/// What a complete picture's own headers say of it.
package struct ImageFacts: Hashable, Sendable {
    /// Its format.
    package let format: ImageFormat
    /// Pixels from left to right, 1 or more.
    package let width: Int
    /// Pixels from top to bottom, 1 or more.
    package let height: Int

    /// Facts that were found out earlier.
    package init(format: ImageFormat, width: Int, height: Int) {
        self.format = format
        self.width = width
        self.height = height
    }
}

/// Bytes that are no complete picture.
package struct ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong; one word for the log, the catalog and the bus.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        /// No bytes at all.
        case empty
        /// The first bytes are none of the four formats'.
        case notAnImage = "not-an-image"
        /// It begins as a picture and ends too early.
        case truncated
        /// The header claims more pixels than anyone should decode (``Limits/Picture/pixelsMax``).
        case tooManyPixels = "too-many-pixels"
        /// It begins as a picture and breaks its format's rules.
        case malformed
    }

    /// What is wrong.
    package let code: Code
    /// Inside what the bytes end, which rule they break, or how many pixels they claim; empty where the code says it all.
    package let detail: String

    private init(_ code: Code, _ detail: String = "") {
        self.code = code
        self.detail = detail
    }

    package static let empty = ImageError(.empty)
    package static let notAnImage = ImageError(.notAnImage)
    package static func truncated(_ inside: String) -> ImageError { ImageError(.truncated, inside) }
    package static func malformed(_ rule: String) -> ImageError { ImageError(.malformed, rule) }
    package static func tooManyPixels(width: Int, height: Int) -> ImageError {
        ImageError(.tooManyPixels, "\(width) × \(height)")
    }

    package var description: String {
        switch code {
        case .empty: "the file is empty"
        case .notAnImage: "the file is no PNG, JPEG, WebP or BMP picture by its first bytes"
        case .truncated: "the picture is cut off inside \(detail)"
        case .tooManyPixels: "the picture claims \(detail) pixels, at most \(Limits.Picture.pixelsMax) are taken"
        case .malformed: "the picture is malformed: \(detail)"
        }
    }
}

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

/// Why bytes are no complete picture.
package enum ImageFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// No bytes at all.
    case empty
    /// The first bytes are none of the four formats'.
    case notAnImage
    /// It begins as a picture and ends too early; the reason says inside what.
    case truncated(String)
    /// The header claims more pixels than anyone should decode (``Limits/Picture/pixelsMax``).
    case tooManyPixels(width: Int, height: Int)
    /// It begins as a picture and breaks its format's rules; the reason says which.
    case malformed(String)

    /// One word for the log, the catalog and the bus.
    package var code: String {
        switch self {
        case .empty: "empty"
        case .notAnImage: "not-an-image"
        case .truncated: "truncated"
        case .tooManyPixels: "too-many-pixels"
        case .malformed: "malformed"
        }
    }

    package var description: String {
        switch self {
        case .empty: "the file is empty"
        case .notAnImage: "the file is no PNG, JPEG, WebP or BMP picture by its first bytes"
        case .truncated(let inside): "the picture is cut off inside \(inside)"
        case .tooManyPixels(let width, let height):
            "the picture claims \(width) × \(height) pixels, at most \(Limits.Picture.pixelsMax) are taken"
        case .malformed(let reason): "the picture is malformed: \(reason)"
        }
    }
}

/// The picture formats that an avatar may have, known by their first bytes and never by a name's extension.
package enum ImageFormat: String, Hashable, Sendable, CaseIterable {
    case png
    case jpeg
    case webp
    case bmp
    case gif
    case avif
    case heic
    case jxl

    /// What Qt with its usual plugins shows: the default of `pictures.types`.
    package static let usual: Set<ImageFormat> = [.png, .jpeg, .webp, .bmp, .gif, .avif]

    /// The usual extension, without a dot.
    package var fileExtension: String { self == .jpeg ? "jpg" : rawValue }

    /// The format's name for a person.
    package var name: String {
        switch self {
        case .webp: "WebP"
        case .jxl: "JPEG XL"
        default: rawValue.uppercased()
        }
    }

    /// At most how many first bytes tell a format of this list.
    package static let signatureBytes = 12

    /// The format that these first bytes announce, or nil. AVIF and HEIC name their brands behind the first twelve bytes.
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
        } else if reader.matches(Array("GIF87a".utf8), at: 0) || reader.matches(Array("GIF89a".utf8), at: 0) {
            self = .gif
        } else if reader.matches([0xff, 0x0a], at: 0) || reader.matches(JPEGXLStructure.container, at: 0) {
            self = .jxl
        } else if let format = HEIFStructure.format(reader) {
            self = format
        } else {
            return nil
        }
    }

    /// The name of a picture format that is recognized and never taken, or nil. SVG is among these: it is a program, not a picture.
    package static func foreignName(firstBytes bytes: RawSpan) -> String? {
        let reader = ByteReader(_bytes: bytes)
        for (name, offset, signature) in foreignSignatures where reader.matches(signature, at: offset) { return name }
        if reader.matches(Array("ftyp".utf8), at: 4) {
            for (name, brand) in [("CR3", "crx "), ("JPEG 2000", "jp2 ")] where reader.matches(Array(brand.utf8), at: 8)
            {
                return name
            }
        }
        return isSVG(reader) ? "SVG" : nil
    }

    private static let foreignSignatures: [(name: String, offset: Int, bytes: [UInt8])] = [
        ("TIFF", 0, [0x49, 0x49, 0x2a, 0]), ("TIFF", 0, [0x4d, 0x4d, 0, 0x2a]), ("TIFF", 0, [0x49, 0x49, 0x2b, 0]),
        ("TIFF", 0, [0x4d, 0x4d, 0, 0x2b]), ("ICO", 0, [0, 0, 1, 0]), ("CUR", 0, [0, 0, 2, 0]),
        ("JPEG 2000", 0, [0, 0, 0, 12, 0x6a, 0x50, 0x20, 0x20, 13, 10, 0x87, 10]),
        ("JPEG 2000", 0, [0xff, 0x4f, 0xff, 0x51]), ("MNG", 0, [0x8a, 0x4d, 0x4e, 0x47, 13, 10, 0x1a, 10]),
        ("JNG", 0, [0x8b, 0x4a, 0x4e, 0x47, 13, 10, 0x1a, 10]), ("PSD", 0, Array("8BPS".utf8)),
        ("XCF", 0, Array("gimp xcf".utf8)), ("ICNS", 0, Array("icns".utf8)), ("QOI", 0, Array("qoif".utf8)),
        ("DDS", 0, Array("DDS ".utf8)), ("OpenEXR", 0, [0x76, 0x2f, 0x31, 0x01]), ("PDF", 0, Array("%PDF-".utf8)),
        ("PostScript", 0, Array("%!PS".utf8)), ("XPM", 0, Array("/* XPM */".utf8)), ("JPEG XR", 0, [0x49, 0x49, 0xbc]),
        ("SVG, compressed", 0, [0x1f, 0x8b, 0x08]), ("Krita", 30, Array("mimetypeapplication/x-krita".utf8)),
        ("OpenRaster", 30, Array("mimetypeimage/openraster".utf8)),
        ("PNM", 0, Array("P1\n".utf8)), ("PNM", 0, Array("P2\n".utf8)), ("PNM", 0, Array("P3\n".utf8)),
        ("PNM", 0, Array("P4\n".utf8)), ("PNM", 0, Array("P5\n".utf8)), ("PNM", 0, Array("P6\n".utf8)),
    ]

    /// Whether a text begins with an SVG element, behind a byte order mark, blanks, an XML declaration, comments and a document type.
    private static func isSVG(_ reader: ByteReader) -> Bool {
        var offset = reader.matches([0xef, 0xbb, 0xbf], at: 0) ? 3 : 0
        let end = min(reader.count, 4096)
        while offset < end {
            switch reader[offset] {
            case 9, 10, 13, 32: offset += 1
            case UInt8(ascii: "<"):
                if reader.matches(Array("<svg".utf8), at: offset) || reader.matches(Array("<svg:svg".utf8), at: offset)
                {
                    return true
                }
                guard let next = reader.byte(offset + 1), next == UInt8(ascii: "?") || next == UInt8(ascii: "!") else {
                    return false
                }
                if reader.matches(Array("<!DOCTYPE svg".utf8), at: offset) { return true }
                let close = Array((reader.matches(Array("<!--".utf8), at: offset) ? "-->" : ">").utf8)
                while offset < end, !reader.matches(close, at: offset) { offset += 1 }
                offset += close.count
            default: return false
            }
        }
        return false
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
        /// The first bytes are those of no picture that is known.
        case notAnImage = "not-an-image"
        /// It is a picture of a format that is not taken (`pictures.types`).
        case unsupported = "unsupported-format"
        /// It begins as a picture and ends too early.
        case truncated
        /// All of it may be there, but its own end mark is not: only who knows otherwise that the file is whole may take it.
        case unended
        /// The header claims more pixels than anyone should decode (``Limits/Picture/pixelsMax``).
        case tooManyPixels = "too-many-pixels"
        /// It begins as a picture and breaks its format's rules.
        case malformed
    }

    /// What is wrong.
    package let code: Code
    /// Inside what the bytes end, which rule they break, or how many pixels they claim; empty where the code says it all.
    package let detail: String

    /// Whether more bytes could make it a picture: its writer may not be done.
    package var isIncomplete: Bool { code == .truncated || code == .unended || code == .empty }

    private init(_ code: Code, _ detail: String = "") {
        self.code = code
        self.detail = detail
    }

    package static let empty = ImageError(.empty)
    package static let notAnImage = ImageError(.notAnImage)
    package static func unsupported(_ format: String) -> ImageError { ImageError(.unsupported, format) }
    package static func unended(_ mark: String) -> ImageError { ImageError(.unended, mark) }
    package static func truncated(_ inside: String) -> ImageError { ImageError(.truncated, inside) }
    package static func malformed(_ rule: String) -> ImageError { ImageError(.malformed, rule) }
    package static func tooManyPixels(width: Int, height: Int) -> ImageError {
        ImageError(.tooManyPixels, "\(width) × \(height)")
    }

    package var description: String {
        switch code {
        case .empty: "the file is empty"
        case .notAnImage: "the file is no picture by its first bytes"
        case .unsupported: AbsenceReason.unsupportedFormat(detail).rawValue
        case .unended: "the picture has no end mark: \(detail) is missing"
        case .truncated: "the picture is cut off inside \(detail)"
        case .tooManyPixels: "the picture claims \(detail) pixels, at most \(Limits.Picture.pixelsMax) are taken"
        case .malformed: "the picture is malformed: \(detail)"
        }
    }
}

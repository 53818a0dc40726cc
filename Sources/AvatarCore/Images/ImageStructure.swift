/// Whether a whole file is a structurally complete picture (docs/pictures.md).
///
/// Only the structure is walked, no pixel is decoded: where decoders show a picture all the same, it counts; where they fail, it does not.
/// Bytes behind a complete picture are no fault: cameras and editors leave some, and every viewer ignores them; how long the file must be
/// is the promised size's business.
package enum ImageStructure {
    /// What the picture in `bytes`, a whole file, is; or why it is none.
    ///
    /// - Parameters:
    ///   - types: The formats that are taken (`pictures.types`).
    ///   - isWhole: Whether somebody else says that nothing more will come: the size that a server promised, or a file that was closed and
    ///     has not changed since. Then a picture may lack its end mark.
    package static func examine(
        _ bytes: RawSpan, types: Set<ImageFormat> = Set(ImageFormat.allCases), isWhole: Bool = false
    ) throws(ImageError) -> ImageFacts {
        guard !bytes.isEmpty else { throw .empty }
        guard let format = ImageFormat(firstBytes: bytes) else {
            guard let foreign = ImageFormat.foreignName(firstBytes: bytes) else { throw .notAnImage }
            throw .unsupported(foreign)
        }
        guard types.contains(format) else { throw .unsupported(format.name) }
        let reader = ByteReader(_bytes: bytes)
        switch format {
        case .png: return try PNGStructure.examine(reader)
        case .jpeg: return try JPEGStructure.examine(reader, isWhole: isWhole)
        case .webp: return try WebPStructure.examine(reader)
        case .bmp: return try BMPStructure.examine(reader, isWhole: isWhole)
        case .gif: return try GIFStructure.examine(reader, isWhole: isWhole)
        case .avif, .heic: return try HEIFStructure.examine(reader, format, isWhole: isWhole)
        case .jxl: return try JPEGXLStructure.examine(reader, isWhole: isWhole)
        }
    }

    /// Checks a header's claim before anything else is believed.
    static func facts(_ format: ImageFormat, width: Int, height: Int) throws(ImageError) -> ImageFacts {
        guard width > 0, height > 0 else { throw .malformed("it claims \(width) × \(height) pixels") }
        let (pixels, overflow) = Int64(width).multipliedReportingOverflow(by: Int64(height))
        guard !overflow, pixels <= Limits.Picture.pixelsMax else {
            throw .tooManyPixels(width: width, height: height)
        }
        return ImageFacts(format: format, width: width, height: height)
    }
}

/// A whole file's bytes, read as integers, each bounded: what lies outside is nil.
typealias ByteReader = Span<UInt8>

extension Span<UInt8> {
    func byte(_ offset: Int) -> UInt8? { offset >= 0 && offset < count ? self[offset] : nil }

    func bigEndian16(_ offset: Int) -> Int? { integer(offset, 2, bigEndian: true) }
    func bigEndian32(_ offset: Int) -> Int? { integer(offset, 4, bigEndian: true) }
    func bigEndian64(_ offset: Int) -> Int? { integer(offset, 8, bigEndian: true) }
    /// A number of 0 to 8 bytes; none of them is 0.
    func bigEndian(_ offset: Int, bytes: Int) -> Int? { integer(offset, bytes, bigEndian: true) }
    func littleEndian16(_ offset: Int) -> Int? { integer(offset, 2, bigEndian: false) }
    func littleEndian24(_ offset: Int) -> Int? { integer(offset, 3, bigEndian: false) }
    func littleEndian32(_ offset: Int) -> Int? { integer(offset, 4, bigEndian: false) }

    private func integer(_ offset: Int, _ width: Int, bigEndian: Bool) -> Int? {
        guard offset >= 0, offset <= count - width else { return nil }
        var value = 0
        for index in 0..<width {
            let byte = Int(self[offset + index])
            value = bigEndian ? value << 8 | byte : value | byte << (8 * index)
        }
        return value
    }

    func matches(_ expected: [UInt8], at offset: Int) -> Bool {
        guard offset >= 0, offset <= count - expected.count else { return false }
        for index in expected.indices where self[offset + index] != expected[index] { return false }
        return true
    }

    /// The offset of the next 0xFF byte at or after `offset`, or nil.
    func nextFF(from offset: Int) -> Int? {
        var index = offset
        while index < count {
            if self[index] == 0xff { return index }
            index += 1
        }
        return nil
    }

    /// CRC-32 of the bytes in `range`, which must lie inside the file.
    func crc32(_ range: Range<Int>) -> UInt32 { CRC32.checksum(extracting(range)) }
}

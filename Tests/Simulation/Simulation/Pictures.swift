internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

/// Small real PNG files: structurally complete, with right checksums, all different.
struct Picture {
    let bytes: [UInt8]
    let sha256: SHA256Digest
    let md5: MD5Digest
    let md5Hex: String

    init(size: Int, random: inout SeededRandom) throws {
        var png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        Self.chunk("IHDR", [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0], into: &png)
        // zlib: one stored block with the filter byte and one grey pixel, and its Adler-32.
        Self.chunk("IDAT", [0x78, 0x01, 0x01, 0x02, 0x00, 0xFD, 0xFF, 0x00, 0x7F, 0x00, 0x81, 0x00, 0x80], into: &png)
        var filler = [UInt8]("Comment\0".utf8)
        let wanted = max(1, size - png.count - 12 - 12 - filler.count)
        var word: UInt64 = 0
        for index in 0..<wanted {
            if index.isMultiple(of: 8) { word = random.next() }
            filler.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(index % 8))) | 1)
        }
        Self.chunk("tEXt", filler, into: &png)
        Self.chunk("IEND", [], into: &png)
        bytes = png
        sha256 = try SHA256Digest(of: png.span.bytes)
        md5 = try MD5Digest(of: png.span.bytes)
        md5Hex = md5.hex
    }

    private static func chunk(_ type: String, _ data: [UInt8], into png: inout [UInt8]) {
        append(UInt32(data.count), to: &png)
        let start = png.count
        png += Array(type.utf8)
        png += data
        append(CRC32.checksum(png.span.extracting(start..<png.count)), to: &png)
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}

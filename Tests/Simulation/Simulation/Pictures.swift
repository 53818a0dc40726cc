internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

/// Small real PNG files: structurally complete, with right checksums, all different.
struct Picture {
    let bytes: [UInt8]
    let sha256: SHA256Digest
    let md5: MD5Digest
    let md5Hex: String

    /// A picture of about that many bytes. Those that one row has no room for stand in a chunk that nobody shows.
    init(size: Int, random: inout SeededRandom) throws {
        var png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        // One row of grey pixels. They are all of the file but 69 bytes, so that a flipped bit is found by the checksum of a critical chunk:
        // nobody minds one in another chunk (docs/pictures.md).
        let padding = size > 65_069 ? size - 2_000 : 0
        let width = max(1, size - padding - 69)
        var pixels: [UInt8] = [0]
        var word: UInt64 = 0
        for index in 0..<width {
            if index.isMultiple(of: 8) { word = random.next() }
            pixels.append(UInt8(truncatingIfNeeded: word >> (8 * UInt64(index % 8))))
        }
        var header: [UInt8] = []
        Self.append(UInt32(width), to: &header)
        Self.chunk("IHDR", header + [0, 0, 0, 1, 8, 0, 0, 0, 0], into: &png)
        if padding > 0 { Self.chunk("prVt", [UInt8](repeating: 7, count: padding), into: &png) }
        // zlib (RFC 1950): one stored block, its length and the complement of that, the row with its filter byte, and its Adler-32.
        let (low, high) = (UInt8(pixels.count & 0xff), UInt8(pixels.count >> 8))
        var data: [UInt8] = [0x78, 0x01, 0x01, low, high, ~low, ~high] + pixels
        Self.append(Self.adler32(pixels), to: &data)
        Self.chunk("IDAT", data, into: &png)
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

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            a = (a + UInt32(byte)) % 65_521
            b = (b + a) % 65_521
        }
        return b << 16 | a
    }

    private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}

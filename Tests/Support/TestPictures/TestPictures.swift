package import AvatarCore
package import Foundation

/// The pictures that were drawn for the project (`scripts/make-fixtures.py`), and pictures of any exact size made from them.
package enum TestPictures {
    /// `Tests/Support/Fixtures`.
    package static let fixtures = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    /// Every avatar under `Tests/Support/Fixtures/pictures`, by name, in order.
    package static func all() throws -> [(name: String, bytes: [UInt8])] {
        let folder = fixtures.appendingPathComponent("pictures")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            (name, try bytes(folder.appendingPathComponent(name)))
        }
    }

    /// One avatar under `Tests/Support/Fixtures/pictures`.
    package static func picture(_ name: String) throws -> [UInt8] {
        try bytes(fixtures.appendingPathComponent("pictures").appendingPathComponent(name))
    }

    /// A picture of 16 × 16 pixels and under a kilobyte.
    package static func tiny(_ format: ImageFormat) throws -> [UInt8] {
        switch format {
        case .gif, .avif, .heic, .jxl: BoxPictures.tiny(format)
        case .png, .jpeg, .webp, .bmp: try fixture(format)
        }
    }

    private static func fixture(_ format: ImageFormat) throws -> [UInt8] {
        try bytes(fixtures.appendingPathComponent("tiny").appendingPathComponent("tiny.\(format.fileExtension)"))
    }

    /// A complete picture of exactly `size` bytes, 1,000 or more, padded the way its format allows. Pictures of different `seed`s
    /// have different bytes.
    package static func padded(_ format: ImageFormat, to size: Int, seed: UInt8 = 0) throws -> [UInt8] {
        let base = try tiny(format)
        let room = size - base.count
        let padded: [UInt8] =
            switch format {
            case .png: png(base, room, seed)
            case .jpeg: jpeg(base, room, seed)
            case .webp: webp(base, room, seed)
            case .bmp: bmp(base, room, seed)
            case .gif: gif(base, room, seed)
            // A box that readers pass over (14496-12, 8.1.2), at the end, where it moves nothing.
            case .avif, .heic, .jxl: base + bigEndian(room) + Array("free".utf8) + filler(room - 8, seed)
            }
        precondition(padded.count == size, "\(format) cannot be padded to \(size)")
        return padded
    }

    /// An ancillary, private chunk (PNG specification, 5.4) before IEND, whose 12 bytes end the file.
    private static func png(_ base: [UInt8], _ room: Int, _ seed: UInt8) -> [UInt8] {
        let data = Array("paDd".utf8) + filler(room - 12, seed)
        let chunk = bigEndian(room - 12) + data + bigEndian(Int(CRC32.checksum(data.span)))
        return base.dropLast(12) + chunk + base.suffix(12)
    }

    /// Comments of at most 65,533 bytes behind SOI.
    private static func jpeg(_ base: [UInt8], _ room: Int, _ seed: UInt8) -> [UInt8] {
        var comments: [UInt8] = []
        var left = room
        while left > 0 {
            // A comment has at least 4 bytes; none may leave less than that behind.
            let take = left <= 65_537 ? left : min(65_537, left - 4)
            comments += [0xff, 0xfe] + bigEndian(take - 2).suffix(2) + filler(take - 4, seed)
            left -= take
        }
        return base.prefix(2) + comments + base.dropFirst(2)
    }

    /// An unknown chunk at the end, which readers skip (RFC 9649, 2.3); chunks are even, an odd byte goes behind the container.
    private static func webp(_ base: [UInt8], _ room: Int, _ seed: UInt8) -> [UInt8] {
        let even = room - room % 2
        let chunk = Array("PADD".utf8) + littleEndian(even - 8) + filler(even - 8, seed)
        var bytes = base + chunk
        bytes.replaceSubrange(4..<8, with: littleEndian(bytes.count - 8))
        return bytes + filler(room % 2, seed)
    }

    /// A gap between the headers and the pixels.
    private static func bmp(_ base: [UInt8], _ room: Int, _ seed: UInt8) -> [UInt8] {
        let pixels = Int(base[10]) | Int(base[11]) << 8
        var bytes = base.prefix(pixels) + filler(room, seed) + base.dropFirst(pixels)
        bytes.replaceSubrange(2..<6, with: littleEndian(base.count + room))
        bytes.replaceSubrange(10..<14, with: littleEndian(pixels + room))
        return Array(bytes)
    }

    /// Comments of at most 255 bytes each, before the trailer.
    private static func gif(_ base: [UInt8], _ room: Int, _ seed: UInt8) -> [UInt8] {
        var blocks: [UInt8] = []
        var left = room - 3
        while left > 0 {
            let take = left <= 256 ? left : min(256, left - 2)
            blocks += [UInt8(take - 1)] + filler(take - 1, seed)
            left -= take
        }
        return base.dropLast() + [0x21, 0xfe] + blocks + [0, 0x3b]
    }

    private static func filler(_ count: Int, _ seed: UInt8) -> [UInt8] { [UInt8](repeating: seed, count: count) }

    private static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    private static func littleEndian(_ value: Int) -> [UInt8] { bigEndian(value).reversed() }

    private static func bytes(_ url: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }
}

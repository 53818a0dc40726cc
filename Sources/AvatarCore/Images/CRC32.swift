/// The CRC that closes every PNG chunk (ISO 3309; PNG specification, annex D).
package enum CRC32 {
    /// The checksum of `bytes`.
    package static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
        let tables = Self.tables.span
        let raw = bytes.bytes
        var crc: UInt32 = 0xffff_ffff
        var index = 0
        // Eight bytes at a time, each through the table of its distance ("slicing by eight"): a crop's first chunk waits for this.
        while index <= bytes.count - 8 {
            let word =
                UInt64(littleEndian: raw.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ UInt64(crc)
            crc = 0
            for place in 0..<8 {
                crc ^= tables[(7 - place) << 8 | Int(truncatingIfNeeded: word >> (8 * UInt64(place)) & 0xff)]
            }
            index += 8
        }
        while index < bytes.count {
            crc = tables[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])] ^ crc >> 8
            index += 1
        }
        return crc ^ 0xffff_ffff
    }

    /// Eight tables of 256: the first of a byte, each further one of the same byte with one more zero byte behind it.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = (0..<256).map { seed in
            var value = UInt32(seed)
            for _ in 0..<8 { value = value & 1 == 1 ? 0xedb8_8320 ^ value >> 1 : value >> 1 }
            return value
        }
        for index in 256..<2048 {
            let before = tables[index - 256]
            tables.append(tables[Int(before & 0xff)] ^ before >> 8)
        }
        return tables
    }()
}

/// The CRC that closes every PNG chunk (ISO 3309; PNG specification, annex D).
package enum CRC32 {
    /// The checksum of `bytes`.
    package static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
        let table = Self.table.span
        var crc: UInt32 = 0xffff_ffff
        for index in bytes.indices {
            crc = table[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])] ^ crc >> 8
        }
        return crc ^ 0xffff_ffff
    }

    private static let table: [UInt32] = (0..<256).map { seed in
        var value = UInt32(seed)
        for _ in 0..<8 { value = value & 1 == 1 ? 0xedb8_8320 ^ value >> 1 : value >> 1 }
        return value
    }
}

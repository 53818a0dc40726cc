import AvatarCore
import Testing

@Suite struct CRC32Tests {
    /// The check value of the catalogue of CRCs, and the empty message.
    @Test(arguments: [("123456789", 0xcbf4_3926), ("", 0), ("IEND", 0xae42_6082)] as [(String, UInt32)])
    func knownAnswers(text: String, checksum: UInt32) {
        let bytes = Array(text.utf8)
        #expect(CRC32.checksum(bytes.span) == checksum)
    }

    /// Bytes are taken eight at a time where there are as many; every length and every start must come to the same as bit by bit.
    @Test func everyLengthIsAsBitByBit() {
        let bytes = (0..<80).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
        for start in 0..<9 {
            for end in start...bytes.count {
                #expect(CRC32.checksum(bytes.span.extracting(start..<end)) == bitByBit(bytes[start..<end]))
            }
        }
    }

    private func bitByBit(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc: UInt32 = 0xffff_ffff
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? 0xedb8_8320 ^ crc >> 1 : crc >> 1 }
        }
        return ~crc
    }
}

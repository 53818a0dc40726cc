extension [UInt8] {
    /// Appends `text` as a JSON string, its quotes included (RFC 8259, section 7). Control characters are escaped, so that no raw NUL
    /// comes out, and DEL with them.
    package mutating func appendJSONString(_ text: String) {
        append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            // Most strings need no escape, and go in one piece.
            if bytes.contains(where: Self.needsEscape) {
                for byte in bytes { appendEscaped(byte) }
            } else {
                append(contentsOf: bytes)
            }
        }
        append(UInt8(ascii: "\""))
    }

    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        guard Self.needsEscape(byte) else { return append(byte) }
        append(UInt8(ascii: "\\"))
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return append(byte) }
        let digits: StaticString = "0123456789abcdef"
        append(contentsOf: [UInt8(ascii: "u"), UInt8(ascii: "0"), UInt8(ascii: "0")])
        digits.withUTF8Buffer { digits in
            append(digits[Int(byte >> 4)])
            append(digits[Int(byte & 15)])
        }
    }
}

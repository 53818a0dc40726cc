extension [UInt8] {
    /// Appends `text` as a JSON string, its quotes included (RFC 8259, section 7). Control characters are escaped, so that no raw NUL
    /// comes out, and DEL with them.
    package mutating func appendJSONString(_ text: String) {
        append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var plainFrom = 0
            // Most strings need no escape, and go in one piece.
            for index in bytes.indices where needsEscape(bytes[index]) {
                append(contentsOf: bytes[plainFrom..<index])
                appendEscape(bytes[index])
                plainFrom = index + 1
            }
            append(contentsOf: bytes[plainFrom...])
        }
        append(UInt8(ascii: "\""))
    }

    private mutating func appendEscape(_ byte: UInt8) {
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

private func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
}

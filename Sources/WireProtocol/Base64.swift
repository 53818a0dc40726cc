/// Standard base64 with padding (RFC 4648, section 4), the encoding of the classic dialect's `data`.
///
/// Strict on the way in: no line breaks, no missing padding, no bits set past the last byte. Whoever is lax here takes
/// several texts for the same bytes.
package enum Base64 {
    /// Characters that `count` bytes make.
    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends the text of `bytes` to `output`, which must have room for ``encodedCount(_:)`` more.
    package static func encode(_ bytes: Span<UInt8>, into output: inout OutputRawSpan) {
        let alphabet = Self.alphabet.span
        var at = 0
        while at + 3 <= bytes.count {
            let word = UInt32(bytes[at]) << 16 | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2])
            output.append(alphabet[Int(word >> 18)])
            output.append(alphabet[Int(word >> 12 & 63)])
            output.append(alphabet[Int(word >> 6 & 63)])
            output.append(alphabet[Int(word & 63)])
            at += 3
        }
        if at + 1 == bytes.count {
            let word = UInt32(bytes[at])
            output.append(alphabet[Int(word >> 2)])
            output.append(alphabet[Int(word << 4 & 63)])
            output.append(padding)
            output.append(padding)
        } else if at + 2 == bytes.count {
            let word = UInt32(bytes[at]) << 8 | UInt32(bytes[at + 1])
            output.append(alphabet[Int(word >> 10)])
            output.append(alphabet[Int(word >> 4 & 63)])
            output.append(alphabet[Int(word << 2 & 63)])
            output.append(padding)
        }
    }

    /// The bytes of `text`, or nil when it is no base64.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        let count = text.count
        guard count.isMultiple(of: 4) else { return nil }
        guard count > 0 else { return [] }
        let pads = text[count - 1] != padding ? 0 : text[count - 2] != padding ? 1 : 2
        var valid = true
        let bytes = [UInt8](capacity: count / 4 * 3 - pads) { output in
            valid = decode(text, pads: pads, into: &output)
        }
        return valid ? bytes : nil
    }

    /// Whole groups first; then the padded one, whose unused bits must be zero.
    private static func decode(_ text: Span<UInt8>, pads: Int, into output: inout OutputSpan<UInt8>) -> Bool {
        let values = Self.values.span
        let wholeEnd = pads == 0 ? text.count : text.count - 4
        var faults: UInt8 = 0
        var at = 0
        while at < wholeEnd {
            let a = values[Int(text[at])]
            let b = values[Int(text[at + 1])]
            let c = values[Int(text[at + 2])]
            let d = values[Int(text[at + 3])]
            faults |= a | b | c | d
            output.append(a << 2 | (b >> 4 & 3))
            output.append(b << 4 | (c >> 2 & 15))
            output.append(c << 6 | (d & 63))
            at += 4
        }
        guard faults & invalid == 0 else { return false }
        guard pads > 0 else { return true }
        let a = values[Int(text[at])]
        let b = values[Int(text[at + 1])]
        guard (a | b) & invalid == 0 else { return false }
        output.append(a << 2 | b >> 4)
        guard pads == 1 else { return b & 15 == 0 }
        let c = values[Int(text[at + 2])]
        guard c & invalid == 0, c & 3 == 0 else { return false }
        output.append(b << 4 | c >> 2)
        return true
    }

    private static let padding = UInt8(ascii: "=")
    /// Set in ``values`` for every byte that is no character of the alphabet.
    private static let invalid: UInt8 = 0x80
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: invalid, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }()
}

/// The escapes of a JSON string (RFC 8259, section 7).
enum JSONEscapes {
    /// The bytes that `text`, which lies between a string's quotes, stands for; nil when an escape is none, or is half a surrogate pair.
    static func undo(_ text: Span<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            let byte = text[at]
            at += 1
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard at < text.count else { return nil }
            let kind = text[at]
            at += 1
            if kind == UInt8(ascii: "u") {
                guard let scalar = scalar(text, &at) else { return nil }
                bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            } else {
                guard let plain = plain(kind) else { return nil }
                bytes.append(plain)
            }
        }
        return bytes
    }

    private static func plain(_ kind: UInt8) -> UInt8? {
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): kind
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: nil
        }
    }

    /// The scalar whose first `\u` was just taken: one unit, or two that make a pair.
    private static func scalar(_ text: Span<UInt8>, _ at: inout Int) -> Unicode.Scalar? {
        guard let first = unit(text, &at) else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(first) }
        guard at + 1 < text.count, text[at] == UInt8(ascii: "\\"), text[at + 1] == UInt8(ascii: "u") else { return nil }
        at += 2
        guard let second = unit(text, &at), UTF16.isTrailSurrogate(second) else { return nil }
        let high = UInt32(first) - 0xD800
        let low = UInt32(second) - 0xDC00
        return Unicode.Scalar(0x10000 + high << 10 + low)
    }

    private static func unit(_ text: Span<UInt8>, _ at: inout Int) -> UInt16? {
        guard at + 4 <= text.count else { return nil }
        var value: UInt16 = 0
        for index in at..<(at + 4) {
            guard let digit = Character(Unicode.Scalar(text[index])).hexDigitValue else { return nil }
            value = value << 4 | UInt16(digit)
        }
        at += 4
        return value
    }
}

/// Standard base64 with padding (RFC 4648, section 4), the encoding of the classic dialect's `data`.
///
/// Strict on the way in: no line breaks, no missing padding, no bits set past the last byte. Whoever is lax here takes
/// several texts for the same bytes.
package enum Base64 {
    /// Characters that `count` bytes make.
    package static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends the text of `bytes` to `output`, which must have room for ``encodedCount(_:)`` more.
    package static func encode(_ bytes: Span<UInt8>, into output: inout OutputSpan<UInt8>) {
        let count = encodedCount(bytes.count)
        precondition(output.freeCapacity >= count)
        output.withUnsafeMutableBufferPointer { buffer, initialized in
            bytes.withUnsafeBufferPointer { bytes in
                let free = UnsafeMutableBufferPointer(rebasing: buffer[initialized...])
                encode(bytes, into: UnsafeMutableRawBufferPointer(free))
            }
            initialized += count
        }
    }

    private static func encode(_ bytes: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableRawBufferPointer) {
        pairs.withUnsafeBufferPointer { pairs in
            var at = 0
            var written = 0
            while at + 3 <= bytes.count {
                let word = UInt32(bytes[at]) << 16 | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2])
                let four = UInt32(pairs[Int(word >> 12)]) | UInt32(pairs[Int(word & 0xFFF)]) << 16
                output.storeBytes(of: four.littleEndian, toByteOffset: written, as: UInt32.self)
                at += 3
                written += 4
            }
            guard at < bytes.count else { return }
            let isPair = at + 2 == bytes.count
            let word = UInt32(bytes[at]) << 16 | (isPair ? UInt32(bytes[at + 1]) << 8 : 0)
            output.storeBytes(of: pairs[Int(word >> 12)].littleEndian, toByteOffset: written, as: UInt16.self)
            output[written + 2] = isPair ? alphabet[Int(word >> 6 & 63)] : padding
            output[written + 3] = padding
        }
    }

    /// The bytes of `text`, or nil when it is no base64.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        let count = text.count
        guard count.isMultiple(of: 4) else { return nil }
        guard count > 0 else { return [] }
        let pads = text[count - 1] != padding ? 0 : text[count - 2] != padding ? 1 : 2
        var isValid = true
        let bytes = text.withUnsafeBufferPointer { text in
            [UInt8](unsafeUninitializedCapacity: count / 4 * 3 - pads) { output, filled in
                isValid = decode(text, pads: pads, into: output)
                filled = output.count
            }
        }
        return isValid ? bytes : nil
    }

    /// Whole groups first; then the padded one, whose unused bits must be zero. All of `output` is written.
    private static func decode(
        _ text: UnsafeBufferPointer<UInt8>, pads: Int, into output: UnsafeMutableBufferPointer<UInt8>
    ) -> Bool {
        values.withUnsafeBufferPointer { values in
            let wholeEnd = pads == 0 ? text.count : text.count - 4
            var faults: UInt32 = 0
            var at = 0
            var written = 0
            while at < wholeEnd {
                let a = values[Int(text[at])]
                let b = values[Int(text[at + 1])]
                let c = values[Int(text[at + 2])]
                let d = values[Int(text[at + 3])]
                let word = a << 18 | b << 12 | c << 6 | d
                faults |= a | b | c | d
                output[written] = UInt8(truncatingIfNeeded: word >> 16)
                output[written + 1] = UInt8(truncatingIfNeeded: word >> 8)
                output[written + 2] = UInt8(truncatingIfNeeded: word)
                at += 4
                written += 3
            }
            guard pads > 0 else { return faults & invalid == 0 }
            let a = values[Int(text[at])]
            let b = values[Int(text[at + 1])]
            let c = pads == 1 ? values[Int(text[at + 2])] : 0
            faults |= a | b | c
            let word = a << 18 | b << 12 | c << 6
            output[written] = UInt8(truncatingIfNeeded: word >> 16)
            if pads == 1 { output[written + 1] = UInt8(truncatingIfNeeded: word >> 8) }
            return faults & invalid == 0 && (pads == 1 ? c & 3 : b & 15) == 0
        }
    }

    private static let padding = UInt8(ascii: "=")
    /// Set in ``values`` for every byte that is no character of the alphabet.
    private static let invalid: UInt32 = 0x8000_0000
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// The two characters of every 12 bits, the first in the low byte.
    private static let pairs: [UInt16] = (0..<4096).map { UInt16(alphabet[$0 >> 6]) | UInt16(alphabet[$0 & 63]) << 8 }
    private static let values: [UInt32] = {
        var table = [UInt32](repeating: invalid, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt32(value) }
        return table
    }()
}

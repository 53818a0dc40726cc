/// Walks over JSON text (RFC 8259) without building anything: it finds where tokens begin and end, and refuses what is no JSON. All it
/// holds is a position; the bytes are handed to each call.
///
/// The classic dialect reads its flat bodies with it, so that a chunk's data is copied once, out of base64; ``JSON/parse(_:)`` builds
/// the label bus's nested values on it.
package struct JSONScanner {
    /// Bytes that were walked over.
    package private(set) var position = 0

    /// At the beginning of a text.
    package init() {}

    /// A string token: what lies between its quotes, still escaped.
    package struct Text {
        /// Where it lies in the bytes.
        package let range: Range<Int>
        /// Whether some of it stands for something else than itself.
        package let hasEscapes: Bool

        /// The bytes that the token stands for; nil for a broken escape, for which ``JSONScanner/string(_:)`` throws.
        package func unescaped(in bytes: Span<UInt8>) -> [UInt8]? { JSONEscapes.undo(bytes.extracting(range)) }

        /// The token's text; nil when it is no UTF-8.
        package func text(in bytes: Span<UInt8>) -> String? {
            guard hasEscapes else { return Self.text(bytes.extracting(range)) }
            guard let plain = unescaped(in: bytes) else { return nil }
            return Self.text(plain.span)
        }

        private static func text(_ bytes: Span<UInt8>) -> String? {
            do { return String(copying: try UTF8Span(validating: bytes)) } catch { return nil }
        }
    }

    /// An error at this position.
    package func fault(_ code: JSONError.Code) -> JSONError { JSONError(code, offset: position) }

    /// The next byte that is no white space, without taking it; nil at the end.
    package mutating func peek(_ bytes: Span<UInt8>) -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Takes `wanted` when it comes next; whether it did.
    package mutating func take(_ wanted: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard peek(bytes) == wanted else { return false }
        position += 1
        return true
    }

    /// Takes a string, whose opening quote must come next. Its escapes are checked, whether anyone reads it or not.
    package mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> Text {
        guard take(UInt8(ascii: "\""), bytes) else { throw fault(.nameMissing) }
        let start = position
        // Nearly every string is plain up to its quote, and a chunk's data is nearly all of a body: so that is passed over in bulk.
        position = Self.firstSpecial(bytes, from: start)
        var hasEscapes = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let text = Text(range: start..<position, hasEscapes: hasEscapes)
                if hasEscapes, text.unescaped(in: bytes) == nil { throw fault(.badEscape) }
                position += 1
                return text
            }
            if byte < 0x20 { throw fault(.controlCharacter) }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                // What follows is judged when the string is whole; here only that an escaped quote ends nothing.
                position += 1
            }
            position += 1
        }
        throw fault(.endMissing)
    }

    /// Where the first byte from `start` on is that ends a string or does not stand for itself in one; the end when there is none.
    private static func firstSpecial(_ bytes: Span<UInt8>, from start: Int) -> Int {
        bytes.withUnsafeBufferPointer { bytes in
            var at = start
            // No way out of a block but its end, and no branch in it, so that the compiler looks at many bytes at once.
            while at + 64 <= bytes.count {
                var special: UInt8 = 0
                for byte in bytes[at..<(at + 64)] { special |= isSpecial(byte) }
                if special != 0 { break }
                at += 64
            }
            while at < bytes.count, isSpecial(bytes[at]) == 0 { at += 1 }
            return at
        }
    }

    /// 1 for a byte that ends a string or does not stand for itself in one, else 0; a number, so that it can be had without a branch.
    private static func isSpecial(_ byte: UInt8) -> UInt8 {
        (byte < 0x20 ? 1 : 0) | (byte == UInt8(ascii: "\"") ? 1 : 0) | (byte == UInt8(ascii: "\\") ? 1 : 0)
    }

    /// Takes a number by RFC 8259's grammar; whether it has a fraction or an exponent.
    package mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> (range: Range<Int>, isWhole: Bool) {
        let start = position
        var isWhole = true
        if next(bytes) == UInt8(ascii: "-") { position += 1 }
        if next(bytes) == UInt8(ascii: "0") { position += 1 } else { try digits(bytes) }
        if next(bytes) == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            try digits(bytes)
        }
        if let byte = next(bytes), byte | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            position += 1
            if let sign = next(bytes), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try digits(bytes)
        }
        return (start..<position, isWhole)
    }

    /// Takes `true`, `false` or `null`.
    package mutating func literal(_ word: StaticString, _ bytes: Span<UInt8>) throws(JSONError) {
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        for letter in letters {
            guard next(bytes) == letter else { throw fault(.valueMissing) }
            position += 1
        }
    }

    /// Takes any value and forgets it. `depth` is how many containers it stands in.
    package mutating func skipValue(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) {
        guard depth <= Limits.JSON.depthMax else { throw fault(.tooDeep) }
        switch peek(bytes) {
        case UInt8(ascii: "\""): _ = try string(bytes)
        case UInt8(ascii: "{"): try skipContainer(bytes, depth: depth, isObject: true)
        case UInt8(ascii: "["): try skipContainer(bytes, depth: depth, isObject: false)
        case UInt8(ascii: "t"): try literal("true", bytes)
        case UInt8(ascii: "f"): try literal("false", bytes)
        case UInt8(ascii: "n"): try literal("null", bytes)
        default: _ = try number(bytes)
        }
    }

    private mutating func skipContainer(
        _ bytes: Span<UInt8>, depth: Int, isObject: Bool
    ) throws(JSONError) {
        let end = UInt8(ascii: isObject ? "}" : "]")
        position += 1
        if take(end, bytes) { return }
        while true {
            if isObject {
                _ = try string(bytes)
                guard take(UInt8(ascii: ":"), bytes) else { throw fault(.colonMissing) }
            }
            try skipValue(bytes, depth: depth + 1)
            if take(end, bytes) { return }
            guard take(UInt8(ascii: ","), bytes) else { throw fault(.commaMissing) }
        }
    }

    private func next(_ bytes: Span<UInt8>) -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        while let byte = next(bytes), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw fault(.digitsMissing) }
    }
}

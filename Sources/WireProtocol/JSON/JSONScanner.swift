import AvatarCore

/// Walks over JSON text (RFC 8259) without building anything: finds where tokens begin and end, and refuses what is no
/// JSON. All it holds is a position; the bytes are handed to each call.
struct JSONScanner {
    private(set) var position = 0

    /// A string token: what lies between its quotes, still escaped.
    struct Text {
        var range: Range<Int>
        var hasEscapes: Bool
    }

    func fault(_ code: ClassicDecodeError.Code = .notJSON) -> ClassicDecodeError {
        ClassicDecodeError(code, offset: position)
    }

    /// The next byte that is no white space, without taking it; nil at the end.
    mutating func peek(_ bytes: Span<UInt8>) -> UInt8? {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case let byte: return byte
            }
        }
        return nil
    }

    /// Takes `wanted` when it comes next; whether it did.
    mutating func take(_ wanted: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard peek(bytes) == wanted else { return false }
        position += 1
        return true
    }

    /// Takes a string, whose opening quote must come next. Its escapes are checked, whether anyone reads it or not.
    mutating func string(_ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Text {
        guard take(UInt8(ascii: "\""), bytes) else { throw fault() }
        let start = position
        // Nearly every string is plain up to its quote, and a chunk's data is nearly all of a body: so that is passed over in bulk.
        position = Self.firstSpecial(bytes, from: start)
        var hasEscapes = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                let range = start..<position
                if hasEscapes, JSONText.unescape(bytes.extracting(range)) == nil { throw fault(.notUTF8) }
                position += 1
                return Text(range: range, hasEscapes: hasEscapes)
            }
            if byte < 0x20 { throw fault() }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                // What follows is judged when the string is whole; here only that an escaped quote ends nothing.
                position += 1
            }
            position += 1
        }
        throw fault()
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
    mutating func number(_ bytes: Span<UInt8>) throws(ClassicDecodeError) -> (range: Range<Int>, isWhole: Bool) {
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
    mutating func literal(_ word: StaticString, _ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let letters = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        for letter in letters {
            guard next(bytes) == letter else { throw fault() }
            position += 1
        }
    }

    /// Takes any value and forgets it. `depth` is how many containers it stands in.
    mutating func skipValue(_ bytes: Span<UInt8>, depth: Int) throws(ClassicDecodeError) {
        guard depth < Limits.Server.jsonDepthMax else { throw fault(.tooDeep) }
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
    ) throws(ClassicDecodeError) {
        let end = UInt8(ascii: isObject ? "}" : "]")
        position += 1
        if take(end, bytes) { return }
        while true {
            if isObject {
                _ = try string(bytes)
                guard take(UInt8(ascii: ":"), bytes) else { throw fault() }
            }
            try skipValue(bytes, depth: depth + 1)
            if take(end, bytes) { return }
            guard take(UInt8(ascii: ","), bytes) else { throw fault() }
        }
    }

    private func next(_ bytes: Span<UInt8>) -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }

    private mutating func digits(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let start = position
        while let byte = next(bytes), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw fault() }
    }
}

import AvatarCore

/// The fields of one body, found but not yet read: the bytes are walked over once, and only what a message asks for is
/// turned into strings, numbers and data.
///
/// Numbers and decimal strings are read in either form, as are booleans and 0/1 (PROTOCOL.md, "Types that surprise").
struct FlatObject {
    private enum Slot {
        case absent
        case text(JSONScanner.Text)
        case number(Range<Int>)
        case fraction
        case flag(Bool)
        case container
    }

    private var slots = InlineArray<15, Slot>(repeating: .absent)

    /// Finds the fields of `bytes`, which must hold one JSON object and nothing else.
    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        var scanner = JSONScanner()
        guard scanner.take(UInt8(ascii: "{"), bytes) else {
            try scanner.skipValue(bytes, depth: 0)
            throw ClassicDecodeError(.notAnObject)
        }
        if !scanner.take(UInt8(ascii: "}"), bytes) {
            repeat {
                try member(&scanner, bytes)
            } while scanner.take(UInt8(ascii: ","), bytes)
            guard scanner.take(UInt8(ascii: "}"), bytes) else { throw scanner.fault() }
        }
        guard scanner.peek(bytes) == nil else { throw scanner.fault() }
    }

    private mutating func member(
        _ scanner: inout JSONScanner, _ bytes: Span<UInt8>
    ) throws(ClassicDecodeError) {
        let key = try scanner.string(bytes)
        guard scanner.take(UInt8(ascii: ":"), bytes) else { throw scanner.fault() }
        guard let field = Self.field(key, bytes) else {
            try scanner.skipValue(bytes, depth: 1)
            return
        }
        guard case .absent = slots[Int(field.rawValue)] else { throw .init(.duplicateField, field: field) }
        slots[Int(field.rawValue)] = try Self.slot(&scanner, bytes)
    }

    private static func field(_ key: JSONScanner.Text, _ bytes: Span<UInt8>) -> Field? {
        guard key.hasEscapes else { return Field.named(bytes.extracting(key.range)) }
        // An escaped key is as good as a plain one; nobody sends it, so it may cost more.
        guard let plain = JSONText.unescape(bytes.extracting(key.range)) else { return nil }
        return Field.named(plain.span)
    }

    private static func slot(
        _ scanner: inout JSONScanner, _ bytes: Span<UInt8>
    ) throws(ClassicDecodeError) -> Slot {
        switch scanner.peek(bytes) {
        case UInt8(ascii: "\""): return .text(try scanner.string(bytes))
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): return try word(&scanner, bytes)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            try scanner.skipValue(bytes, depth: 1)
            return .container
        default:
            let number = try scanner.number(bytes)
            return number.isWhole ? .number(number.range) : .fraction
        }
    }

    /// A null counts as absent, as JsonCpp's `asString` and `asInt` take it.
    private static func word(
        _ scanner: inout JSONScanner, _ bytes: Span<UInt8>
    ) throws(ClassicDecodeError) -> Slot {
        switch scanner.peek(bytes) {
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            return .flag(true)
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            return .flag(false)
        default:
            try scanner.literal("null", bytes)
            return .absent
        }
    }
}

// What a message asks for. Each throws for a value that is there and wrong, and gives nil for one that is not there.
extension FlatObject {
    /// A string.
    func text(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> String? {
        switch slots[Int(field.rawValue)] {
        case .absent: return nil
        case .text(let text):
            let inside = bytes.extracting(text.range)
            let plain =
                text.hasEscapes ? JSONText.unescape(inside).flatMap { Self.string($0.span) } : Self.string(inside)
            guard let plain else { throw .init(.notUTF8, field: field) }
            return plain
        default: throw .init(.wrongType, field: field)
        }
    }

    private static func string(_ bytes: Span<UInt8>) -> String? {
        do { return String(copying: try UTF8Span(validating: bytes)) } catch { return nil }
    }

    /// Base64's bytes.
    func data(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> [UInt8]? {
        guard case .text(let text) = slots[Int(field.rawValue)] else {
            if case .absent = slots[Int(field.rawValue)] { return nil }
            throw .init(.wrongType, field: field)
        }
        let decoded: [UInt8]?
        if text.hasEscapes {
            decoded = JSONText.unescape(bytes.extracting(text.range)).flatMap { Base64.decode($0.span) }
        } else {
            decoded = Base64.decode(bytes.extracting(text.range))
        }
        guard let decoded else { throw .init(.badBase64, field: field) }
        return decoded
    }

    /// A whole number, written as a number or as a decimal string.
    func integer(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Int64? {
        switch slots[Int(field.rawValue)] {
        case .absent: return nil
        case .number(let range): return try Self.integer(bytes.extracting(range), field)
        case .fraction: throw .init(.notAnInteger, field: field)
        case .text(let text): return try Self.integer(bytes.extracting(text.range), field)
        case .flag, .container: throw .init(.wrongType, field: field)
        }
    }

    /// A whole number that is not negative: sizes and sequence numbers.
    func count(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Int64? {
        guard let value = try integer(field, bytes) else { return nil }
        guard value >= 0 else { throw .init(.outOfRange, field: field) }
        return value
    }

    /// A boolean, written as one or as 0 or 1.
    func flag(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> Bool? {
        if case .flag(let flag) = slots[Int(field.rawValue)] { return flag }
        switch try integer(field, bytes) {
        case nil: return nil
        case 0: return false
        case 1: return true
        default: throw .init(.outOfRange, field: field)
        }
    }

    private static func integer(_ digits: Span<UInt8>, _ field: Field) throws(ClassicDecodeError) -> Int64 {
        let isNegative = digits.count > 0 && digits[0] == UInt8(ascii: "-")
        guard digits.count > (isNegative ? 1 : 0) else { throw .init(.wrongType, field: field) }
        var value: Int64 = 0
        for index in (isNegative ? 1 : 0)..<digits.count {
            let digit = digits[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { throw .init(.wrongType, field: field) }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) =
                isNegative
                ? product.subtractingReportingOverflow(Int64(digit))
                : product.addingReportingOverflow(Int64(digit))
            guard !tooLarge, !carried else { throw .init(.outOfRange, field: field) }
            value = sum
        }
        return value
    }
}

extension ClassicDecodeError {
    init(_ code: Code, field: Field) {
        self.init(code, field: String(describing: field.name))
    }
}

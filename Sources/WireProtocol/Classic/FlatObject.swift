import AvatarCore

/// The fields of one body, found but not yet read: the bytes are walked over once, and only what a message asks for is
/// turned into strings, numbers and data.
///
/// Numbers and decimal strings are read in either form, as are booleans and 0/1 (docs/protocol.md, "Bodies").
struct FlatObject {
    private enum Slot {
        case absent
        case text(JSONScanner.Text)
        case number(Range<Int>)
        case fraction
        case flag(Bool)
        case container
    }

    private var slots = InlineArray<19, Slot>(repeating: .absent)

    /// A field of the protocol that stands there twice.
    private var repeated: Field?

    /// Finds the fields of `bytes`, which must hold one JSON object and nothing else.
    init(_ bytes: Span<UInt8>) throws(ClassicDecodeError) {
        let isObject: Bool
        do throws(JSONError) {
            isObject = try find(bytes)
        } catch {
            throw ClassicDecodeError(error)
        }
        guard isObject else { throw ClassicDecodeError(.notAnObject) }
        if let repeated { throw ClassicDecodeError(.duplicateField, field: repeated) }
    }

    /// Whether `bytes` hold an object; its fields are found then.
    private mutating func find(_ bytes: Span<UInt8>) throws(JSONError) -> Bool {
        var scanner = JSONScanner()
        guard scanner.take(UInt8(ascii: "{"), bytes) else {
            try scanner.skipValue(bytes, depth: 0)
            return false
        }
        if !scanner.take(UInt8(ascii: "}"), bytes) {
            repeat {
                try member(&scanner, bytes)
            } while scanner.take(UInt8(ascii: ","), bytes)
            guard scanner.take(UInt8(ascii: "}"), bytes) else { throw scanner.fault(.commaMissing) }
        }
        guard scanner.peek(bytes) == nil else { throw scanner.fault(.trailingBytes) }
        return true
    }

    private mutating func member(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) {
        let key = try scanner.string(bytes)
        guard scanner.take(UInt8(ascii: ":"), bytes) else { throw scanner.fault(.colonMissing) }
        guard let field = Self.field(key, bytes) else {
            try scanner.skipValue(bytes, depth: 1)
            return
        }
        if case .absent = slots[Int(field.rawValue)] {} else { repeated = repeated ?? field }
        slots[Int(field.rawValue)] = try Self.slot(&scanner, bytes)
    }

    private static func field(_ key: JSONScanner.Text, _ bytes: Span<UInt8>) -> Field? {
        guard key.hasEscapes else { return Field.named(bytes.extracting(key.range)) }
        // An escaped key is as good as a plain one; nobody sends it, so it may cost more.
        guard let plain = key.unescaped(in: bytes) else { return nil }
        return Field.named(plain.span)
    }

    private static func slot(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) throws(JSONError) -> Slot {
        switch scanner.peek(bytes) {
        case UInt8(ascii: "\""): return .text(try scanner.string(bytes))
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            try scanner.skipValue(bytes, depth: 1)
            return .container
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            return .flag(true)
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            return .flag(false)
        case UInt8(ascii: "n"):
            // A null counts as absent, as JsonCpp's `asString` and `asInt` take it.
            try scanner.literal("null", bytes)
            return .absent
        default:
            let number = try scanner.number(bytes)
            return number.isWhole ? .number(number.range) : .fraction
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
            guard let text = text.text(in: bytes) else { throw .init(.notUTF8, field: field) }
            return text
        default: throw .init(.wrongType, field: field)
        }
    }

    /// Base64's bytes.
    func data(_ field: Field, _ bytes: Span<UInt8>) throws(ClassicDecodeError) -> [UInt8]? {
        guard case .text(let text) = slots[Int(field.rawValue)] else {
            if case .absent = slots[Int(field.rawValue)] { return nil }
            throw .init(.wrongType, field: field)
        }
        let decoded: [UInt8]?
        if text.hasEscapes {
            decoded = text.unescaped(in: bytes).flatMap { Base64.decode($0.span) }
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
    init(_ error: JSONError) {
        let code: Code =
            switch error.code {
            case .tooDeep: .tooDeep
            case .notUTF8, .badEscape: .notUTF8
            default: .notJSON
            }
        self.init(code, offset: error.offset)
    }

    init(_ code: Code, field: Field) {
        self.init(code, field: String(describing: field.name))
    }
}

extension JSON {
    /// Reads one document strictly (RFC 8259): UTF-8, nothing after the value, no name twice in an object, no half of a surrogate pair;
    /// and within the bounds of ``Limits/JSON``, which are checked before anything is kept.
    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
        var reader = JSONReader()
        return try reader.document(bytes.span)
    }
}

/// Builds values from what ``JSONScanner`` finds.
private struct JSONReader {
    private var scanner = JSONScanner()
    private var valuesLeft = Limits.JSON.valuesMax

    mutating func document(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        let value = try value(bytes, depth: 0)
        guard scanner.peek(bytes) == nil else { throw scanner.fault(.trailingBytes) }
        return value
    }

    private mutating func value(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> JSON {
        guard depth <= Limits.JSON.depthMax else { throw scanner.fault(.tooDeep) }
        valuesLeft -= 1
        guard valuesLeft >= 0 else { throw scanner.fault(.tooManyValues) }
        switch scanner.peek(bytes) {
        case UInt8(ascii: "{"): return .object(try members(bytes, depth: depth))
        case UInt8(ascii: "["): return .array(try elements(bytes, depth: depth))
        case UInt8(ascii: "\""): return .string(try string(bytes))
        case UInt8(ascii: "t"):
            try scanner.literal("true", bytes)
            return .bool(true)
        case UInt8(ascii: "f"):
            try scanner.literal("false", bytes)
            return .bool(false)
        case UInt8(ascii: "n"):
            try scanner.literal("null", bytes)
            return .null
        default: return try number(bytes)
        }
    }

    private mutating func members(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> [JSON.Member] {
        guard scanner.take(UInt8(ascii: "{"), bytes), !scanner.take(UInt8(ascii: "}"), bytes) else { return [] }
        var members: [JSON.Member] = []
        var names: Set<ExactString> = []
        repeat {
            guard scanner.peek(bytes) == UInt8(ascii: "\"") else { throw scanner.fault(.nameMissing) }
            let name = try string(bytes)
            guard !isRepeated(name, among: members, &names) else { throw scanner.fault(.nameTwice) }
            guard scanner.take(UInt8(ascii: ":"), bytes) else { throw scanner.fault(.colonMissing) }
            members.append(JSON.Member(name: name, value: try value(bytes, depth: depth + 1)))
            guard members.count <= Limits.JSON.membersMax else { throw scanner.fault(.tooManyMembers) }
        } while scanner.take(UInt8(ascii: ","), bytes)
        guard scanner.take(UInt8(ascii: "}"), bytes) else { throw scanner.fault(.commaMissing) }
        return members
    }

    /// A few names are compared one by one; a set is only built for objects that have many.
    private func isRepeated(
        _ name: ExactString, among members: [JSON.Member], _ names: inout Set<ExactString>
    ) -> Bool {
        if members.count < 16 { return members.contains { $0.name == name } }
        if names.isEmpty { names = Set(members.map(\.name)) }
        return !names.insert(name).inserted
    }

    private mutating func elements(_ bytes: Span<UInt8>, depth: Int) throws(JSONError) -> [JSON] {
        guard scanner.take(UInt8(ascii: "["), bytes), !scanner.take(UInt8(ascii: "]"), bytes) else { return [] }
        var elements: [JSON] = []
        repeat {
            elements.append(try value(bytes, depth: depth + 1))
        } while scanner.take(UInt8(ascii: ","), bytes)
        guard scanner.take(UInt8(ascii: "]"), bytes) else { throw scanner.fault(.commaMissing) }
        return elements
    }

    private mutating func string(_ bytes: Span<UInt8>) throws(JSONError) -> ExactString {
        let token = try scanner.string(bytes)
        guard let text = token.text(in: bytes) else { throw JSONError(.notUTF8, offset: token.range.lowerBound) }
        return ExactString(text)
    }

    private mutating func number(_ bytes: Span<UInt8>) throws(JSONError) -> JSON {
        let (range, isWhole) = try scanner.number(bytes)
        let text = bytes.extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
        if isWhole, let value = Int(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw scanner.fault(.numberTooLarge) }
        return .double(value)
    }
}

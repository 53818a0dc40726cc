package import AvatarCore

/// A Varlink struct: what goes over the wire as one JSON object.
package protocol BusObject: Sendable {
    /// Reads the fields; a missing one that has no `?` in the interface is an error, `null` is a missing one.
    init(from fields: inout ObjectReader) throws(FieldError)
    /// Writes the fields; absent ones are left out.
    func write(to writer: inout JSONWriter)
}

/// A field that is missing, has the wrong type, or is not known.
package struct FieldError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with a field.
    package enum Code: Hashable, Sendable {
        case missing
        /// An element of an array that may not be null.
        case null
        case unknown
        /// Another type than the interface gives it.
        case wrongType(expected: String)
    }

    /// What is wrong with it.
    package let code: Code
    /// Where it stands, as a person would write it: `labels[3].visibility`.
    package let field: String

    package init(_ code: Code, field: String) {
        self.code = code
        self.field = field
    }

    /// For a log.
    package var description: String {
        switch code {
        case .missing: "\(field) is missing"
        case .null: "\(field) is null"
        case .unknown: "\(field) is not known here"
        case .wrongType(let expected): "\(field) is no \(expected)"
        }
    }
}

/// Takes the fields of one JSON object, each once.
package struct ObjectReader {
    /// What a field that nobody asked for means: an error in a call, room to grow in a reply.
    package enum Unknown: Sendable {
        case refused
        case ignored
    }

    private let members: [JSON.Member]
    private let path: String
    private let unknown: Unknown
    private var taken: UInt64 = 0
    /// Behind the member that was taken last: most are asked for in the order in which they were written.
    private var expected = 0

    /// `json` has to be an object, or null for one without fields.
    package init(_ json: JSON, path: String = "", unknown: Unknown) throws(FieldError) {
        switch json {
        case .object(let members): self.members = members
        case .null: members = []
        default: throw FieldError(.wrongType(expected: "object"), field: path.isEmpty ? "parameters" : path)
        }
        self.path = path
        self.unknown = unknown
    }

    /// Reads `json` as a whole `Value`: all its fields, and nothing else when unknown ones are refused.
    package static func read<Value: BusObject>(
        _ type: Value.Type, from json: JSON, path: String = "", unknown: Unknown
    ) throws(FieldError) -> Value {
        var reader = try ObjectReader(json, path: path, unknown: unknown)
        let value = try Value(from: &reader)
        try reader.end()
        return value
    }

    private func place(_ name: String) -> String { path.isEmpty ? name : path + "." + name }

    private mutating func take(_ name: String) -> JSON? {
        guard let index = index(of: ExactString(name)) else { return nil }
        expected = index + 1
        if index < 64 { taken |= 1 << UInt64(index) }
        if case .null = members[index].value { return nil }
        return members[index].value
    }

    private func index(of name: ExactString) -> Int? {
        if expected < members.count, members[expected].name == name { return expected }
        return members.firstIndex { $0.name == name }
    }

    private func end() throws(FieldError) {
        guard unknown == .refused else { return }
        for index in members.indices where index >= 64 || taken & (1 << UInt64(index)) == 0 {
            throw FieldError(.unknown, field: place(members[index].name.string))
        }
    }

    private func required<Value>(_ value: Value?, _ name: String) throws(FieldError) -> Value {
        guard let value else { throw FieldError(.missing, field: place(name)) }
        return value
    }

    private func wrong(_ name: String, _ expected: String) -> FieldError {
        FieldError(.wrongType(expected: expected), field: place(name))
    }
}

// MARK: - Fields of each type

extension ObjectReader {
    package mutating func optionalString(_ name: String) throws(FieldError) -> String? {
        guard let value = take(name) else { return nil }
        guard case .string(let text) = value else { throw wrong(name, "string") }
        return text.string
    }

    package mutating func string(_ name: String) throws(FieldError) -> String {
        try required(try optionalString(name), name)
    }

    package mutating func optionalInt(_ name: String) throws(FieldError) -> Int? {
        guard let value = take(name) else { return nil }
        guard let number = value.wholeNumber else { throw wrong(name, "whole number") }
        return number
    }

    package mutating func int(_ name: String) throws(FieldError) -> Int {
        try required(try optionalInt(name), name)
    }

    package mutating func optionalBool(_ name: String) throws(FieldError) -> Bool? {
        guard let value = take(name) else { return nil }
        guard case .bool(let flag) = value else { throw wrong(name, "bool") }
        return flag
    }

    package mutating func optionalStrings(_ name: String) throws(FieldError) -> [String]? {
        guard let value = take(name) else { return nil }
        guard case .array(let elements) = value else { throw wrong(name, "array") }
        var texts: [String] = []
        texts.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard case .string(let text) = element else { throw wrong("\(name)[\(index)]", "string") }
            texts.append(text.string)
        }
        return texts
    }

    package mutating func strings(_ name: String) throws(FieldError) -> [String] {
        try required(try optionalStrings(name), name)
    }

    package mutating func numbers(_ name: String) throws(FieldError) -> [String: Double] {
        let value = try required(take(name), name)
        guard case .object(let members) = value else { throw wrong(name, "map") }
        var numbers: [String: Double] = [:]
        for member in members {
            guard let number = member.value.number else { throw wrong("\(name).\(member.name)", "number") }
            numbers[member.name.string] = number
        }
        return numbers
    }

    package mutating func optionalObject<Value: BusObject>(
        _ name: String, _ type: Value.Type
    ) throws(FieldError) -> Value? {
        guard let value = take(name) else { return nil }
        return try Self.read(type, from: value, path: place(name), unknown: unknown)
    }

    package mutating func object<Value: BusObject>(_ name: String, _ type: Value.Type) throws(FieldError) -> Value {
        try required(try optionalObject(name, type), name)
    }

    package mutating func optionalObjects<Value: BusObject>(
        _ name: String, _ type: Value.Type
    ) throws(FieldError) -> [Value]? {
        guard let value = take(name) else { return nil }
        guard case .array(let elements) = value else { throw wrong(name, "array") }
        var values: [Value] = []
        values.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            let place = place("\(name)[\(index)]")
            if case .null = element { throw FieldError(.null, field: place) }
            values.append(try Self.read(type, from: element, path: place, unknown: unknown))
        }
        return values
    }

    package mutating func objects<Value: BusObject>(_ name: String, _ type: Value.Type) throws(FieldError) -> [Value] {
        try required(try optionalObjects(name, type), name)
    }
}

// MARK: - Writing fields

extension JSONWriter {
    package mutating func field(_ name: StaticString, _ values: [String: Double]) {
        self.name(name)
        object { writer in
            for (name, number) in values.sorted(by: { $0.key < $1.key }) {
                writer.name(name)
                writer.value(number)
            }
        }
    }

    package mutating func field(_ name: StaticString, _ value: (some BusObject)?) {
        guard let value else { return }
        self.name(name)
        object { value.write(to: &$0) }
    }

    package mutating func field(_ name: StaticString, _ values: [some BusObject]?) {
        guard let values else { return }
        self.name(name)
        array { writer in for value in values { writer.object { value.write(to: &$0) } } }
    }
}

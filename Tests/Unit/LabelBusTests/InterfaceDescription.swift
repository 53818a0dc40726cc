/// What an interface description says (UAPI.20, "Interface definition"), read by hand: a second look at the text, apart
/// from everything that serves it.
struct InterfaceDescription {
    indirect enum FieldType: Hashable {
        case bool, int, float, string, object
        case named(String)
        case array(FieldType)
        case map(FieldType)
        case optional(FieldType)
    }

    typealias Fields = [String: FieldType]

    var name = ""
    var types: [String: Fields] = [:]
    var methods: [String: (input: Fields, output: Fields)] = [:]
    var errors: [String: Fields] = [:]

    struct Unreadable: Error {
        let rest: String
    }

    init(_ text: String) throws {
        var reader = Reader(text)
        try reader.expect("interface")
        name = reader.word()
        while !reader.isAtEnd {
            switch reader.word() {
            case "type":
                let name = reader.word()
                types[name] = try reader.fields()
            case "error":
                let name = reader.word()
                errors[name] = try reader.fields()
            case "method":
                let name = reader.word()
                let input = try reader.fields()
                try reader.expect("->")
                methods[name] = (input, try reader.fields())
            default: throw Unreadable(rest: reader.rest)
            }
        }
    }

    private struct Reader {
        private var tokens: ArraySlice<String>

        init(_ text: String) {
            var tokens: [String] = []
            for line in text.split(separator: "\n") {
                var word = ""
                for character in line.prefix(while: { $0 != "#" }) {
                    if character.isLetter || character.isNumber || "._-> ".contains(character), character != " " {
                        word.append(character)
                    } else {
                        if !word.isEmpty { tokens.append(word) }
                        word = ""
                        if character != " " { tokens.append(String(character)) }
                    }
                }
                if !word.isEmpty { tokens.append(word) }
            }
            self.tokens = tokens[...]
        }

        var isAtEnd: Bool { tokens.isEmpty }
        var rest: String { tokens.joined(separator: " ") }

        mutating func word() -> String { tokens.popFirst() ?? "" }

        mutating func expect(_ token: String) throws {
            guard tokens.first == token else { throw Unreadable(rest: rest) }
            tokens.removeFirst()
        }

        mutating func fields() throws -> Fields {
            try expect("(")
            var fields: Fields = [:]
            if tokens.first == ")" {
                tokens.removeFirst()
                return fields
            }
            while true {
                let name = word()
                try expect(":")
                fields[name] = try type()
                if tokens.first == ")" {
                    tokens.removeFirst()
                    return fields
                }
                try expect(",")
            }
        }

        mutating func type() throws -> FieldType {
            switch word() {
            case "?": return .optional(try type())
            case "[":
                let isMap = tokens.first == "string"
                if isMap { tokens.removeFirst() }
                try expect("]")
                return isMap ? .map(try type()) : .array(try type())
            case "bool": return .bool
            case "int": return .int
            case "float": return .float
            case "string": return .string
            case "object": return .object
            case let name: return .named(name)
            }
        }
    }
}

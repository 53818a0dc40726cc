internal import AvatarCore

/// Reads one JSON document strictly (RFC 8259): UTF-8, nothing after the value, no name twice in an object, no half of a
/// surrogate pair; and within bounds that are checked before anything is kept.
package struct JSONParser {
    private let bytes: [UInt8]
    private var index = 0
    private var valuesLeft = Limits.Bus.jsonValuesMax

    /// Parses all of `bytes`.
    package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
        var parser = JSONParser(bytes: bytes)
        parser.skipBlanks()
        let value = try parser.value(depth: 0)
        parser.skipBlanks()
        if parser.index != bytes.count { throw parser.error("something follows the value") }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func error(_ what: String) -> JSONError { JSONError(what: what, offset: index) }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipBlanks() {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        if depth > Limits.Bus.jsonDepthMax { throw error("nested deeper than \(Limits.Bus.jsonDepthMax)") }
        valuesLeft -= 1
        if valuesLeft < 0 { throw error("more than \(Limits.Bus.jsonValuesMax) values") }
        guard let first = current else { throw error("a value is missing") }
        switch first {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let length = text.utf8CodeUnitCount
        guard bytes.count - index >= length, bytes[index..<index + length].elementsEqual(text.description.utf8) else {
            throw error("no JSON value")
        }
        index += length
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        index += 1
        skipBlanks()
        if take(UInt8(ascii: "}")) { return .object([]) }
        var members: [JSON.Member] = []
        var names: Set<ExactString> = []
        while true {
            guard current == UInt8(ascii: "\"") else { throw error("a member's name is missing") }
            let name = try string()
            if isRepeated(name, among: members, &names) { throw error("a member's name stands twice") }
            skipBlanks()
            guard take(UInt8(ascii: ":")) else { throw error("a colon is missing") }
            skipBlanks()
            members.append(JSON.Member(name: name, value: try value(depth: depth + 1)))
            if members.count > Limits.Bus.jsonMembersMax {
                throw error("more than \(Limits.Bus.jsonMembersMax) members")
            }
            skipBlanks()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw error("a comma or } is missing") }
            skipBlanks()
        }
    }

    /// A few names are compared one by one; a set is only built for objects that have many.
    private func isRepeated(_ name: String, among members: [JSON.Member], _ names: inout Set<ExactString>) -> Bool {
        let name = ExactString(name)
        if members.count < 16 { return members.contains { ExactString($0.name) == name } }
        if names.isEmpty { names = Set(members.map { ExactString($0.name) }) }
        return !names.insert(name).inserted
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        index += 1
        skipBlanks()
        if take(UInt8(ascii: "]")) { return .array([]) }
        var elements: [JSON] = []
        while true {
            elements.append(try value(depth: depth + 1))
            skipBlanks()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { throw error("a comma or ] is missing") }
            skipBlanks()
        }
    }
}

// MARK: - Strings

extension JSONParser {
    /// A string, at its opening quote. Most have no escape and are taken in one piece.
    private mutating func string() throws(JSONError) -> String {
        index += 1
        let start = index
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                let text = try text(start..<index)
                index += 1
                return text
            case UInt8(ascii: "\\"):
                return try escapedString(from: start)
            case 0..<0x20:
                throw error("a control character in a string")
            default:
                index += 1
            }
        }
        throw error("a string does not end")
    }

    private func text(_ range: Range<Int>) throws(JSONError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw JSONError(what: "a string that is not UTF-8", offset: range.lowerBound)
        }
        return text
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var result = try text(start..<index)
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                index += 1
                return result
            case UInt8(ascii: "\\"):
                index += 1
                result.unicodeScalars.append(try escape())
            case 0..<0x20:
                throw error("a control character in a string")
            default:
                let plain = index
                while let byte = current, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                    index += 1
                }
                result += try text(plain..<index)
            }
        }
        throw error("a string does not end")
    }

    /// What stands after a backslash.
    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        guard let kind = current else { throw error("a string does not end") }
        index += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(kind)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw error("an unknown escape")
        }
    }

    private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
        let first = try hex4()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800..<0xDC00).contains(first), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error("half of a surrogate pair")
        }
        let second = try hex4()
        guard (0xDC00..<0xE000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error("half of a surrogate pair") }
        return scalar
    }

    private mutating func hex4() throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("four hexadecimal digits are missing")
            }
            value = value << 4 | UInt32(digit)
            index += 1
        }
        return value
    }
}

// MARK: - Numbers

extension JSONParser {
    private mutating func number() throws(JSONError) -> JSON {
        let start = index
        var isWhole = true
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isWhole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        let text = try text(start..<index)
        if isWhole, let value = Int(text) { return .int(value) }
        guard let value = Double(text), value.isFinite else { throw error("a number that is too large") }
        return .double(value)
    }

    private mutating func digits() throws(JSONError) {
        let start = index
        while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        if index == start { throw error("no JSON value") }
    }
}

/// One JSON value (RFC 8259), as the parser hands it out: members keep their order, and no name stands twice in an object.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 bits.
    case int(Int)
    /// Any other number.
    case double(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// One name and its value.
    package struct Member: Hashable, Sendable {
        package let name: String
        package let value: JSON

        package init(name: String, value: JSON) {
            self.name = name
            self.value = value
        }
    }

    /// The value as a Varlink `int`: a whole number, however JSON wrote it (`3`, `3.0`), or nil.
    package var wholeNumber: Int? {
        switch self {
        case .int(let value): value
        case .double(let value): Int(exactly: value)
        default: nil
        }
    }

    /// The value as a Varlink `float`, or nil.
    package var number: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}

/// Bytes that are no JSON, or more of it than is taken.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, for a log: it quotes nothing of the input.
    package let what: String
    /// How many bytes into the document.
    package let offset: Int

    package var description: String { "\(what) at byte \(offset)" }
}

/// One JSON value (RFC 8259): members keep their order, and no name stands twice in an object. Strings and names are equal when their
/// bytes are.
package enum JSON: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits 64 bits.
    case int(Int)
    /// Any other number.
    case double(Double)
    case string(ExactString)
    case array([JSON])
    case object([Member])

    /// One name and its value.
    package struct Member: Hashable, Sendable {
        package let name: ExactString
        package let value: JSON

        package init(name: ExactString, value: JSON) {
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

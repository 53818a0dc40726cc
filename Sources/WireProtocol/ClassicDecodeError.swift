/// A body that is not the message its id names. The classic answer to all of these is 1001.
package struct ClassicDecodeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Code: Hashable, Sendable {
        /// No JSON text, or something behind it.
        case notJSON
        /// JSON, but no object at the top.
        case notAnObject
        /// More levels than ``Limits/JSON/depthMax``.
        case tooDeep
        /// A field of the protocol stands there twice.
        case duplicateField
        /// A field that the message needs is not there, or null.
        case missingField
        /// Another type of value than the field has.
        case wrongType
        /// A fraction or an exponent where a whole number belongs.
        case notAnInteger
        /// A number below zero where a size or a sequence number belongs, or one that 64 bits do not hold.
        case outOfRange
        /// `data` is no standard base64 with padding.
        case badBase64
        /// A string that is no UTF-8, or half a surrogate pair.
        case notUTF8
    }

    package let code: Code
    /// The field it was found in, where there is one.
    package let field: String?
    /// Bytes from the start of the body, where the text itself is at fault.
    package let offset: Int?

    package init(_ code: Code, field: String? = nil, offset: Int? = nil) {
        self.code = code
        self.field = field
        self.offset = offset
    }

    package var description: String {
        let place = field.map { " in the field \($0)" } ?? offset.map { " at byte \($0)" } ?? ""
        return "\(reason)\(place)"
    }

    private var reason: String {
        switch code {
        case .notJSON: "no JSON"
        case .notAnObject: "JSON, but no object"
        case .tooDeep: "JSON nested too deep"
        case .duplicateField: "a field that stands there twice"
        case .missingField: "a field that is missing"
        case .wrongType: "a value of the wrong type"
        case .notAnInteger: "a number that is no whole number"
        case .outOfRange: "a number out of range"
        case .badBase64: "no standard base64"
        case .notUTF8: "a string that is no UTF-8"
        }
    }
}

/// Bytes that are no JSON (RFC 8259), or more of it than is taken.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Code: Hashable, Sendable, CaseIterable {
        case valueMissing
        case nameMissing
        case colonMissing
        case commaMissing
        case endMissing
        case controlCharacter
        case badEscape
        case notUTF8
        case digitsMissing
        case numberTooLarge
        case nameTwice
        case trailingBytes
        case tooDeep
        case tooManyValues
        case tooManyMembers
    }

    /// What is wrong.
    package let code: Code
    /// How many bytes into the document.
    package let offset: Int

    package init(_ code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    /// For a log: it quotes nothing of the input.
    package var description: String { "\(what) at byte \(offset)" }

    private var what: String {
        switch code {
        case .valueMissing: "no JSON value"
        case .nameMissing: "a member's name is missing"
        case .colonMissing: "a colon is missing"
        case .commaMissing: "a comma or the container's end is missing"
        case .endMissing: "a string does not end"
        case .controlCharacter: "a control character in a string"
        case .badEscape: "an unknown escape, or half of a surrogate pair"
        case .notUTF8: "a string that is not UTF-8"
        case .digitsMissing: "no JSON value, or a number without digits"
        case .numberTooLarge: "a number that is too large"
        case .nameTwice: "a member's name stands twice"
        case .trailingBytes: "something follows the value"
        case .tooDeep: "nested deeper than \(Limits.JSON.depthMax)"
        case .tooManyValues: "more than \(Limits.JSON.valuesMax) values"
        case .tooManyMembers: "more than \(Limits.JSON.membersMax) members"
        }
    }
}

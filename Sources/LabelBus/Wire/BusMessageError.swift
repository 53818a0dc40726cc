/// A message that Varlink's specification tells to answer by closing, or one that costs more than is taken.
package struct BusMessageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    package enum Code: Hashable, Sendable, CaseIterable {
        /// More bytes than one message may have; the detail says how many are taken.
        case tooLong
        /// No JSON; the detail says why not, and where.
        case notJSON
        /// JSON, but no object at the top.
        case notAnObject
        /// A member of the call or reply has another type than the specification gives it; the detail is its name.
        case wrongType
        /// A member that the specification does not know and whose name is no reverse domain's.
        case unknownMember
        case methodMissing
        /// More than one of `more`, `oneway` and `upgrade`.
        case twoFlags
        /// All clients together have too much waiting (``Limits/Bus/waitingBytesMax``).
        case budgetSpent
    }

    /// What is wrong.
    package let code: Code
    /// More about it; empty where the code says it all. It quotes nothing of a message but the names of the specification's own members.
    package let detail: String

    package init(_ code: Code, _ detail: String = "") {
        self.code = code
        self.detail = detail
    }

    /// For a log.
    package var description: String {
        switch code {
        case .tooLong: "a message longer than \(detail) bytes"
        case .notJSON: detail
        case .notAnObject: "a message that is no object"
        case .wrongType: "the member \(detail) has the wrong type"
        case .unknownMember: "an unknown member of a call"
        case .methodMissing: "method is missing"
        case .twoFlags: "two flags in one call"
        case .budgetSpent: "all clients together have too much waiting"
        }
    }
}

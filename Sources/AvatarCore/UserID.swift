/// A chat user's number, the seed's `uid`: positive, at most what MySQL's signed BIGINT holds.
package struct UserID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The number itself, 1 or more.
    package let value: Int64

    /// Nil for zero and below: the seed gives no user such a number.
    package init?(_ value: Int64) {
        guard value > 0 else { return nil }
        self.value = value
    }

    package var description: String { String(value) }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

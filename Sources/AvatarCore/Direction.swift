/// Which way pictures go.
package enum Direction: String, Hashable, Sendable, CaseIterable {
    case down
    case up
}

/// Where a path leads now, beside what is held of it.
package enum PathStanding: Hashable, Sendable {
    /// To what is held.
    case held
    /// To something else: it was replaced, mounted over or unmounted, or a symlink on the way points elsewhere.
    case another
    /// To nothing that could be reached.
    case missing
}

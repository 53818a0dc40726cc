/// A moment on the wall clock, for what must mean something after a reboot: time to live, last wanted, when an event was.
package struct UnixTime: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970, UTC.
    package let milliseconds: Int64

    /// A moment that many milliseconds after 1970.
    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    package var description: String { "\(milliseconds) ms since 1970" }
}

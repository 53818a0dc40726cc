/// A moment on a clock that only goes forward, in nanoseconds since an origin that only its owner knows.
///
/// The machines are handed one with every input; the runtime reads it from `CLOCK_BOOTTIME`, so that a suspend counts, the
/// simulation from its event heap.
package struct MonotonicTime: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Nanoseconds since the origin.
    package var nanoseconds: Int64

    /// A moment that many nanoseconds after the origin.
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The origin.
    package static let zero = MonotonicTime(nanoseconds: 0)

    /// Later than any other.
    package static let never = MonotonicTime(nanoseconds: .max)

    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Saturating: a far deadline stays the far future.
    package static func + (time: Self, duration: Duration) -> Self {
        let (sum, overflow) = time.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return Self(nanoseconds: overflow ? .max : sum)
    }

    /// How long after `earlier` this is; negative when it is before.
    package static func - (later: Self, earlier: Self) -> Duration {
        .nanoseconds(later.nanoseconds - earlier.nanoseconds)
    }

    package var description: String { "\(nanoseconds / 1_000_000) ms" }
}

extension Duration {
    /// The duration in nanoseconds, saturating at what 64 bits hold (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }
}

internal import AvatarCore

/// Waits that double up to a longest one, each drawn from its upper half, so that many agents do not come back together.
package struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    /// How many waits were drawn since the last reset.
    package private(set) var attempts = 0

    /// Waits from `first` on, never above `longest`.
    package init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The next wait: between half and all of `first × 2^attempts`, at most the longest.
    package mutating func next(using random: inout SeededRandom) -> Duration {
        let longestNanoseconds = longest.wholeNanoseconds
        var ceiling = first.wholeNanoseconds
        for _ in 0..<min(attempts, 62) where ceiling < longestNanoseconds { ceiling *= 2 }
        ceiling = min(ceiling, longestNanoseconds)
        attempts += 1
        return .nanoseconds(Int64.random(in: (ceiling / 2)...ceiling, using: &random))
    }

    /// Begins again with the first wait.
    package mutating func reset() { attempts = 0 }
}

package import AvatarCore
internal import Glibc

/// The two clocks the agent lives by: one that only goes forward and counts suspends, and the wall's.
package struct AgentClock: Sendable {
    /// The clocks of this machine.
    package init() {}

    /// CLOCK_BOOTTIME: time since boot, suspends included (clock_gettime(2)).
    package var now: MonotonicTime { MonotonicTime(nanoseconds: Self.read(CLOCK_BOOTTIME)) }

    /// Seconds since 1970 of a moment on the forward clock, as the wall clock stands now.
    package func wallSeconds(of moment: MonotonicTime) -> Double {
        Double(Self.read(CLOCK_REALTIME)) / 1e9 + Double((moment - now).wholeNanoseconds) / 1e9
    }

    /// A moment as RFC 3339 in UTC, to the second.
    package func rfc3339(_ moment: MonotonicTime) -> String {
        var seconds = time_t(wallSeconds(of: moment).rounded(.down))
        var parts = tm()
        guard gmtime_r(&seconds, &parts) != nil else { return "" }
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

package import AvatarCore
internal import Glibc

/// The two clocks of the machine (clock_gettime(2)): one that only goes forward and counts suspends, and the wall's.
package struct SystemClock: Sendable {
    /// The clocks of this machine.
    package init() {}

    /// CLOCK_BOOTTIME: the time since boot, suspends included, so that deadlines pass and connections age while the machine sleeps.
    package var now: MonotonicTime { MonotonicTime(nanoseconds: Self.nanoseconds(CLOCK_BOOTTIME)) }

    /// CLOCK_REALTIME, for what must mean something after a reboot.
    package var wall: UnixTime { UnixTime(milliseconds: Self.nanoseconds(CLOCK_REALTIME) / 1_000_000) }

    /// When `moment`, which is one of ``now``'s, is or was on the wall clock, as that one stands at this time.
    package func wall(of moment: MonotonicTime) -> UnixTime {
        // Rounded once, after the sum: two roundings would put a moment of the past up to a millisecond into the future.
        UnixTime(milliseconds: (Self.nanoseconds(CLOCK_REALTIME) + (moment - now).wholeNanoseconds) / 1_000_000)
    }

    /// A moment as RFC 3339 in UTC, to the second; empty for one that no calendar has.
    package func rfc3339(_ moment: MonotonicTime) -> String { Self.rfc3339(wall(of: moment)) }

    /// The same of a moment on the wall clock.
    package static func rfc3339(_ moment: UnixTime) -> String {
        var seconds = time_t((Double(moment.milliseconds) / 1000).rounded(.down))
        var parts = unsafe tm()
        guard unsafe gmtime_r(&seconds, &parts) != nil else { return "" }
        let (year, month, day) = unsafe (parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday)
        let (hour, minute, second) = unsafe (parts.tm_hour, parts.tm_min, parts.tm_sec)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year)-\(two(month))-\(two(day))T\(two(hour)):\(two(minute)):\(two(second))Z"
    }

    private static func nanoseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

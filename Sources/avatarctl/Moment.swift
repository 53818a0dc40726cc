internal import Foundation

/// A moment as a person reads it.
enum Moment {
    /// `2026-11-27 05:43:51  3 minutes ago`, in this machine's time zone, from a moment in RFC 3339; that text itself where it cannot be read.
    static func text(_ moment: String, now: Date) -> String {
        guard let date = try? Date(moment, strategy: .iso8601) else { return moment }
        return local(date) + "  " + ago(date, now: now)
    }

    /// `2026-11-27 05:43:51`, in this machine's time zone.
    static func local(_ date: Date) -> String {
        date.formatted(
            Date.ISO8601FormatStyle(dateTimeSeparator: .space, timeZone: .current).year().month().day().time(
                includingFractionalSeconds: false))
    }

    /// `3 minutes ago`, in the steps of ``Age``; `in the future` where it lies ahead.
    static func ago(_ date: Date, now: Date) -> String {
        let seconds = Int(now.timeIntervalSince(date).rounded(.down))
        return seconds < -1 ? "in the future" : seconds < 2 ? "just now" : Age.text(seconds: seconds) + " ago"
    }
}

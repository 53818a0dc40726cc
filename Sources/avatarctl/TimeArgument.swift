internal import Foundation

/// A moment as a person types it.
enum TimeArgument {
    /// Nil for what is no time: `today`, `yesterday`; `2h`, `3 days`, `3 days ago` before `now`; `2026-11-27`, `2026-11-27 05:43` and
    /// `2026-11-27 05:43:51` in this machine's time zone; RFC 3339.
    static func date(_ text: String, now: Date) -> Date? {
        let text = text.trimmingCharacters(in: .whitespaces)
        let today = Calendar.current.startOfDay(for: now)
        switch text {
        case "today": return today
        case "yesterday": return Calendar.current.date(byAdding: .day, value: -1, to: today)
        default: break
        }
        if let ago = secondsAgo(text) { return now.addingTimeInterval(-ago) }
        if let date = try? Date(text, strategy: .iso8601) { return date }
        let local = Date.ISO8601FormatStyle(dateTimeSeparator: .space, timeZone: .current)
            .year().month().day().time(includingFractionalSeconds: false)
        guard text.prefixMatch(of: /\d{4}-\d\d-\d\d/) != nil else { return nil }
        for rest in ["", ":00", " 00:00:00"] {
            if let date = try? Date(text + rest, strategy: local) { return date }
        }
        return nil
    }

    private static func secondsAgo(_ text: String) -> Double? {
        guard let match = text.wholeMatch(of: /(\d{1,6})\s*([a-z]+)(?:\s+ago)?/), let count = Double(match.1) else {
            return nil
        }
        let unit: Double? =
            switch match.2 {
            case "s", "sec", "second", "seconds": 1
            case "m", "min", "minute", "minutes": 60
            case "h", "hour", "hours": 3600
            case "d", "day", "days": 86_400
            case "w", "week", "weeks": 604_800
            default: nil
            }
        return unit.map { count * $0 }
    }
}

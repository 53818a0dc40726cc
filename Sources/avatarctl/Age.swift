internal import Foundation

/// How long something has lasted, as a person says it.
enum Age {
    /// `for 3 minutes`, from a moment in RFC 3339; `since` the moment itself where it cannot be read or lies ahead.
    static func text(since moment: String, now: Date) -> String {
        guard let date = try? Date(moment, strategy: .iso8601) else { return "since \(moment)" }
        let seconds = Int(now.timeIntervalSince(date).rounded(.down))
        if seconds < -1 { return "since \(moment)" }
        return seconds < 2 ? "for a moment" : "for " + text(seconds: seconds)
    }

    /// `3 minutes`; from 2 of the larger unit on, so that nothing is rounded far.
    static func text(seconds: Int) -> String {
        switch seconds {
        case 1: "1 second"
        case ..<120: "\(seconds) seconds"
        case ..<7200: "\(seconds / 60) minutes"
        case ..<172_800: "\(seconds / 3600) hours"
        default: "\(seconds / 86_400) days"
        }
    }
}

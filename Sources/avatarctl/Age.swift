internal import Foundation

/// How long something has lasted, as a person says it.
enum Age {
    /// `for 3 minutes`, from a moment in RFC 3339; `since` the moment itself where it cannot be read or lies ahead.
    static func text(since moment: String, now: Date) -> String {
        guard let date = try? Date(moment, strategy: .iso8601) else { return "since \(moment)" }
        let seconds = Int(now.timeIntervalSince(date).rounded(.down))
        switch seconds {
        case ..<(-1): return "since \(moment)"
        case ..<2: return "for a moment"
        case ..<120: return "for \(seconds) seconds"
        case ..<7200: return "for \(seconds / 60) minutes"
        case ..<172_800: return "for \(seconds / 3600) hours"
        default: return "for \(seconds / 86_400) days"
        }
    }
}

package import AvatarCore

/// A picture that was not to be had, and until when that is taken for granted.
package struct Negative: Hashable, Sendable {
    package let reason: AbsenceReason
    package let until: MonotonicTime
    /// How often in a row the server, or the folder, said so.
    package let attempts: Int
    /// When it was said last.
    package let learned: MonotonicTime

    /// Not to be had until then; learned as long before as the pause lasts.
    package init(reason: AbsenceReason, until: MonotonicTime, attempts: Int = 1) {
        self.reason = reason
        self.until = until
        self.attempts = attempts
        learned = until + (.zero - Self.pause(reason, attempts: attempts))
    }

    /// What was learned of `name` now, for the time `attempts` in a row.
    package init(reason: AbsenceReason, of name: AvatarName, attempts: Int, learned: MonotonicTime) {
        self.reason = reason
        self.attempts = attempts
        self.learned = learned
        until = learned + Self.timeToLive(reason, of: name, attempts: attempts)
    }

    /// A refusal that the catalog kept until `end` on the wall clock, which stands at `wall` now. That clock may have jumped since: it
    /// never holds for longer than the reason's own time to live. The pause follows from the name, so that the end tells the beginning.
    package init(
        reason: AbsenceReason, of name: AvatarName, attempts: Int, keptUntil end: UnixTime, wall: UnixTime,
        now: MonotonicTime
    ) {
        let whole = Self.timeToLive(reason, of: name, attempts: attempts)
        let left = min(.milliseconds(end.milliseconds - wall.milliseconds), whole)
        self.reason = reason
        self.attempts = attempts
        until = now + left
        learned = now + (left - whole)
    }

    /// Until when the catalog keeps a refusal that was learned at `wall`.
    package static func keptUntil(
        _ reason: AbsenceReason, of name: AvatarName, attempts: Int, wall: UnixTime
    ) -> UnixTime {
        let time = timeToLive(reason, of: name, attempts: attempts)
        return UnixTime(milliseconds: wall.milliseconds + time.wholeNanoseconds / 1_000_000)
    }

    /// How long a reason holds that was learned so often in a row: the pause, and a share of it that follows from the name. Names that were
    /// refused at one time are so not asked for at one time again.
    package static func timeToLive(_ reason: AbsenceReason, of name: AvatarName, attempts: Int) -> Duration {
        var hash: UInt32 = 2_166_136_261
        for byte in name.string.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let pause = pause(reason, attempts: attempts).wholeNanoseconds / 1_000_000
        let share = pause / Limits.Negative.jitterParts * Int64(hash >> 8 & 0xff) / 256
        return .milliseconds(pause + share)
    }

    /// The pause after so many refusals in a row, without the name's share.
    package static func pause(_ reason: AbsenceReason, attempts: Int) -> Duration {
        let pauses = pauses(reason)
        return pauses[min(max(attempts, 1), pauses.count) - 1]
    }

    private static func pauses(_ reason: AbsenceReason) -> [Duration] {
        switch reason {
        case .absent: Limits.Negative.absent
        case .forbidden: Limits.Negative.forbidden
        case .corrupt: Limits.Negative.corrupt
        case .serverError: Limits.Negative.serverError
        case .nameTaken: Limits.Negative.nameTaken
        case .tooLarge, .unsupported, .unsupportedFormat: Limits.Negative.settled
        }
    }

    /// Whether somebody new who wants the picture is a reason to ask before the pause is over: not where the answer is a matter of seconds
    /// ago, and not where only another version or configuration of the agent would take the picture.
    package func isWorthAsking(now: MonotonicTime) -> Bool {
        switch reason {
        case .tooLarge, .unsupported, .unsupportedFormat: false
        case .absent, .forbidden, .corrupt, .serverError, .nameTaken:
            now - learned >= min(Limits.Negative.freshFor, Self.pause(reason, attempts: attempts))
        }
    }

    /// How often it counts as said when somebody new wants the picture: an old answer says little about a new picture.
    package func attemptsForSomebodyNew(now: MonotonicTime) -> Int {
        now - learned >= Limits.Negative.renewedAfter ? 0 : attempts
    }
}

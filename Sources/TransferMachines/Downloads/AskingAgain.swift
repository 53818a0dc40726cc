internal import AvatarCore
internal import HeapModule

/// When pictures that were refused are asked for again: a time for each, and a pace for all of them together.
struct AskingAgain: Sendable {
    /// A refused picture that somebody still wants is due at this time.
    private struct Retry: Comparable, Sendable {
        let at: MonotonicTime
        let name: AvatarName

        static func < (left: Retry, right: Retry) -> Bool {
            left.at == right.at ? left.name < right.name : left.at < right.at
        }
    }

    private var retries = Heap<Retry>()
    /// When the next question would go if every one kept its distance from the one before.
    private var paceAt = MonotonicTime.zero

    var count: Int { retries.count }
    var deadline: MonotonicTime { retries.min.map { max($0.at, openAt) } ?? .never }
    /// When the pace allows the next question. Nobody reserves a time: who comes and goes takes nothing from others.
    private var openAt: MonotonicTime {
        paceAt + (.zero - Limits.Negative.againInterval * (Limits.Negative.againBurst - 1))
    }

    /// Adds an entry at every call, so that a name may have several; who is asked about one decides whether it still holds.
    mutating func add(_ name: AvatarName, at time: MonotonicTime) { retries.insert(Retry(at: time, name: name)) }

    /// Whether the pace allows a question.
    func isOpen(now: MonotonicTime) -> Bool { openAt <= now }

    /// The next name that is due, while the pace allows a question.
    mutating func next(now: MonotonicTime) -> AvatarName? {
        guard isOpen(now: now), let retry = retries.min, retry.at <= now else { return nil }
        return retries.removeMin().name
    }

    /// One refused picture is asked for again now.
    mutating func asked(now: MonotonicTime) { paceAt = max(paceAt, now) + Limits.Negative.againInterval }

    /// Whether outdated entries outnumber `names`, so that ``replace(with:)`` is worth its while.
    func isOvergrown(names: Int) -> Bool { retries.count > 2 * names + 64 }

    /// Leaves these entries only.
    mutating func replace(with entries: [(AvatarName, MonotonicTime)]) {
        retries = Heap(entries.map { Retry(at: $0.1, name: $0.0) })
    }
}

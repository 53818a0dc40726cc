package import AvatarCore

/// What a store answered a moment ago, by key, so that it is not asked again at once.
///
/// Whoever asks takes the ``mark`` first and shows it with the answer: an answer that a change has overtaken on its way is not kept.
package struct RecentAnswers<Key: Hashable & Sendable, Answer: Sendable>: Sendable {
    /// How many changes there had been when the store was asked.
    package struct Mark: Hashable, Sendable {
        fileprivate let changes: UInt64
    }

    private let trust: Duration
    private let countMax: Int
    private var answers: [Key: (answer: Answer, until: MonotonicTime)] = [:]
    private var changes: UInt64 = 0

    /// - Parameters:
    ///   - trust: how long an answer counts.
    ///   - countMax: answers that are kept; when there are more, those whose time is over go, or all.
    package init(trust: Duration, countMax: Int) {
        self.trust = trust
        self.countMax = countMax
    }

    package var mark: Mark { Mark(changes: changes) }

    /// The answer, while it counts.
    package func answer(for key: Key, now: MonotonicTime) -> Answer? {
        answers[key].flatMap { now < $0.until ? $0.answer : nil }
    }

    package mutating func keep(_ answer: Answer, for key: Key, asked mark: Mark, now: MonotonicTime) {
        guard mark.changes == changes else { return }
        if answers.count >= countMax, answers[key] == nil {
            answers = answers.filter { now < $0.value.until }
            if answers.count >= countMax { answers = [:] }
        }
        answers[key] = (answer, now + trust)
    }

    /// The store would answer otherwise from now on.
    package mutating func changed(_ key: Key) {
        changes += 1
        answers[key] = nil
    }
}

import AvatarCore
import Testing
import TransferMachines

/// What a store answered a moment ago counts for that moment, and not when it was overtaken.
@Suite struct RecentAnswersTests {
    private func answers(countMax: Int = 3) -> RecentAnswers<Int, String> {
        RecentAnswers(trust: .seconds(1), countMax: countMax)
    }

    private func time(_ milliseconds: Int64) -> MonotonicTime { .zero + .milliseconds(milliseconds) }

    @Test func anAnswerCountsForItsTimeAndNoLonger() {
        var recent = answers()
        recent.keep("a", for: 1, asked: recent.mark, now: time(0))
        #expect(recent.answer(for: 1, now: time(999)) == "a")
        #expect(recent.answer(for: 1, now: time(1000)) == nil)
        #expect(recent.answer(for: 2, now: time(0)) == nil)
    }

    @Test func anAnswerIsForgottenWhenTheStoreWouldAnswerOtherwise() {
        var recent = answers()
        recent.keep("a", for: 1, asked: recent.mark, now: time(0))
        recent.keep("b", for: 2, asked: recent.mark, now: time(0))
        recent.changed(1)
        #expect(recent.answer(for: 1, now: time(1)) == nil)
        #expect(recent.answer(for: 2, now: time(1)) == "b")
    }

    @Test func anAnswerThatAChangeHasOvertakenIsNotKept() {
        var recent = answers()
        let mark = recent.mark
        recent.changed(1)
        recent.keep("before", for: 1, asked: mark, now: time(0))
        #expect(recent.answer(for: 1, now: time(0)) == nil)
        recent.keep("after", for: 1, asked: recent.mark, now: time(0))
        #expect(recent.answer(for: 1, now: time(0)) == "after")
    }

    @Test func noMoreAnswersAreKeptThanMayBe() {
        var recent = answers(countMax: 2)
        recent.keep("a", for: 1, asked: recent.mark, now: time(0))
        recent.keep("b", for: 2, asked: recent.mark, now: time(500))
        // The time of the first one is over.
        recent.keep("c", for: 3, asked: recent.mark, now: time(1000))
        #expect([1, 2, 3].map { recent.answer(for: $0, now: time(1000)) } == [nil, "b", "c"])
        recent.keep("d", for: 4, asked: recent.mark, now: time(1001))
        #expect([2, 3, 4].map { recent.answer(for: $0, now: time(1001)) } == [nil, nil, "d"])
    }
}

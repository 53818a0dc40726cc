import AvatarCore
import Testing
import TransferMachines

@Suite struct CircuitBreakerTests {
    private func at(_ seconds: Int64) -> MonotonicTime { .zero + .seconds(seconds) }

    @Test func everyoneAsksAServiceThatAnswers() {
        var breaker = CircuitBreaker()
        #expect(breaker.admit(now: at(0)) == .ask)
        #expect(breaker.admit(now: at(0)) == .ask)
        breaker.succeeded()
        #expect(breaker.failure == nil)
    }

    @Test func afterAFailureNobodyAsksUntilThePauseIsOver() {
        var breaker = CircuitBreaker()
        breaker.failed(now: at(0), reason: "hangs", pause: .seconds(5))
        #expect(breaker.failure == "hangs")
        #expect(breaker.admit(now: at(4)) == .refuse("hangs"))
        #expect(breaker.admit(now: at(5)) == .ask)
    }

    @Test func oneCallerTriesTheServiceAndTheOthersDoNotWaitForIt() {
        var breaker = CircuitBreaker()
        breaker.failed(now: at(0), reason: "hangs", pause: .seconds(5))
        #expect(breaker.admit(now: at(6)) == .ask)
        #expect(breaker.admit(now: at(6)) == .refuse("hangs"))
        breaker.failed(now: at(8), reason: "still hangs", pause: .seconds(5))
        #expect(breaker.admit(now: at(12)) == .refuse("still hangs"))
        #expect(breaker.admit(now: at(13)) == .ask)
        breaker.succeeded()
        #expect(breaker.admit(now: at(13)) == .ask)
        #expect(breaker.admit(now: at(13)) == .ask)
    }

    /// Four workers ask at once and fail one after the other: the pause is counted from the first failure.
    @Test func callsThatFailDuringThePauseDoNotMakeItLonger() {
        var breaker = CircuitBreaker()
        breaker.failed(now: at(2), reason: "hangs", pause: .seconds(5))
        breaker.failed(now: at(3), reason: "hangs", pause: .seconds(5))
        #expect(breaker.admit(now: at(7)) == .ask)
    }

    /// A call from before the pause answers late: the service is up again.
    @Test func anAnswerEndsThePause() {
        var breaker = CircuitBreaker()
        breaker.failed(now: at(0), reason: "hangs", pause: .seconds(5))
        breaker.succeeded()
        #expect(breaker.admit(now: at(1)) == .ask)
    }
}

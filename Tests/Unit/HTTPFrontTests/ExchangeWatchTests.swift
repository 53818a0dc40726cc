import AvatarCore
import Testing

@testable import HTTPFront

/// When a client is too slow, and what is still taken of one that has its answer.
@Suite struct ExchangeWatchTests {
    private static let bounds: ExchangeBounds = {
        var bounds = ExchangeBounds()
        (bounds.headTime, bounds.bodyGrace, bounds.bodyBytesPerSecondMin) = (.seconds(20), .seconds(30), 100)
        (bounds.drainTime, bounds.drainBytesMax, bounds.lingerTime) = (.seconds(10), 1000, .seconds(5))
        return bounds
    }()

    private func at(_ seconds: Int) -> MonotonicTime { .zero + .seconds(seconds) }

    /// A request whose head has come at second 0, with the server waiting for its body.
    private func inBody(waits: Bool = false) -> ExchangeWatch {
        var watch = ExchangeWatch(Self.bounds)
        watch.readBegins(now: at(0))
        _ = watch.bytesCame(10, now: at(0))
        watch.headCame(waits: waits, now: at(0))
        return watch
    }

    @Test func aConnectionWithoutARequestHasNoClock() {
        var watch = ExchangeWatch(Self.bounds)
        watch.readBegins(now: at(0))
        #expect(watch.deadline == nil)
    }

    @Test func aHeadHasItsTimeFromTheFirstByteOn() {
        var watch = ExchangeWatch(Self.bounds)
        #expect(watch.bytesCame(1, now: at(3)) == .nothing)
        _ = watch.bytesCame(1, now: at(20))
        #expect(watch.deadline == at(23))
        #expect(watch.timePassed(now: at(22)) == .nothing)
        #expect(watch.timePassed(now: at(23)) == .answer(.slowHead))
        #expect(watch.isOver)
        #expect(watch.deadline == at(28), "the client may read the answer")
        #expect(watch.timePassed(now: at(28)) == .close)
    }

    @Test func aHeadBehindAnotherRequestHasItsTimeFromThatAnswerOn() {
        var watch = inBody()
        watch.requestEnded()
        _ = watch.bytesCame(1, now: at(1))
        #expect(watch.deadline == nil)
        watch.answerBegins()
        #expect(watch.answerEnds(now: at(50)) == .nothing)
        #expect(watch.deadline == at(70))
    }

    @Test func aBodyMayTakeItsGraceAndASecondForEachHundredBytes() {
        var watch = inBody()
        #expect(watch.deadline == at(30))
        #expect(watch.bodyCame(500) == .nothing)
        #expect(watch.deadline == at(35))
        #expect(watch.timePassed(now: at(35)) == .answer(.slowBody))
    }

    @Test func whatTheServerDoesNotReadIsNotTheClientsFault() {
        var watch = inBody()
        watch.readEnds(now: at(5))
        #expect(watch.deadline == nil)
        watch.readBegins(now: at(100))
        #expect(watch.deadline == at(125))
    }

    @Test func aClientThatWaitsToBeAskedHasTimeFromThenOn() {
        var watch = inBody(waits: true)
        #expect(watch.deadline == nil)
        watch.bodyWasAskedFor(now: at(100))
        #expect(watch.deadline == at(130))
        var hasty = inBody(waits: true)
        _ = hasty.bodyCame(100)
        #expect(hasty.deadline == at(31))
    }

    @Test func anAnsweredBodyIsThrownAwayForAWhile() {
        var watch = inBody()
        watch.answerBegins()
        #expect(watch.deadline == nil, "an answer under way has no other")
        #expect(watch.answerEnds(now: at(1)) == .nothing)
        #expect(watch.isDraining && watch.deadline == at(11))
        #expect(watch.bodyCame(1000) == .nothing)
        watch.requestEnded()
        #expect(!watch.isDraining && !watch.isOver && watch.deadline == nil, "the connection goes on")
    }

    @Test(arguments: [true, false]) func butNotForEver(byBytes: Bool) {
        var watch = inBody()
        watch.answerBegins()
        _ = watch.answerEnds(now: at(1))
        #expect((byBytes ? watch.bodyCame(1001) : watch.timePassed(now: at(11))) == .close)
        #expect(watch.isOver && watch.deadline == nil)
    }

    @Test func whatBreaksHTTPIsAnsweredInItsTurn() {
        var first = ExchangeWatch(Self.bounds)
        _ = first.bytesCame(1, now: at(0))
        #expect(first.broke(.headTooLarge, now: at(1)) == .answer(.headTooLarge))
        #expect(first.bytesCame(1001, now: at(2)) == .close, "what still comes is bounded too")
        var second = inBody()
        second.requestEnded()
        #expect(second.broke(.broken, now: at(1)) == .nothing)
        second.answerBegins()
        #expect(second.answerEnds(now: at(2)) == .answer(.broken))
        var body = inBody()
        #expect(body.broke(.broken, now: at(1)) == .answer(.broken))
        var late = inBody()
        late.answerBegins()
        #expect(late.broke(.broken, now: at(1)) == .close, "an answer is under way already")
    }
}

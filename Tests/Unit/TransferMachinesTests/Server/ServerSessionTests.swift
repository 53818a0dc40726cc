import AvatarCore
import Testing
import TransferMachines

@Suite struct ServerSessionTests {
    private let a: ResourceKey
    private let b: ResourceKey

    init() throws {
        a = ResourceKey(owner: UserID(1), name: try AvatarName("a.png"))
        b = ResourceKey(owner: UserID(1), name: try AvatarName("b.png"))
    }

    private func at(_ seconds: Int64) -> MonotonicTime { .zero + .seconds(seconds) }

    @Test func repliesGoOutInTheOrderAskedWhicheverIsReadyFirst() {
        var session = ServerSession(now: .zero)
        let first = session.receive(resource: a, bytes: 10, now: .zero)
        let second = session.receive(resource: a, bytes: 10, now: .zero)
        session.answer(second, bytes: 20)
        #expect(session.nextReply() == nil)
        session.answer(first, bytes: 20)
        #expect(session.nextReply() == first)
        #expect(session.nextReply() == second)
        #expect(session.nextReply() == nil)
    }

    @Test func severalPicturesAtOnceGetOneReplyUntilTheClientHasIt() {
        var session = ServerSession(now: .zero)
        let first = session.receive(resource: a, bytes: 10, now: .zero)
        let second = session.receive(resource: b, bytes: 10, now: .zero)
        session.answer(first, bytes: 20)
        session.answer(second, bytes: 20)
        #expect(session.nextReply() == first)
        #expect(session.nextReply() == nil)
        #expect(!session.awaitsDrain)
        session.sent(bytes: 20)
        #expect(session.awaitsDrain)
        session.drained()
        #expect(session.nextReply() == second)
    }

    @Test func askingForTheNextChunkShowsThatTheLastOneHasCome() {
        var session = ServerSession(now: .zero)
        let first = session.receive(resource: a, bytes: 10, now: .zero)
        let second = session.receive(resource: b, bytes: 10, now: .zero)
        session.answer(first, bytes: 20)
        session.answer(second, bytes: 20)
        #expect(session.nextReply() == first)
        session.sent(bytes: 20)
        _ = session.receive(resource: a, bytes: 10, now: .zero)
        #expect(session.nextReply() == second)
    }

    /// One picture after the other, each once the last is there: no reply of theirs has anything to wait for.
    @Test func whoAsksForOneThingAtATimeNeverWaits() {
        var session = ServerSession(now: .zero)
        for resource in [a, b, a] {
            let ticket = session.receive(resource: resource, bytes: 10, now: .zero)
            session.answer(ticket, bytes: 20)
            #expect(session.nextReply() == ticket)
            session.sent(bytes: 20)
        }
    }

    @Test func twoRequestsForOnePictureAreAPipelineAndNeedNoCare() {
        var session = ServerSession(now: .zero)
        let tickets = (0..<3).map { _ in session.receive(resource: a, bytes: 10, now: .zero) }
        #expect(session.isPipelining)
        for ticket in tickets { session.answer(ticket, bytes: 20) }
        #expect(tickets.map { _ in session.nextReply() } == tickets)
    }

    @Test func requestsInFlightAreBounded() {
        var session = ServerSession(now: .zero)
        for _ in 0..<Limits.Server.requestsInFlightMax {
            #expect(session.acceptsRequests)
            _ = session.receive(resource: a, bytes: 1, now: .zero)
        }
        #expect(!session.acceptsRequests)
        session.answer(0, bytes: 1)
        #expect(session.nextReply() == 0)
        #expect(session.acceptsRequests)
    }

    @Test func bytesInFlightAreBoundedAndOneRequestIsAlwaysTaken() {
        var session = ServerSession(now: .zero)
        let ticket = session.receive(resource: a, bytes: Limits.Server.bytesInFlightMax * 2, now: .zero)
        #expect(!session.acceptsRequests)
        session.answer(ticket, bytes: 10)
        #expect(session.acceptsRequests)
    }

    @Test func aReaderThatDoesNotReadGetsNoMoreThanTheBound() {
        var session = ServerSession(now: .zero)
        let size = Limits.Server.replyBytesUnsentMax / 2
        let tickets = (0..<4).map { _ in session.receive(resource: a, bytes: 10, now: .zero) }
        for ticket in tickets { session.answer(ticket, bytes: size) }
        #expect(session.nextReply() == 0)
        #expect(session.nextReply() == 1)
        #expect(session.nextReply() == nil)
        session.sent(bytes: size)
        #expect(session.nextReply() == 2)
    }

    @Test func aConnectionThatShowsNoTokenIsClosedAfterSixtySeconds() {
        var session = ServerSession(now: .zero)
        _ = session.receive(resource: nil, bytes: 10, now: at(59))
        #expect(session.deadline == at(60))
        #expect(session.expire(now: at(59)) == nil)
        #expect(session.expire(now: at(60)) == .noToken)
    }

    @Test func aConnectionWithoutAValidFrameIsClosedAfterTenMinutes() throws {
        var session = ServerSession(now: .zero)
        session.authenticate(try #require(UserID(1)), token: "t", now: .zero)
        _ = session.receive(resource: a, bytes: 10, now: at(100))
        #expect(session.deadline == at(700))
        #expect(session.expire(now: at(699)) == nil)
        #expect(session.expire(now: at(700)) == .silent)
    }

    @Test func onlyTheLastFewTokensAreRemembered() throws {
        var session = ServerSession(now: .zero)
        let users = try (1...5).map { try #require(UserID($0)) }
        for user in users { session.authenticate(user, token: ExactString("t\(user)"), now: .zero) }
        #expect(!session.isAuthenticated(users[0], token: "t1", now: .zero))
        #expect(session.isAuthenticated(users[4], token: "t5", now: .zero))
        #expect(!session.isAuthenticated(users[4], token: "t4", now: .zero))
    }

    @Test func aTokenIsCheckedAgainForATransferThatBeginsALittleLater() throws {
        var session = ServerSession(now: .zero)
        let user = try #require(UserID(1))
        session.authenticate(user, token: "t", now: .zero)
        #expect(session.isAuthenticated(user, token: "t", now: .zero))
        #expect(!session.isAuthenticated(user, token: "t", now: at(1)))
        session.authenticate(user, token: "t", now: at(1))
        #expect(session.isAuthenticated(user, token: "t", now: at(1)))
    }

    @Test func aDownloadIsKnownFromItsBeginToItsEndByTheTokenThatBeganIt() throws {
        var session = ServerSession(now: .zero)
        let friend = try #require(UserID(2))
        session.authenticate(try #require(UserID(1)), token: "t", now: .zero)
        #expect(session.ownerOfDownload(a, token: "t") == nil)
        session.beginDownload(a, token: "t", owner: friend)
        #expect(session.ownerOfDownload(a, token: "t") == friend)
        #expect(session.ownerOfDownload(a, token: "other") == nil)
        #expect(session.ownerOfDownload(b, token: "t") == nil)
        session.endDownload(a)
        #expect(session.ownerOfDownload(a, token: "t") == nil)
    }

    @Test func onlyTheLastDownloadsAndUploadsAreRemembered() throws {
        var session = ServerSession(now: .zero)
        let owner = try #require(UserID(1))
        let keys = try (0...Limits.Server.downloadsRememberedMax).map {
            ResourceKey(owner: owner, name: try AvatarName("\($0).png"))
        }
        for key in keys { session.beginDownload(key, token: "t", owner: owner) }
        #expect(session.ownerOfDownload(keys[0], token: "t") == nil)
        #expect(session.ownerOfDownload(keys[1], token: "t") == owner)
        for key in keys.dropLast() { #expect(session.takeUpload(key) == nil) }
        #expect(session.takeUpload(keys[keys.count - 1]) == keys[0])
        #expect(session.takeUpload(keys[1]) == nil)
        #expect(session.uploads == Array(keys[1...]))
    }

    @Test func answeringWhatWasNeverAskedDoesNothing() {
        var session = ServerSession(now: .zero)
        session.answer(7, bytes: 10)
        #expect(session.nextReply() == nil)
        #expect(session.isIdle)
    }
}

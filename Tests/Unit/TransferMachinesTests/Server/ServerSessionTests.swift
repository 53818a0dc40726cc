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
        let first = session.receive(resource: a, seq: 1, bytes: 10, now: .zero)
        let second = session.receive(resource: a, seq: 2, bytes: 10, now: .zero)
        session.answer(second, bytes: 20)
        #expect(session.nextReply(now: .zero) == nil)
        session.answer(first, bytes: 20)
        #expect(session.nextReply(now: .zero) == first)
        #expect(session.nextReply(now: .zero) == second)
        #expect(session.nextReply(now: .zero) == nil)
    }

    @Test func requestsInFlightAreBounded() {
        var session = ServerSession(now: .zero)
        for _ in 0..<Limits.Server.requestsInFlightMax {
            #expect(session.acceptsRequests)
            _ = session.receive(resource: a, bytes: 1, now: .zero)
        }
        #expect(!session.acceptsRequests)
        session.answer(0, bytes: 1)
        #expect(session.nextReply(now: .zero) == 0)
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
        let tickets = (1...4).map { session.receive(resource: a, seq: $0, bytes: 10, now: .zero) }
        for ticket in tickets { session.answer(ticket, bytes: size) }
        #expect(session.nextReply(now: .zero) == 0)
        #expect(session.nextReply(now: .zero) == 1)
        #expect(session.nextReply(now: .zero) == nil)
        session.sent(bytes: size)
        #expect(session.nextReply(now: .zero) == 2)
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
        #expect(session.nextReply(now: .zero) == nil)
        #expect(session.isIdle)
    }
}

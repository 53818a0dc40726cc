import AvatarCore
import Testing
import TransferMachines

/// One reply at a time for clients that cannot read two at once (docs/protocol.md, "One reply at a time").
@Suite struct ReplyPacingTests {
    private let a: ResourceKey
    private let b: ResourceKey
    private let c: ResourceKey

    init() throws {
        a = ResourceKey(owner: UserID(1), name: try AvatarName("a.png"))
        b = ResourceKey(owner: UserID(1), name: try AvatarName("b.png"))
        c = ResourceKey(owner: UserID(1), name: try AvatarName("c.png"))
    }

    /// A connection whose replies are ready at once, as far as the client's reading lets them go.
    private struct Connection {
        var session = ServerSession(now: .zero)

        /// A request comes in, and its reply is ready.
        mutating func ask(
            _ resource: ResourceKey, _ seq: Int64, last: Bool = false, pipelines: Bool = false, at now: Int64
        ) {
            let ticket = session.receive(
                resource: resource, seq: seq, pipelines: pipelines, bytes: 10, now: Self.time(now))
            session.answer(ticket, bytes: 20, isFollowed: !last)
        }

        /// How many replies go out.
        mutating func replies(at now: Int64) -> Int {
            var count = 0
            while session.nextReply(now: Self.time(now)) != nil { count += 1 }
            session.sent(bytes: 20 * count)
            return count
        }

        /// When the next reply may go without a sign from the client, in milliseconds.
        func due(at now: Int64) -> Int64? {
            session.replyDue(now: Self.time(now)).map { ($0 - .zero).wholeNanoseconds / 1_000_000 }
        }

        static func time(_ milliseconds: Int64) -> MonotonicTime { .zero + .milliseconds(milliseconds) }
    }

    @Test func theNextReplyWaitsForTheRequestThatFollowsFromTheLastOne() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        connection.ask(b, 1, at: 0)
        #expect(connection.replies(at: 0) == 1)
        connection.ask(c, 1, at: 1)
        #expect(connection.replies(at: 1) == 0)
        connection.ask(a, 2, at: 2)
        #expect(connection.replies(at: 2) == 1)
        connection.ask(b, 2, at: 3)
        #expect(connection.replies(at: 3) == 1)
    }

    @Test func aRequestForAnotherFileDoesNotShowThatTheLastReplyWasRead() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        #expect(connection.replies(at: 0) == 1)
        // Nothing else is in flight, and still the client may have sent this before it read the reply.
        connection.ask(b, 1, at: 1)
        #expect(connection.replies(at: 1) == 0)
        #expect(connection.due(at: 1) == 1000)
    }

    @Test func aClientThatNeverAsksForTheNextChunkHoldsTheOthersUpForAWhileOnly() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        connection.ask(b, 1, at: 0)
        #expect(connection.replies(at: 0) == 1)
        #expect(connection.due(at: 1) == 1000)
        connection.session.acknowledged()
        #expect(connection.replies(at: 1000) == 1)
    }

    @Test func afterALastChunkSomeTimeHasToPassWhileTheClientFetchesSideBySide() {
        var connection = Connection()
        connection.ask(a, 1, last: true, at: 0)
        connection.ask(b, 1, last: true, at: 0)
        #expect(connection.replies(at: 0) == 1)
        #expect(connection.due(at: 0) == 100)
        #expect(connection.replies(at: 100) == 0)
        connection.session.acknowledged()
        #expect(connection.replies(at: 100) == 1)
    }

    @Test func aClientThatIsHeldStillGetsAsMuchTimeAsItTook() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        connection.ask(b, 1, last: true, at: 0)
        #expect(connection.replies(at: 0) == 1)
        connection.ask(a, 2, last: true, at: 150)
        #expect(connection.replies(at: 150) == 1)
        #expect(connection.due(at: 150) == 300)
    }

    @Test func aClientThatHasBeenCalmForLongGetsLittleTime() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        connection.ask(b, 1, at: 0)
        #expect(connection.replies(at: 0) == 1)
        var now: Int64 = 0
        for seq in Int64(2)...1100 {
            now += 1
            connection.ask(a, seq, at: now)
            #expect(connection.replies(at: now) == 1)
            now += 1
            connection.ask(b, seq, last: seq == 1100, at: now)
            #expect(connection.replies(at: now) == 1)
        }
        // The last chunk of b goes out now, and a's next reply waits for as long as is enough for a calm client.
        connection.ask(a, 1101, at: now + 1)
        #expect(connection.replies(at: now + 1) == 1)
        #expect(connection.due(at: now + 1) == now + 5)
    }

    @Test func oneFileAfterTheOtherIsLearnedAndThenWaitsForNothing() {
        var connection = Connection()
        var now: Int64 = 0
        for name in [a, b, c, a, b] {
            for seq in Int64(1)...4 {
                connection.ask(name, seq, last: seq == 4, at: now)
                #expect(connection.replies(at: now) == 1)
                now += 1
            }
        }
    }

    @Test func oneChunkFilesOneAfterTheOtherAreLearnedAfterAFewPauses() {
        var connection = Connection()
        var (now, waited): (Int64, Int) = (0, 0)
        for _ in 0..<20 {
            connection.ask(a, 1, last: true, at: now)
            if connection.replies(at: now) == 0 {
                waited += 1
                now += 4
                connection.session.acknowledged()
                #expect(connection.replies(at: now) == 1)
            }
            now += 1
        }
        #expect(waited == 3)
    }

    @Test(arguments: ["it says so", "it asks for two chunks of one file"])
    func whoReadsSeveralRepliesAtOnceWaitsForNothing(how: String) {
        var connection = Connection()
        connection.ask(a, 1, pipelines: how == "it says so", at: 0)
        connection.ask(a, 2, at: 0)
        connection.ask(b, 1, at: 0)
        connection.ask(c, 1, last: true, at: 0)
        connection.ask(c, 1, last: true, at: 0)
        #expect(connection.session.isPipelining)
        #expect(connection.replies(at: 0) == 5)
    }

    /// Two labels of one picture in an old client.
    @Test func twoRequestsForTheSameChunkAreNoPipeline() {
        var connection = Connection()
        connection.ask(a, 1, at: 0)
        connection.ask(a, 1, at: 0)
        #expect(!connection.session.isPipelining)
        #expect(connection.replies(at: 0) == 1)
    }
}

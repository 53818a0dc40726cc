import AvatarCore
import Testing
import TransferMachines

/// Scripts of the connection: when it is opened, how long a server is left alone.
@Suite struct ConnectionMachineTests {
    private var random = SeededRandom(seed: 4)

    /// A machine whose connection number 1 is open.
    private func online() -> ConnectionMachine {
        var machine = ConnectionMachine(now: at(0))
        _ = machine.login(now: at(0))
        _ = machine.opened(1, now: at(0))
        machine.heard(now: at(0))
        return machine
    }

    private func waiting(_ machine: ConnectionMachine, since now: MonotonicTime) throws -> Duration {
        try #require(machine.deadline) - now
    }

    @Test func aLoginConnectsAtOnce() {
        var machine = ConnectionMachine(now: at(0))
        #expect(machine.state == .offline)
        #expect(machine.work(now: at(0)) == [])
        #expect(machine.hurry(now: at(0)) == [])
        #expect(machine.login(now: at(1)) == [.connect(1)])
        #expect(machine.state == .connecting(1))
        #expect(machine.opened(1, now: at(2)) == true)
        #expect(machine.online == 1)
        #expect(!machine.isHeard && machine.since == at(1), "anybody may listen there")
        machine.heard(now: at(3))
        #expect(machine.isHeard && machine.since == at(3))
    }

    @Test func aSecondLoginReplacesTheFirstConnection() {
        var machine = online()
        #expect(machine.login(now: at(3)) == [.close(1), .connect(2)])
        #expect(machine.opened(1, now: at(4)) == false, "a number is never used twice")
        #expect(machine.opened(2, now: at(4)) == true)
    }

    @Test func aLogoutClosesAndStaysOffline() {
        var machine = online()
        #expect(machine.logout(now: at(1)) == [.close(1)])
        #expect(machine.state == .offline)
        #expect(machine.logout(now: at(1)) == [])
        #expect(machine.tick(now: at(.seconds(100))) == [])
    }

    @Test mutating func eventsOfAnEarlierConnectionAreIgnored() {
        var machine = online()
        _ = machine.login(now: at(0))
        #expect(machine.closed(1, cause: "late", hasWork: true, now: at(1), random: &random) == false)
        #expect(machine.state == .connecting(2))
    }

    /// docs/architecture.md, "Promises", 8: a dead server is tried after waits that double up to 60 s, with jitter.
    @Test mutating func aDeadServerIsLeftAloneForLongerAndLonger() throws {
        var machine = ConnectionMachine(now: at(0))
        var now = at(0)
        _ = machine.login(now: now)
        for attempt in 1...20 {
            #expect(machine.state == .connecting(attempt))
            #expect(machine.closed(attempt, cause: "refused", hasWork: true, now: now, random: &random))
            let ceiling = min(Duration.milliseconds(500 * Int64(1) << (attempt - 1)), .seconds(60))
            let wait = try waiting(machine, since: now)
            #expect(wait >= ceiling / 2 && wait <= ceiling, "attempt \(attempt) waits \(wait)")
            #expect(machine.tick(now: now + (wait - .nanoseconds(1))) == [])
            now = now + wait
            #expect(machine.tick(now: now) == [.connect(attempt + 1)])
        }
    }

    @Test mutating func aServerThatAcceptsAndHangsUpIsLeftAloneToo() throws {
        var machine = ConnectionMachine(now: at(0))
        _ = machine.login(now: at(0))
        for attempt in 1...10 {
            _ = machine.opened(attempt, now: at(0))
            _ = machine.closed(attempt, cause: "reset", hasWork: true, now: at(0), random: &random)
            _ = machine.tick(now: at(.seconds(60)))
        }
        _ = machine.opened(11, now: at(0))
        _ = machine.closed(11, cause: "reset", hasWork: true, now: at(0), random: &random)
        #expect(try waiting(machine, since: at(0)) >= .seconds(30))
    }

    @Test mutating func aServerThatSaidSomethingSensibleStartsTheWaitsAnew() throws {
        var machine = ConnectionMachine(now: at(0))
        _ = machine.login(now: at(0))
        for attempt in 1...8 {
            _ = machine.closed(attempt, cause: "refused", hasWork: true, now: at(0), random: &random)
            _ = machine.tick(now: at(.seconds(60)))
        }
        _ = machine.opened(9, now: at(0))
        machine.proven()
        _ = machine.closed(9, cause: "reset", hasWork: true, now: at(0), random: &random)
        #expect(try waiting(machine, since: at(0)) <= .milliseconds(500))
    }

    @Test mutating func anIdleConnectionThatTheServerClosesStaysClosedUntilThereIsWork() {
        var machine = online()
        #expect(machine.closed(1, cause: "idle", hasWork: false, now: at(5), random: &random))
        #expect(machine.state == .idle)
        #expect(machine.deadline == nil)
        #expect(machine.tick(now: at(.seconds(3600))) == [])
        #expect(machine.work(now: at(.seconds(3600))) == [.connect(2)])
        #expect(machine.work(now: at(.seconds(3600))) == [])
    }

    @Test mutating func aConnectionThatNeverOpenedIsTriedAgainEvenWithoutWork() {
        var machine = ConnectionMachine(now: at(0))
        _ = machine.login(now: at(0))
        _ = machine.closed(1, cause: "refused", hasWork: false, now: at(0), random: &random)
        #expect(machine.deadline != nil)
    }

    @Test mutating func hurryEndsAWaitAndStartsTheWaitsAnew() throws {
        var machine = ConnectionMachine(now: at(0))
        _ = machine.login(now: at(0))
        for attempt in 1...8 {
            _ = machine.closed(attempt, cause: "refused", hasWork: true, now: at(0), random: &random)
            if attempt < 8 { _ = machine.tick(now: at(.seconds(60))) }
        }
        #expect(machine.hurry(now: at(1)) == [.connect(9)])
        #expect(machine.hurry(now: at(1)) == [], "it is being opened")
        _ = machine.closed(9, cause: "refused", hasWork: true, now: at(2), random: &random)
        #expect(try waiting(machine, since: at(2)) <= .milliseconds(500))
    }

    @Test mutating func aRefusedTokenStopsEverythingUntilALogin() {
        var machine = online()
        #expect(machine.refuse(cause: "1010", now: at(1)) == [.close(1)])
        #expect(machine.state == .refused)
        #expect(machine.cause == "1010")
        #expect(machine.tick(now: at(.seconds(999))) == [])
        #expect(machine.work(now: at(.seconds(999))) == [])
        #expect(machine.hurry(now: at(.seconds(999))) == [])
        #expect(machine.closed(1, cause: "late", hasWork: true, now: at(2), random: &random) == false)
        #expect(machine.login(now: at(.seconds(999))) == [.connect(2)])
    }

    @Test mutating func aServerThatMisbehavesIsClosedAndTriedAgainAfterAWait() {
        var machine = online()
        #expect(machine.giveUp(cause: "silent", now: at(0), random: &random) == [.close(1)])
        #expect(machine.deadline != nil)
        #expect(machine.giveUp(cause: "silent", now: at(0), random: &random) == [], "there is nothing to give up")
        #expect(machine.cause == "silent")
    }

    @Test mutating func whyThereIsNoServerIsToldUntilThereIsOne() throws {
        var machine = online()
        _ = machine.giveUp(cause: "silent", now: at(10), random: &random)
        _ = machine.tick(now: try #require(machine.deadline))
        #expect(machine.opened(2, now: at(.seconds(2))) == true)
        #expect(machine.cause == "silent")
        #expect(machine.since == at(10))
        machine.heard(now: at(.seconds(3)))
        #expect(machine.cause == nil)
        #expect(machine.since == at(.seconds(3)))
    }

    @Test mutating func sinceIsWhenItWentOffNotWhenItLastTried() {
        var machine = online()
        _ = machine.closed(1, cause: "reset", hasWork: true, now: at(10), random: &random)
        _ = machine.tick(now: at(.seconds(60)))
        _ = machine.closed(2, cause: "refused", hasWork: true, now: at(.seconds(61)), random: &random)
        #expect(machine.since == at(10))
        #expect(machine.cause == "refused")
    }
}

/// Waits that double up to a longest one.
@Suite struct BackoffTests {
    @Test func eachWaitIsFromTheUpperHalfOfTwiceTheLast() {
        for seed in UInt64(0)..<200 {
            var random = SeededRandom(seed: seed)
            var backoff = Backoff(first: .seconds(1), longest: .seconds(10))
            for ceiling in [1, 2, 4, 8, 10, 10, 10] as [Int64] {
                let wait = backoff.next(using: &random)
                #expect(wait >= .milliseconds(500 * ceiling) && wait <= .seconds(ceiling))
            }
        }
    }

    @Test func agentsThatFailTogetherDoNotComeBackTogether() {
        var waits: Set<Duration> = []
        for seed in UInt64(0)..<100 {
            var random = SeededRandom(seed: seed)
            var backoff = Backoff(first: .seconds(1), longest: .seconds(10))
            waits.insert(backoff.next(using: &random))
        }
        #expect(waits.count > 90)
    }

    @Test func aResetBeginsWithTheFirstWait() {
        var random = SeededRandom(seed: 5)
        var backoff = Backoff(first: .seconds(1), longest: .seconds(60))
        for _ in 0..<5 { _ = backoff.next(using: &random) }
        #expect(backoff.attempts == 5)
        backoff.reset()
        #expect(backoff.next(using: &random) <= .seconds(1))
    }

    @Test func aThousandAttemptsStayAtTheLongestWait() {
        var random = SeededRandom(seed: 6)
        var backoff = Backoff(first: .nanoseconds(1), longest: .seconds(60))
        for _ in 0..<1000 { #expect(backoff.next(using: &random) <= .seconds(60)) }
        #expect(backoff.next(using: &random) >= .seconds(30))
    }
}

import AvatarCore
import ServerRuntime
import ServerStores
import Synchronization
import Testing
import TransferMachines

/// The pool of connections to one service, on a clock that the test sets.
@Suite struct ConnectionPoolTests {
    private let service = FakeService()

    @Test func aServiceThatHangsCostsOneCallPerPause() {
        let pool = service.pool()
        service.answerTakes(.seconds(2), fails: true)
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(service.calls == 1)
        for _ in 0..<10 { #expect(throws: StoreError.self) { try ask(pool) } }
        #expect(service.calls == 1)
        #expect(pool.failure == "no answer")
        service.pass(Limits.Cluster.pauseAfterHang)
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(service.calls == 2)
        for _ in 0..<10 { #expect(throws: StoreError.self) { try ask(pool) } }
        #expect(service.calls == 2)
        service.answerTakes(.zero, fails: false)
        service.pass(Limits.Cluster.pauseAfterHang)
        for _ in 0..<3 { #expect(throws: Never.self) { try ask(pool) } }
        #expect(pool.failure == nil)
        #expect(service.connects == 3)
    }

    /// A connection that hangs is not tried again on a new one: that would take as long once more.
    @Test func anIdleConnectionThatHangsCostsOneWaitAndNotTwo() throws {
        let pool = service.pool()
        try ask(pool)
        service.answerTakes(.seconds(2), fails: true)
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(service.calls == 2)
        #expect(service.connects == 1)
    }

    @Test func anIdleConnectionThatTheServiceHasClosedIsReplacedAtOnce() throws {
        let pool = service.pool()
        try ask(pool)
        service.closeAll()
        try ask(pool)
        #expect(service.connects == 2)
        #expect(pool.failure == nil)
    }

    @Test func aServiceThatRefusesIsTriedAgainSoon() {
        let pool = service.pool()
        service.refuse(true)
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(service.connects == 1)
        service.refuse(false)
        service.pass(Limits.Cluster.pauseAfterRefusal)
        #expect(throws: Never.self) { try ask(pool) }
        #expect(pool.failure == nil)
    }

    /// An error that the service itself gives says that it is there.
    @Test func anErrorThatComesAtOnceKeepsNobodyFromAsking() {
        let pool = service.pool()
        service.answerTakes(.zero, fails: true)
        for _ in 0..<3 { #expect(throws: StoreError.self) { try ask(pool) } }
        #expect(service.calls == 3)
        #expect(pool.failure == nil)
    }

    /// The metrics read the pool's state on an event loop: closing connections must not hold the lock that they take.
    @Test func connectionsAreClosedAfterTheLockIsFree() throws {
        let pool = service.pool()
        try ask(pool)
        service.whenClosed { _ = pool.failure }
        service.closeAll()
        service.refuse(true)
        #expect(throws: StoreError.self) { try ask(pool) }
        #expect(service.closes == 1)
    }

    private func ask(_ pool: ConnectionPool<FakeService.Connection>) throws {
        try pool.with { (connection) throws(StoreError) in try connection.call() }
    }
}

private final class FakeService: Sendable {
    final class Connection: Sendable {
        let service: FakeService
        let generation: Int

        init(_ service: FakeService, _ generation: Int) {
            self.service = service
            self.generation = generation
        }

        func call() throws(StoreError) { try service.call(generation) }

        deinit { service.closed() }
    }

    private struct State {
        var now = MonotonicTime.zero
        var takes = Duration.zero
        var fails = false
        var refuses = false
        var generation = 0
        var calls = 0
        var connects = 0
        var closes = 0
        var whenClosed: @Sendable () -> Void = {}
    }

    private let state = Mutex(State())

    var calls: Int { state.withLock { $0.calls } }
    var connects: Int { state.withLock { $0.connects } }
    var closes: Int { state.withLock { $0.closes } }

    func pool() -> ConnectionPool<Connection> {
        ConnectionPool(
            clock: { [self] in state.withLock { $0.now } },
            connect: { [self] () throws(StoreError) in try connect() })
    }

    func answerTakes(_ duration: Duration, fails: Bool) {
        state.withLock {
            $0.takes = duration
            $0.fails = fails
        }
    }

    func refuse(_ refuses: Bool) { state.withLock { $0.refuses = refuses } }
    func pass(_ duration: Duration) { state.withLock { $0.now = $0.now + duration } }
    func closeAll() { state.withLock { $0.generation += 1 } }
    func whenClosed(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whenClosed = body } }

    private func connect() throws(StoreError) -> Connection {
        let generation = state.withLock { state -> Int? in
            state.connects += 1
            return state.refuses ? nil : state.generation
        }
        guard let generation else { throw StoreError(.unavailable, "refused") }
        return Connection(self, generation)
    }

    private func call(_ generation: Int) throws(StoreError) {
        let reason = state.withLock { state -> String? in
            guard generation == state.generation else { return "closed" }
            state.calls += 1
            state.now = state.now + state.takes
            return state.fails ? "no answer" : nil
        }
        if let reason { throw StoreError(.unavailable, reason) }
    }

    private func closed() {
        let body = state.withLock { state in
            state.closes += 1
            return state.whenClosed
        }
        body()
    }
}

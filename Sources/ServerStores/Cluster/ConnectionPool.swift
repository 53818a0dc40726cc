package import AvatarCore
internal import PosixFiles
package import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// Keeps connections to one service and lends each to one thread at a time. There are never more connections than threads that ask.
///
/// The pool drops a connection on which a call has failed. When that was an idle one, which the service may have closed long ago, the pool
/// connects and makes the call again at once: everything that the stores ask for has the same result when it is asked twice. When a
/// service refuses a connection or does not answer in time, a circuit breaker keeps the other threads from waiting for it too.
package final class ConnectionPool<Connection: Sendable>: Sendable {
    private struct State: Sendable {
        var idle: [Connection] = []
        var breaker = CircuitBreaker()
    }

    private let connect: @Sendable () throws(StoreError) -> Connection
    private let clock: @Sendable () -> MonotonicTime
    private let state = Mutex(State())

    /// - Parameter clock: how long calls take is measured with it.
    package init(
        clock: @escaping @Sendable () -> MonotonicTime = { SystemClock().now },
        connect: @escaping @Sendable () throws(StoreError) -> Connection
    ) {
        self.clock = clock
        self.connect = connect
    }

    /// Why the service cannot be reached, or nil while it can, as far as the last call knew. Never waits for the service.
    package var failure: String? { state.withLock { $0.breaker.failure } }

    /// Makes one call, or throws at once while the service is taken to be down.
    package func with<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        let (admission, idle) = state.withLock { state -> (CircuitBreaker.Admission, Connection?) in
            let admission = state.breaker.admit(now: clock())
            return (admission, admission == .ask ? state.idle.popLast() : nil)
        }
        if case .refuse(let reason) = admission { throw StoreError(.unavailable, reason) }
        if let idle {
            let begun = clock()
            do throws(StoreError) {
                return try run(idle, body)
            } catch {
                guard error.code == .unavailable else { throw error }
                // A connection that the service has closed fails at once: only then is another one worth the wait.
                guard clock() - begun < Limits.Cluster.hangs else {
                    throw failed(error, pause: Limits.Cluster.pauseAfterHang)
                }
            }
        }
        let begun = clock()
        let connection: Connection
        do throws(StoreError) {
            connection = try connect()
        } catch {
            let hangs = clock() - begun >= Limits.Cluster.hangs
            throw failed(error, pause: hangs ? Limits.Cluster.pauseAfterHang : Limits.Cluster.pauseAfterRefusal)
        }
        do throws(StoreError) {
            return try run(connection, body)
        } catch {
            guard error.code == .unavailable else { throw error }
            if clock() - begun >= Limits.Cluster.hangs { throw failed(error, pause: Limits.Cluster.pauseAfterHang) }
            // The service has answered, be it with an error: the next caller need not be kept from it.
            state.withLock { $0.breaker.succeeded() }
            throw error
        }
    }

    private func run<Value>(
        _ connection: Connection, _ body: (Connection) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        do throws(StoreError) {
            let value = try body(connection)
            giveBack(connection)
            return value
        } catch {
            if error.code != .unavailable { giveBack(connection) }
            throw error
        }
    }

    private func giveBack(_ connection: Connection) {
        state.withLock { state in
            state.breaker.succeeded()
            if state.idle.count < Limits.Server.workerThreads { state.idle.append(connection) }
        }
    }

    /// Tells the breaker that the service does not answer; the error to throw.
    private func failed(_ error: StoreError, pause: Duration) -> StoreError {
        let now = clock()
        // The idle connections lead to the same service. Closing them may take a while, so that it happens after the lock is free.
        let dropped = state.withLock { state -> [Connection] in
            defer { state.idle = [] }
            state.breaker.failed(now: now, reason: error.cause, pause: pause)
            return state.idle
        }
        withExtendedLifetime(dropped) {}
        return error
    }
}

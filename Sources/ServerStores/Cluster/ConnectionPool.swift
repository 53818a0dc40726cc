internal import AvatarCore
internal import Glibc
internal import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// Connections to one store, used by one thread at a time each. There are never more than threads that ask.
///
/// A connection that fails is dropped. When it was an old one, which the other side may have closed long ago, a new one is
/// tried at once: everything the stores ask for has the same result when it is asked twice.
final class ConnectionPool<Connection: Sendable>: Sendable {
    private struct State: Sendable {
        var idle: [Connection] = []
        var failedAt: Int64?
        var lastFailure = ""
    }

    private let name: String
    private let connect: @Sendable () throws(StoreError) -> Connection
    private let state = Mutex(State())

    init(_ name: String, connect: @escaping @Sendable () throws(StoreError) -> Connection) {
        self.name = name
        self.connect = connect
    }

    /// Why the store cannot be reached, or nil while it can, as far as the last call knew.
    var failure: String? { state.withLock { $0.failedAt == nil ? nil : $0.lastFailure } }

    func with<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        if let connection = state.withLock({ $0.idle.popLast() }) {
            do throws(StoreError) {
                return try run(connection, body)
            } catch {
                guard error.failure == .unavailable else { throw error }
            }
        }
        return try run(try fresh(), body)
    }

    private func run<Value>(
        _ connection: Connection, _ body: (Connection) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        do throws(StoreError) {
            let value = try body(connection)
            giveBack(connection)
            return value
        } catch {
            if error.failure != .unavailable { giveBack(connection) }
            throw error
        }
    }

    private func giveBack(_ connection: Connection) {
        state.withLock { state in
            state.failedAt = nil
            if state.idle.count < Limits.Server.workerThreads { state.idle.append(connection) }
        }
    }

    private func fresh() throws(StoreError) -> Connection {
        let now = milliseconds()
        let refusal = state.withLock { state -> String? in
            guard let failedAt = state.failedAt, now - failedAt < Limits.Cluster.retryMilliseconds else { return nil }
            return state.lastFailure
        }
        if let refusal { throw StoreError(.unavailable, refusal) }
        do throws(StoreError) {
            return try connect()
        } catch {
            state.withLock { state in
                // What was idle leads to the same dead end.
                state.idle = []
                state.failedAt = milliseconds()
                state.lastFailure = error.detail
            }
            throw error
        }
    }

    private func milliseconds() -> Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}

import Foundation
import Synchronization

/// Something did not happen in the time it was given.
struct TimedOut: Error, CustomStringConvertible {
    let what: String
    let waited: Duration
    var description: String { "waited \(waited) for: \(what)" }
}

/// How long a test waits for something that should come within a moment, on a machine with other things to do.
let patience = Duration.seconds(60)

/// Something that happens once, and that any number of tasks may await.
final class Occasion<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [Int: CheckedContinuation<Value, any Error>] = [:]
        var waiterCount = 0
    }

    private let state = Mutex(State())

    /// It happens; a second time is nothing.
    func happen(_ value: Value) {
        let waiters = state.withLock { state in
            guard state.value == nil else { return [CheckedContinuation<Value, any Error>]() }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// What happened, if it has.
    var value: Value? { state.withLock { $0.value } }

    /// Waits for it, at most so long.
    @discardableResult
    func wait(_ what: String, atMost limit: Duration = patience) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let (value, number) = state.withLock { state in
                state.waiterCount += 1
                if state.value == nil { state.waiters[state.waiterCount] = continuation }
                return (state.value, state.waiterCount)
            }
            if let value { return continuation.resume(returning: value) }
            let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) / 1e18
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { [self] in
                let waiter = state.withLock { $0.waiters.removeValue(forKey: number) }
                waiter?.resume(throwing: TimedOut(what: what, waited: limit))
            }
        }
    }
}

/// Runs `body`, which must heed its cancellation, and throws ``TimedOut`` when it takes longer than `limit`.
func within<Value: Sendable>(
    _ limit: Duration = patience, _ what: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw TimedOut(what: what, waited: limit)
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw TimedOut(what: what, waited: limit) }
        return value
    }
}

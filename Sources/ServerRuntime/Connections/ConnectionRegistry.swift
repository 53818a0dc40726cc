internal import AvatarCore
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Knows every open connection of one listening socket, so that a stop can reach them, and so that no more are accepted than
/// `connectionsMax`.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
        var whenRoom: (@Sendable () -> Void)?
        var whenClosed: (@Sendable () -> Void)?
        var whenEmpty: [@Sendable () -> Void] = []
    }

    private let connectionsMax: Int
    private let state = NIOLockedValueBox(State())

    init(connectionsMax: Int) { self.connectionsMax = connectionsMax }

    /// How many connections one turn of accepting may take; the bound is at least that.
    var acceptsInTurnMax: Int { max(1, min(Limits.Server.acceptsInTurnMax, connectionsMax)) }

    /// Takes a connection in, and out again when it closes. False while the server stops.
    func add(_ channel: any Channel) -> Bool {
        let id = ObjectIdentifier(channel)
        let isIn = state.withLockedValue { state in
            guard !state.isStopping else { return false }
            state.channels[id] = channel
            return true
        }
        guard isIn else { return false }
        channel.closeFuture.whenComplete { [self] _ in remove(id) }
        return true
    }

    /// Whether one more turn of accepting stays within the bound. If not, `whenRoom` is called once when it does.
    func hasRoom(_ whenRoom: @escaping @Sendable () -> Void) -> Bool {
        state.withLockedValue { state in
            if hasRoom(state) { return true }
            state.whenRoom = whenRoom
            return false
        }
    }

    /// Calls `whenClosed` once when the next connection has closed; only the last one that was given is called.
    func onNextClose(_ whenClosed: @escaping @Sendable () -> Void) {
        state.withLockedValue { state in state.whenClosed = whenClosed }
    }

    private func hasRoom(_ state: State) -> Bool { state.channels.count + acceptsInTurnMax <= connectionsMax }

    /// Lets no more in, tells every connection to finish, and calls `whenEmpty` when the last has gone.
    func stop(whenEmpty: @escaping @Sendable () -> Void) {
        let (channels, isEmpty) = state.withLockedValue { state in
            state.isStopping = true
            let isEmpty = state.channels.isEmpty
            if !isEmpty { state.whenEmpty.append(whenEmpty) }
            return (Array(state.channels.values), isEmpty)
        }
        if isEmpty { return whenEmpty() }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(StopServing()) }
    }

    /// Closes every connection that is still open.
    func closeAll() {
        for channel in state.withLockedValue({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    private func remove(_ id: ObjectIdentifier) {
        let calls = state.withLockedValue { state -> [@Sendable () -> Void] in
            state.channels.removeValue(forKey: id)
            var calls: [@Sendable () -> Void] = []
            if let whenClosed = state.whenClosed {
                state.whenClosed = nil
                calls.append(whenClosed)
            }
            if let whenRoom = state.whenRoom, hasRoom(state) {
                state.whenRoom = nil
                calls.append(whenRoom)
            }
            if state.channels.isEmpty {
                calls += state.whenEmpty
                state.whenEmpty = []
            }
            return calls
        }
        for call in calls { call() }
    }
}

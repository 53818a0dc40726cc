internal import AvatarCore
internal import NIOConcurrencyHelpers
internal import NIOCore

/// Every open connection, so that a stop can reach them, and so that no more are accepted than the bound allows.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
        var waiting: [@Sendable () -> Void] = []
        var whenEmpty: [@Sendable () -> Void] = []
    }

    private let state = NIOLockedValueBox(State())

    /// Takes a connection in; it goes by itself when it closes. False while the server stops.
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

    /// Runs `proceed` at once when there is room for another connection, else when there is.
    func whenRoom(_ proceed: @escaping @Sendable () -> Void) {
        let now = state.withLockedValue { state in
            guard state.channels.count >= Limits.Server.connectionsMax else { return true }
            state.waiting.append(proceed)
            return false
        }
        if now { proceed() }
    }

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

    /// Closes what has not finished in time.
    func closeAll() {
        for channel in state.withLockedValue({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    private func remove(_ id: ObjectIdentifier) {
        let calls = state.withLockedValue { state -> [@Sendable () -> Void] in
            state.channels.removeValue(forKey: id)
            var calls = state.waiting
            state.waiting = []
            if state.channels.isEmpty {
                calls += state.whenEmpty
                state.whenEmpty = []
            }
            return calls
        }
        for call in calls { call() }
    }
}

/// Stands on the listening socket and accepts only while there is room; the kernel's queue keeps the others.
final class AcceptGate: ChannelOutboundHandler {
    typealias OutboundIn = Never

    private let registry: ConnectionRegistry

    init(_ registry: ConnectionRegistry) { self.registry = registry }

    func read(context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        registry.whenRoom {
            if loop.inEventLoop { bound.value.read() } else { loop.execute { bound.value.read() } }
        }
    }
}

internal import AvatarCore
internal import Glibc
package import LabelBus
package import Logging
package import NIOCore
internal import NIOPosix
internal import PosixFiles
internal import ProgramSupport
internal import ServiceLifecycle
internal import Synchronization

/// Serves the label bus on a Unix socket for as long as its service group runs.
///
/// Only this process's own user is let in (SO_PEERCRED). At most ``Limits/Bus/connectionsMax`` clients are served at once, and
/// fewer where the process may not have that many descriptors; its soft limit is raised for them.
package final class BusServer: Service {
    private struct State {
        /// What clients connect to, before the bus runs.
        var descriptor: Int32?
        var place: SocketPlace?
        var listener: (any Channel)?
        /// Ends ``run()``.
        var ended: EventLoopPromise<Void>?
        var isStopped = false
    }

    private let state: Mutex<State>
    private let clients: BusClients
    private let group: any EventLoopGroup
    private let logger: Logger

    /// Serves `service` on `socket`, which accepts connections already.
    package init(
        socket: consuming BusSocket, service: any AgentService, info: ServiceInfo, logger: Logger,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        connectionsMax: Int? = nil
    ) {
        let (descriptor, place) = socket.release()
        state = Mutex(State(descriptor: descriptor, place: place))
        self.group = group
        self.logger = logger
        let wanted = connectionsMax ?? Limits.Bus.connectionsMax
        let limit = DescriptorLimit.raise(
            to: wanted + Limits.Bus.refusedConnectionsMax + Limits.Bus.otherDescriptors)
        clients = BusClients(
            dispatcher: CallDispatcher(service: service, info: info),
            connectionsMax: Self.connections(wanted: wanted, limit: limit ?? Limits.Bus.descriptorsUnknown),
            logger: logger)
    }

    /// Opens the socket at `path` (or takes the one that systemd handed over) and serves `service` on it.
    package convenience init(path: String, service: any AgentService, info: ServiceInfo, logger: Logger) throws {
        self.init(socket: try BusSocket.open(path: path), service: service, info: info, logger: logger)
    }

    deinit {
        // Never run: nobody else closes and unlinks.
        let (descriptor, place) = state.withLock { ($0.descriptor, $0.place) }
        if let descriptor {
            close(descriptor)
            place?.unlinkIfOurs()
        }
    }

    /// How many clients the bus may serve with `limit` descriptors. Some are kept back for the clients that are being refused and for
    /// everything else: without them `accept` would fail again and again without end.
    package static func connections(wanted: Int, limit: Int) -> Int {
        max(1, min(wanted, limit - Limits.Bus.refusedConnectionsMax - Limits.Bus.otherDescriptors))
    }

    /// How many clients are connected now.
    package var connectionCount: Int { clients.count }

    /// Where clients find the bus.
    var place: SocketPlace? { state.withLock { $0.place } }

    /// The place is let go of before its socket is unlinked, so that nobody misses the socket.
    private func takePlace() -> SocketPlace? {
        state.withLock { state in
            defer { state.place = nil }
            return state.place
        }
    }

    /// Serves until the group shuts down, the task is cancelled, or ``stop()``; then every client is closed, and the socket unlinked
    /// unless it was handed over.
    package func run() async throws {
        guard let descriptor = state.withLock({ $0.descriptor.take() }) else { return }
        defer { takePlace()?.unlinkIfOurs() }
        let ended = group.next().makePromise(of: Void.self)
        let listener = try await listen(descriptor, ended).get()
        let isStopped = state.withLock { state in
            (state.listener, state.ended) = (listener, ended)
            return state.isStopped
        }
        if isStopped { stop() }
        logger.debug("the label bus listens")
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await ended.futureResult.get()
            } onGracefulShutdown: {
                self.stop()
            }
        } onCancel: {
            stop()
        }
        await clients.closeAll()
    }

    /// Accepts no more clients, and lets ``run()`` come to its end.
    func stop() {
        let (listener, ended) = state.withLock { state in
            state.isStopped = true
            return (state.listener, state.ended)
        }
        listener?.close(promise: nil)
        ended?.succeed()
    }

    /// Accepts clients on another socket from here on, and no more on the one before, to whose path nobody gets any more. Clients that are
    /// connected stay. Called from a thread that may wait.
    func listenAnew(on socket: consuming BusSocket) throws {
        let (descriptor, place) = socket.release()
        guard let ended = state.withLock({ $0.ended }) else {
            close(descriptor)
            return
        }
        let listener = try listen(descriptor, ended).wait()
        let (earlier, isStopped) = state.withLock { state in
            defer { (state.listener, state.place) = (listener, place) }
            return (state.listener, state.isStopped)
        }
        earlier?.close(promise: nil)
        if isStopped { stop() }
    }

    private func listen(_ descriptor: Int32, _ ended: EventLoopPromise<Void>) -> EventLoopFuture<any Channel> {
        let clients = clients
        return ServerBootstrap(group: group)
            // SwiftNIO listens once more, and would make the queue shorter.
            .serverChannelOption(.backlog, value: Limits.Bus.listenBacklog)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { clients.welcome($0) }
            .withBoundSocket(descriptor)
            .map { listener in
                listener.closeFuture.whenComplete { [weak self] _ in self?.closed(listener, ended) }
                return listener
            }
    }

    /// A listener that closed although nobody asked for it ends the bus, unless another has taken its place.
    private func closed(_ listener: any Channel, _ ended: EventLoopPromise<Void>) {
        if state.withLock({ $0.listener === listener }) { ended.succeed() }
    }
}

internal import AvatarCore
internal import Glibc
package import LabelBus
package import Logging
package import NIOCore
internal import NIOPosix
internal import ProgramSupport
internal import ServiceLifecycle
internal import Synchronization

/// Serves the label bus on a Unix socket for as long as its service group runs.
///
/// Only this process's own user is let in (SO_PEERCRED). At most ``Limits/Bus/connectionsMax`` clients are served at once, and
/// fewer where the process may not have that many descriptors; its soft limit is raised for them.
package final class BusServer: Service {
    private let socket: Mutex<(descriptor: Int32, name: SocketName?)?>
    private let clients: BusClients
    private let group: any EventLoopGroup
    private let logger: Logger

    /// Serves `service` on `socket`, which accepts connections already.
    package init(
        socket: consuming BusSocket, service: any AgentService, info: ServiceInfo, logger: Logger,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        connectionsMax: Int? = nil
    ) {
        self.socket = Mutex(socket.release())
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
        if let socket = socket.withLock({ $0.take() }) {
            close(socket.descriptor)
            socket.name?.unlinkIfOurs()
        }
    }

    /// How many clients the bus may serve with `limit` descriptors. Some are kept back for the clients that are being refused and for
    /// everything else: without them `accept` would fail again and again without end.
    package static func connections(wanted: Int, limit: Int) -> Int {
        max(1, min(wanted, limit - Limits.Bus.refusedConnectionsMax - Limits.Bus.otherDescriptors))
    }

    /// How many clients are connected now.
    package var connectionCount: Int { clients.count }

    /// Serves until the group shuts down or the task is cancelled; then every client is closed, and the socket unlinked
    /// unless it was handed over.
    package func run() async throws {
        guard let (descriptor, name) = socket.withLock({ $0.take() }) else { return }
        defer { name?.unlinkIfOurs() }
        let clients = clients
        let listener = try await ServerBootstrap(group: group)
            // SwiftNIO listens once more, and would make the queue shorter.
            .serverChannelOption(.backlog, value: Limits.Bus.listenBacklog)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { clients.welcome($0) }
            .withBoundSocket(descriptor).get()
        logger.debug("the label bus listens")
        try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                try await listener.closeFuture.get()
            } onGracefulShutdown: {
                listener.close(promise: nil)
            }
        } onCancel: {
            listener.close(promise: nil)
        }
        await clients.closeAll()
    }
}

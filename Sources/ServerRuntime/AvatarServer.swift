import AvatarCore
internal import Glibc
package import Logging
package import NIOCore
internal import NIOPosix
internal import PosixFiles
package import ProgramSupport
import ServiceLifecycle
internal import Synchronization
package import TransferMachines

/// The resource server: a listening socket, its connections, and the workers behind them.
///
/// ```swift
/// let server = AvatarServer(settings, stores: stores, logger: logger)
/// let address = try await server.start()
/// ...
/// await server.stop()
/// ```
/// As a `Service` it runs until its service group shuts down.
package final class AvatarServer: Service {
    private let settings: ServerSettings
    /// What is in force now.
    private let running: Mutex<ServerSettings>
    private let uploads: UploadSettings
    private let stores: Stores
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let timeouts: ServerSession.Timeouts
    private let queue = WorkQueue(threadCount: Limits.Server.workerThreads)
    private let quota = QuotaLedger()
    private let whole = WholeUploads()
    private let logins = RecentLogins()
    private let registry: ConnectionRegistry
    private let descriptors: DescriptorBudget
    private let whenListening: @Sendable (SocketAddress) throws -> Void
    private let listener = Mutex<(any Channel)?>(nil)
    private let metricsListener = Mutex<(any Channel)?>(nil)
    private let isStopped = Mutex(false)

    /// The port that serves the metrics; nil before the server has started, and where no port is configured.
    package var metricsPort: Int? { metricsListener.withLock { $0?.localAddress?.port } }

    /// The same files, rules and workers for another front.
    package var avatars: AvatarService {
        AvatarService(stores: stores, queue: queue, upload: uploads, quota: quota, whole: whole, logins: logins)
    }

    /// What the server counts about itself.
    package let metrics = ServerMetrics()

    /// - Parameters:
    ///   - descriptors: how many connections and open files the server may have.
    ///   - timeouts: shorter in tests.
    ///   - whenListening: called once with the bound address, before the first connection is served.
    package init(
        _ settings: ServerSettings, stores: Stores, descriptors: DescriptorBudget = .init(limit: .max), logger: Logger,
        timeouts: ServerSession.Timeouts = .init(),
        whenListening: @escaping @Sendable (SocketAddress) throws -> Void = { _ in }
    ) {
        self.settings = settings
        running = Mutex(settings)
        uploads = UploadSettings(settings.upload)
        self.stores = stores
        self.descriptors = descriptors
        registry = ConnectionRegistry(connectionsMax: descriptors.connections)
        self.logger = logger
        self.timeouts = timeouts
        self.whenListening = whenListening
        group = MultiThreadedEventLoopGroup(numberOfThreads: min(System.coreCount, 4))
    }

    /// Serves until asked to stop.
    package func run() async throws {
        do {
            _ = try await start()
        } catch {
            await stop()
            throw error
        }
        try? await gracefulShutdown()
        await stop()
    }

    /// Begins to listen.
    ///
    /// - Returns: the bound address.
    package func start() async throws -> SocketAddress {
        queue.start()
        let swept = try stores.files.removeStaleParts()
        if swept > 0 { logger.info("removed parts of uploads that nobody finished", metadata: ["count": "\(swept)"]) }
        if let port = settings.metricsPort {
            let (metrics, stores, queue) = (metrics, stores, queue)
            let pages = MetricsPages {
                metrics.prometheusText(health: stores.health())
            } faults: { tell in
                queue.submit(nil, .read) {
                    tell(stores.probe().compactMap { probe in probe.problem.map { "\(probe.service): \($0)" } })
                }
            }
            let host = settings.metricsHost
            let channel = try await ListenFault.wrapping(host, port) {
                try await MetricsHandler.bind(host: host, port: port, group: group, logger: logger, pages: pages)
            }
            metricsListener.withLock { $0 = channel }
        }
        let channel = try await ListenFault.wrapping(settings.listenHost, settings.listenPort) { try await bind() }
        listener.withLock { $0 = channel }
        guard let address = channel.localAddress else { throw ChannelError.unknownLocalAddress }
        try whenListening(address)
        return address
    }

    /// Takes over what takes effect at once, from the next request on; everything that is another value now.
    package func reload(_ new: ServerSettings) -> [ConfigurationChange<ServerKey>] {
        running.withLock { running in
            let changes = running.changes(to: new)
            running = running.taking(new)
            uploads.set(running.upload)
            return changes
        }
    }

    /// Takes no more connections and requests, answers the requests in flight within ``AvatarCore/Limits/Server/stopGrace``, and closes
    /// everything. Only the first call does so.
    package func stop() async {
        let isFirst = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        try? await listener.withLock { $0 }?.close()
        try? await metricsListener.withLock { $0 }?.close()
        let registry = registry
        let grace = group.next().scheduleTask(in: .nanoseconds(Limits.Server.stopGrace.wholeNanoseconds)) {
            registry.closeAll()
        }
        await withCheckedContinuation { continuation in registry.stop { continuation.resume() } }
        grace.cancel()
        // Every connection is closed. A worker that still writes a chunk finishes it.
        try? await queue.stop()
        try? await group.shutdownGracefully()
    }

    /// The sizes of read buffers. An idle connection keeps the buffer of its last read, so that buffers begin small: a request for a chunk
    /// has some 200 bytes. The buffer of a client that sends more fits after a few reads.
    private static var receiveBuffers: AdaptiveRecvByteBufferAllocator {
        let sizes = Limits.Server.receiveBufferBytes
        return AdaptiveRecvByteBufferAllocator(
            minimum: sizes.lowerBound, initial: sizes.lowerBound, maximum: sizes.upperBound)
    }

    private func bind() async throws -> any Channel {
        let service = ClassicService(
            stores: stores, upload: uploads, quota: quota, chunkBytes: Int64(settings.classicChunkBytes),
            bodyBytesMax: settings.classicBodyBytesMax, logger: logger)
        let shared = ConnectionResources(
            queue: queue, metrics: metrics, openFiles: OpenFileBudget(filesMax: descriptors.downloads))
        let (registry, logger, timeouts) = (registry, logger, timeouts)
        let bodyBytesMax = settings.classicBodyBytesMax
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: CInt(Limits.Server.listenBacklog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: UInt(registry.acceptsInTurnMax))
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(registry, logger: logger))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.recvAllocator, value: Self.receiveBuffers)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionHandler(
                            on: channel.eventLoop, service: service, shared: shared, timeouts: timeouts,
                            bodyBytesMax: bodyBytesMax, logger: logger, clock: { SystemClock().now }))
                }
            }
            .bind(host: settings.listenHost, port: settings.listenPort)
            .get()
    }
}

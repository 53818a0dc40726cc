internal import AgentRuntime
internal import Glibc
internal import LabelBus
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
internal import UnixSignals

/// Nanoseconds on the clock that every process of the machine shares (clock_gettime(2)).
func monotonicNanoseconds() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The least that an agent can be: it answers from memory, and `Pause` tells every subscriber at once, with the time of it
/// in the path.
final class BenchAgent: AgentService {
    private let subscribers = Mutex<[ReplyStream.ID: ReplyStream]>([:])

    func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream) {
        switch call {
        case .get(let parameters):
            reply.send(
                .avatar(avatar(parameters.name, path: "/home/user/avatars/\(parameters.name)")), continues: false)
        case .register(let parameters):
            if more { subscribers.withLock { $0[reply.id] = reply } }
            let states = parameters.labels.map {
                LabelState(label: $0.label, avatar: avatar($0.name ?? "", path: nil))
            }
            reply.send(.register(RegisterReply(labels: states, synced: true)), continues: true)
        case .pause:
            publish()
            reply.send(.done, continues: false)
        case .status:
            reply.send(
                .status(
                    StatusReply(
                        version: "1", connection: "offline", since: "2026-01-01T00:00:00Z", downloads: 0, uploads: 0,
                        labels: subscribers.withLock { $0.count }, cached: 0, bytes: 0, figures: [:])),
                continues: false)
        default: reply.fail(.methodNotImplemented(method: call.method))
        }
    }

    func hungUp(_ stream: ReplyStream.ID) { subscribers.withLock { $0[stream] = nil } }

    private func publish() {
        let streams = subscribers.withLock { Array($0.values) }
        let state = LabelState(label: "peer", avatar: avatar("a.png", path: "/\(monotonicNanoseconds())"))
        let reply = EncodedReply(.register(RegisterReply(labels: [state])))
        for stream in streams { stream.send(reply, continues: true) }
    }

    private func avatar(_ name: String, path: String?) -> Avatar {
        Avatar(
            name: name, state: path == nil ? .pending : .ready, path: path, fallback: "/usr/share/avatard/head.png",
            size: 20_480, generation: 1)
    }
}

/// A server without a protocol, as the floor: it cuts messages at their NULs, and each goes back as it came.
private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var frames = FrameBuffer(messageBytesMax: 1 << 20)

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var read = unwrapInboundIn(data)
        frames.append(&read)
        while let message = try? frames.next() {
            context.write(wrapOutboundOut(ByteBuffer(bytes: message + [0])), promise: nil)
        }
        context.flush()
    }
}

/// The process that is measured: the bus at `path`, the echo at `path`.echo, all on one event loop.
func serve(_ path: String) async throws {
    let logger = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let server = BusServer(
        socket: try BusSocket.open(path: path), service: BenchAgent(), info: ServiceInfo(version: "1"), logger: logger,
        group: group)
    let echo = try await ServerBootstrap(group: group)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
        }
        .bind(unixDomainSocketPath: path + ".echo", cleanupExistingSocketFile: true).get()
    let services = ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    try await services.run()
    try await echo.close()
    unlink(path + ".echo")
}

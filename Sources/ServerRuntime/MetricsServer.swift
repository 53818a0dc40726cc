internal import AvatarCore
internal import Logging
internal import NIOCore
internal import NIOPosix

/// What the metrics port shows.
struct MetricsPages: Sendable {
    /// Prometheus' text. Does not wait.
    let metrics: @Sendable () -> String
    /// Asks the stores now, on another thread, and hands over one line for each that does not answer.
    let faults: @Sendable (@escaping @Sendable ([String]) -> Void) -> Void

    /// Answers a request for `path` through `reply`, which is called once and from any thread.
    func answer(_ method: Substring, _ path: Substring, _ reply: @escaping @Sendable (MetricsReply) -> Void) {
        guard method == "GET" || method == "HEAD" else {
            return reply(MetricsReply(.notAllowed, "only GET and HEAD are answered\n"))
        }
        switch path.prefix(while: { $0 != "?" }) {
        case "/metrics": reply(MetricsReply(.ok, metrics(), contentType: MetricsReply.prometheus))
        case "/healthz": reply(MetricsReply(.ok, "ok\n"))
        case "/readyz":
            faults { lines in
                let text = lines.isEmpty ? "ready" : lines.joined(separator: "\n")
                reply(MetricsReply(lines.isEmpty ? .ok : .unavailable, text + "\n"))
            }
        default: reply(MetricsReply(.notFound, "there are /metrics, /healthz and /readyz\n"))
        }
    }
}

/// One HTTP response, after which the connection is closed.
struct MetricsReply: Sendable {
    enum Status: String {
        case ok = "200 OK"
        case notFound = "404 Not Found"
        case notAllowed = "405 Method Not Allowed"
        case unavailable = "503 Service Unavailable"
    }

    static let prometheus = "text/plain; version=0.0.4; charset=utf-8"

    private let status: Status
    private let contentType: String
    private let body: String

    init(_ status: Status, _ body: String, contentType: String = "text/plain; charset=utf-8") {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// - Parameter withBody: false for HEAD, whose head still has the length.
    func bytes(withBody: Bool) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeString("HTTP/1.1 \(status.rawValue)\r\nContent-Type: \(contentType)\r\n")
        if status == .notAllowed { bytes.writeString("Allow: GET, HEAD\r\n") }
        bytes.writeString(
            "Content-Length: \(body.utf8.count)\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
        if withBody { bytes.writeString(body) }
        return bytes
    }
}

/// Answers one HTTP request on a loopback port and closes the connection, which is all that Prometheus and a monitor need.
///
/// The handler reads the head of a request and knows a few pages; a whole HTTP server would have more to get wrong.
final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// Bytes of the head of a request; a connection that sends more is closed.
    private static let headBytesMax = 8192

    private let pages: MetricsPages
    private var head = ByteBuffer()
    private var isAnswered = false

    init(_ pages: MetricsPages) { self.pages = pages }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        head.writeImmutableBuffer(unwrapInboundIn(data))
        guard head.readableBytes <= Self.headBytesMax else { return context.close(promise: nil) }
        guard head.readableBytesView.ends(with: Array("\r\n\r\n".utf8)) else { return }
        isAnswered = true
        let line = String(buffer: head).prefix { $0 != "\r\n" && $0 != "\r" }
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return context.close(promise: nil) }
        let channel = context.channel
        let hasBody = words[0] != "HEAD"
        pages.answer(words[0], words[1]) { reply in
            channel.writeAndFlush(reply.bytes(withBody: hasBody)).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Listens on the loopback only, because the metrics are for this machine.
    static func bind(
        host: String, port: Int, group: any EventLoopGroup, logger: Logger, pages: MetricsPages
    ) async throws -> any Channel {
        let registry = ConnectionRegistry(connectionsMax: Limits.Server.metricsConnectionsMax)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: UInt(registry.acceptsInTurnMax))
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(registry, logger: logger))
                }
            }
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        IdleStateHandler(allTimeout: .seconds(10)), IdleCloser(), MetricsHandler(pages),
                    ])
                }
            }
            .bind(host: host, port: port)
            .get()
    }
}

extension ByteBufferView {
    fileprivate func ends(with bytes: [UInt8]) -> Bool {
        count >= bytes.count && suffix(bytes.count).elementsEqual(bytes)
    }
}

/// Closes a connection on which nothing has come or gone for a while.
private final class IdleCloser: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}

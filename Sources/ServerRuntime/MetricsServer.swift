internal import AvatarCore
internal import Logging
internal import NIOCore
internal import NIOPosix

/// Answers an HTTP request on a loopback port with the metrics and closes the connection, which is all that Prometheus needs.
///
/// The handler reads the head of a request and knows one page; a whole HTTP server would have more to get wrong.
final class MetricsHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Bytes of the head of a request; a connection that sends more is closed.
    private static let headBytesMax = 8192

    private let text: @Sendable () -> String
    private var head = ByteBuffer()

    init(_ text: @escaping @Sendable () -> String) { self.text = text }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        head.writeImmutableBuffer(unwrapInboundIn(data))
        guard head.readableBytes <= Self.headBytesMax else { return context.close(promise: nil) }
        guard head.readableBytesView.ends(with: Array("\r\n\r\n".utf8)) else { return }
        let isKnown = String(buffer: head).hasPrefix("GET /metrics ")
        let body = isKnown ? text() : "the metrics are at /metrics\n"
        var reply = ByteBuffer()
        reply.writeString(
            "HTTP/1.1 \(isKnown ? "200 OK" : "404 Not Found")\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n")
        reply.writeString(body)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(reply)).whenComplete { _ in channel.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Listens on the loopback only, because the metrics are for this machine.
    static func bind(
        host: String, port: Int, group: any EventLoopGroup, logger: Logger, text: @escaping @Sendable () -> String
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
                        IdleStateHandler(allTimeout: .seconds(10)), IdleCloser(), MetricsHandler(text),
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

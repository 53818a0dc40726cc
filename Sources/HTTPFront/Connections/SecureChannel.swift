internal import AvatarCore
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP2
internal import NIOSSL
internal import NIOTLS

/// A connection over TLS: HTTP/2 or HTTP/1.1, as ALPN decides.
///
/// Hummingbird's own channel for this offers the windows of RFC 9113's beginning, which make a client at a distance wait for each 64 KiB.
struct SecureChannel: ServerChildChannel {
    typealias Exchange = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>
    typealias Streams = NIOHTTP2Handler.AsyncStreamMultiplexer<Exchange>

    struct Value: ServerChildChannelValue {
        let version: EventLoopFuture<NIONegotiatedHTTPVersion<Exchange, Streams>>
        let channel: any Channel
    }

    private let certificate: ServedCertificate
    private let http1: PlainChannel

    init(_ certificate: ServedCertificate, _ http1: PlainChannel) {
        self.certificate = certificate
        self.http1 = http1
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificate.context))
        }.flatMap {
            channel.configureHTTP2AsyncSecureUpgrade { channel in
                http1.setup(channel: channel, logger: logger)
            } http2ConnectionInitializer: { channel in
                setUpStreams(channel, logger)
            }
        }.map { version in
            let late = channel.eventLoop.scheduleTask(in: .seconds(Limits.HTTP.handshakeSeconds)) {
                channel.close(promise: nil)
            }
            version.whenComplete { _ in late.cancel() }
            return Value(version: version, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.version.get() {
            case .http1_1(let exchange): await http1.handle(value: exchange, logger: logger)
            case .http2(let streams):
                try await withThrowingDiscardingTaskGroup { tasks in
                    for try await exchange in streams.inbound {
                        tasks.addTask { await http1.handle(value: exchange, logger: logger) }
                    }
                }
            }
        } catch {
            logger.debug("a connection ended", metadata: ["cause": "\(error)"])
        }
    }

    private func setUpStreams(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<Streams> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            let bounds = http1.bounds
            let idle = TimeAmount.seconds(Limits.HTTP.idleSeconds)
            let manager = NIOHTTP2ServerConnectionManagementHandler(
                eventLoop: channel.eventLoop,
                configuration: .init(maxIdleTime: idle, maxAge: nil, maxGraceTime: nil, keepalive: nil))
            let streams = try pipeline.configureAsyncHTTP2Pipeline(
                mode: .server, streamDelegate: manager.http2StreamDelegate, frameDelegate: ClosesBehindFaults(channel),
                configuration: Self.configuration
            ) { stream in
                stream.eventLoop.makeCompletedFuture {
                    try stream.pipeline.syncOperations.addHandlers([
                        StreamEnd(), HTTP2FramePayloadToHTTPServerCodec(),
                        ExchangeGuard(bounds, isStream: true),
                        HTTPConnectionStateHandler(idleTimeout: .seconds(Limits.HTTP.idleSeconds), logger: logger),
                    ])
                    return try Exchange(wrappingChannelSynchronously: stream)
                }
            }
            try pipeline.addHandler(manager)
            try pipeline.addHandler(ClosesWithItsClient())
            // The channel has been active since before the handshake, and the manager begins its time with the news of it.
            let context = try pipeline.context(handler: manager)
            manager.channelActive(context: context)
            // NIO widens the connection's window when the first bytes have come, which would cost a client its first round trip.
            let wider = Limits.HTTP.connectionWindowBytes - Self.firstConnectionWindowBytes
            context.writeAndFlush(
                NIOAny(HTTP2Frame(streamID: .rootStream, payload: .windowUpdate(windowSizeIncrement: wider))),
                promise: nil)
            return streams
        }
    }

    /// What every connection begins with (RFC 9113, 6.9.2).
    private static let firstConnectionWindowBytes = 65_535

    private static var configuration: NIOHTTP2Handler.Configuration {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Limits.HTTP.streamsMax),
            HTTP2Setting(parameter: .initialWindowSize, value: Limits.HTTP.streamWindowBytes),
            HTTP2Setting(parameter: .maxHeaderListSize, value: Limits.HTTP.headBytesMax),
        ]
        configuration.connection.targetWindowSize = Limits.HTTP.connectionWindowBytes
        configuration.stream.targetWindowSize = Limits.HTTP.streamWindowBytes
        // Of what NIO bounds by default, this is what CVE-2023-44487 is about.
        configuration.stream.streamResetFrameRateLimit.maximumCount = Limits.HTTP.resetsMax
        configuration.stream.streamResetFrameRateLimit.windowLength = .seconds(Limits.HTTP.resetsWindowSeconds)
        return configuration
    }
}

/// Closes a connection whose client sends no more. Hummingbird keeps connections half open for HTTP/1.1; over TLS a client waits for the server's end.
private final class ClosesWithItsClient: ChannelInboundHandler {
    typealias InboundIn = Any

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}

/// Closes a connection behind a GOAWAY that tells its client of an error, which NIO leaves to whoever uses it.
private struct ClosesBehindFaults: NIOHTTP2FrameDelegate {
    private let channel: any Channel

    init(_ channel: any Channel) { self.channel = channel }

    func wroteFrame(_ frame: HTTP2Frame) {
        guard case .goAway(_, let code, _) = frame.payload, code != .noError else { return }
        // The frame leaves first.
        channel.eventLoop.execute { [channel] in channel.close(promise: nil) }
    }
}

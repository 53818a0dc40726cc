internal import AvatarCore
internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import ProgramSupport
internal import TransferMachines
internal import WireProtocol

/// One TCP connection to the resource server: frames in, frames out, nothing decided.
///
/// All of it runs on one event loop, the same as the agent's driver.
final class ServerConnection: ServerLink {
    /// The classic dialect tells neither version nor time.
    let facts = ServerFacts()
    private let account: Account
    private let channel: EventLoopFuture<any Channel>
    private let loop: any EventLoop

    /// Begins to connect; one of `opened` or `closed` follows, and `closed` exactly once in the end.
    init(_ account: Account, on loop: any EventLoop, events: LinkEvents) {
        (self.account, self.loop) = (account, loop)
        let (host, port) = (account.server.host, account.server.port)
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(Limits.Connection.connectTimeout.wholeNanoseconds))
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.keepAlive(TCP_KEEPIDLE), value: Int(Limits.Connection.keepAliveIdle.components.seconds))
            .channelOption(
                .keepAlive(TCP_KEEPINTVL), value: Int(Limits.Connection.keepAliveInterval.components.seconds)
            )
            .channelOption(.keepAlive(TCP_KEEPCNT), value: Limits.Connection.keepAliveProbes)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        ByteToMessageHandler(FrameDecoder(bodyBytesMax: Limits.Wire.replyBodyBytesMax)),
                        ReplyHandler(events: events))
                }
            }
        channel = bootstrap.connect(host: host, port: port)
        channel.whenComplete { result in
            switch result {
            case .success: events.opened([])
            case .failure(let error): events.closed(Self.words(for: error, host: host, port: port))
            }
        }
    }

    func send(_ request: ServerRequest) {
        guard let message = ClassicMapping.message(for: request, uid: account.uid, token: account.token) else { return }
        send(message)
    }

    func ask(_ question: ServerQuestion) {
        send(ClassicMapping.message(for: question, uid: account.uid, token: account.token))
    }

    private func send(_ message: ClassicRequest) {
        channel.whenSuccess { channel in
            var buffer = channel.allocator.buffer(capacity: 4096)
            message.encode(into: &buffer)
            channel.write(buffer, promise: nil)
        }
    }

    /// Hands what was sent to the kernel.
    func flush() { channel.whenSuccess { $0.flush() } }

    /// Closes it, or lets go of it once it is open. What the kernel has not sent yet is dropped: chunks of an upload that arrived after those of
    /// the next connection would be appended to them by the seed's server.
    @discardableResult
    func close() -> EventLoopFuture<Void> {
        channel.whenSuccess { channel in
            (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in
                channel.close(promise: nil)
            } ?? channel.close(promise: nil)
        }
        return loop.makeSucceededVoidFuture()
    }

    private static func words(for error: any Error, host: String, port: Int) -> String {
        let words = ErrorWords.text(error)
        // A host that cannot be found is named by the words.
        if let failure = error as? NIOConnectionError, failure.connectionErrors.isEmpty { return words }
        return "\(HostPort.text(host: host, port: port)): \(words)"
    }
}

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    /// One of tcp(7)'s options for probing a silent peer.
    fileprivate static func keepAlive(_ option: CInt) -> ChannelOptions.Types.SocketOption {
        .tcpOption(NIOBSDSocket.Option(rawValue: option))
    }
}

/// Turns frames into replies, and the end of the connection into one `closed`.
private final class ReplyHandler: ChannelInboundHandler {
    typealias InboundIn = Frame

    private let events: LinkEvents
    private var cause = "the server closed the connection"
    private var wasActive = false
    /// What has come since the driver was told last.
    private var replies: [ServerReply.Kind] = []

    init(events: LinkEvents) { self.events = events }

    func channelActive(context: ChannelHandlerContext) {
        wasActive = true
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let kind = ClassicMapping.reply(from: unwrapInboundIn(data)) { replies.append(kind) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        tellReplies()
        context.fireChannelReadComplete()
    }

    private func tellReplies() {
        guard !replies.isEmpty else { return }
        let kinds = replies
        replies.removeAll(keepingCapacity: true)
        events.replied(kinds)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        cause = ErrorWords.text(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        tellReplies()
        if wasActive { events.closed(cause) }
        context.fireChannelInactive()
    }
}

import Foundation
import NIOCore
import NIOPosix
import WireProtocol

/// Many connections at once, on one event loop.
final class Crowd {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// Connects `count` clients; each has shown its token by asking for the first chunk of `name`.
    func connect(_ count: Int, _ account: (Int) -> Account, name: String) throws -> [any Channel] {
        var channels: [any Channel] = []
        // No more at once than the listen queue holds.
        for batch in (0..<count).map(account).chunked(256) {
            let members = batch.map { account in
                let isIn = group.any().makePromise(of: Void.self)
                let bootstrap = ClientBootstrap(group: group)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                CrowdMember(account, name: name, isIn: isIn))
                        }
                    }
                return bootstrap.connect(host: "127.0.0.1", port: account.port).flatMap { channel in
                    isIn.futureResult.map { channel }
                }
            }
            channels += try EventLoopFuture.whenAllSucceed(members, on: group.any()).wait()
        }
        return channels
    }

    /// Lets every client fetch its whole file, waiting for each reply; how long each chunk took, in nanoseconds.
    func fetch(_ channels: [any Channel]) throws -> [Int64] {
        let fetches = channels.map { channel in
            let done = channel.eventLoop.makePromise(of: [Int64].self)
            channel.pipeline.fireUserInboundEventTriggered(CrowdMember.Fetch(done: done))
            return done.futureResult
        }
        return try EventLoopFuture.whenAllSucceed(fetches, on: group.any()).wait().flatMap { $0 }
    }

    func close(_ channels: [any Channel]) throws {
        try EventLoopFuture.whenAllComplete(channels.map { $0.close() }, on: group.any()).map { _ in }.wait()
        try group.syncShutdownGracefully()
    }
}

/// One of them.
private final class CrowdMember: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Fetch: Sendable { let done: EventLoopPromise<[Int64]> }
    struct Refused: Error { let error: Int? }

    private let account: Account
    private let name: String
    private let isIn: EventLoopPromise<Void>
    private var fetch: Fetch?
    private var unread = ByteBuffer()
    private var decoder = FrameDecoder(bodyBytesMax: 8 * 1024 * 1024)
    private var seq: Int64 = 0
    private var askedAt = NIODeadline.uptimeNanoseconds(0)
    private var latencies: [Int64] = []

    init(_ account: Account, name: String, isIn: EventLoopPromise<Void>) {
        self.account = account
        self.name = name
        self.isIn = isIn
    }

    func channelActive(context: ChannelHandlerContext) { ask(1, context) }

    func channelInactive(context: ChannelHandlerContext) { fail(Refused(error: nil)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let fetch = event as? Fetch else { return }
        self.fetch = fetch
        ask(1, context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        unread.writeImmutableBuffer(unwrapInboundIn(data))
        do {
            while let frame = try decoder.decode(buffer: &unread) {
                guard case .download(let reply) = try ClassicReply.decode(frame), reply.error == 0 else {
                    throw Refused(error: nil)
                }
                take(reply, context)
            }
        } catch {
            fail(error)
            context.close(promise: nil)
        }
        if unread.readableBytes == 0 { unread.clear() } else { unread.discardReadBytes() }
    }

    private func take(_ reply: DownloadReply, _ context: ChannelHandlerContext) {
        guard let fetch else { return isIn.succeed(()) }
        latencies.append((NIODeadline.now() - askedAt).nanoseconds)
        if reply.isLast == true { fetch.done.succeed(latencies) } else { ask(seq + 1, context) }
    }

    private func ask(_ seq: Int64, _ context: ChannelHandlerContext) {
        self.seq = seq
        askedAt = NIODeadline.now()
        var buffer = ByteBuffer()
        account.request(name, seq).encode(into: &buffer)
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }

    private func fail(_ error: any Error) {
        isIn.fail(error)
        fetch?.done.fail(error)
    }
}

extension Array {
    fileprivate func chunked(_ size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}

import AvatarCore
import NIOCore
import NIOPosix
import Synchronization
import WireProtocol

/// A server that the test writes: it speaks the classic frames, and answers whatever its script says. The question that tells an avatar
/// server from another it answers like every other, where the script has nothing to say to it.
final class HostileServer: Sendable {
    /// What is sent for a request, frame by frame; none for silence.
    typealias Script = @Sendable (ClassicRequest, Int) -> [Answer]

    /// One thing to send.
    enum Answer: Sendable {
        /// A reply as an honest server encodes it.
        case reply(ClassicReply)
        /// These bytes.
        case raw([UInt8])
        /// Nothing more, ever, on this connection.
        case hangUp
    }

    private let channel: any Channel
    private let counter: Arrivals

    /// Listens on a free port. The script is given each request, and the number of the connection it came on, from 1.
    init(_ script: @escaping Script) async throws {
        let arrivals = Arrivals()
        counter = arrivals
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = arrivals.count()
                    try channel.pipeline.syncOperations.addHandlers(
                        ByteToMessageHandler(FrameDecoder(bodyBytesMax: 64 * 1024)),
                        ScriptHandler { script($0, number) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    /// Where it listens.
    var port: Int { channel.localAddress?.port ?? 0 }
    /// Connections that came.
    var connections: Int { counter.value }

    /// Listens no more.
    func close() async { try? await channel.close() }

    /// An honest answer to a request for a chunk of a picture.
    static func chunk(
        _ request: DownloadRequest, of bytes: [UInt8], chunkBytes: Int = 2048
    ) -> DownloadReply {
        let start = Int(request.seq - 1) * chunkBytes
        guard start >= 0, start < bytes.count else {
            return DownloadReply(
                error: ClassicError.progressLost.rawValue, name: request.name, clientPath: request.clientPath)
        }
        let end = min(start + chunkBytes, bytes.count)
        return DownloadReply(
            error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
            totalSize: Int64(bytes.count),
            currentSize: Int64(end), isLast: end == bytes.count, data: Array(bytes[start..<end]))
    }
}

private final class Arrivals: Sendable {
    private let number = Mutex(0)
    func count() -> Int {
        number.withLock {
            $0 += 1
            return $0
        }
    }
    var value: Int { number.withLock { $0 } }
}

private final class ScriptHandler: ChannelInboundHandler {
    typealias InboundIn = Frame
    typealias OutboundOut = ByteBuffer

    private let script: (ClassicRequest) -> [HostileServer.Answer]

    init(_ script: @escaping (ClassicRequest) -> [HostileServer.Answer]) { self.script = script }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let request = try? ClassicRequest.decode(unwrapInboundIn(data)) else { return }
        var answers = script(request)
        if answers.isEmpty, case .test(let message) = request {
            answers = [.reply(.test(TestMessage(data: message.data, error: 0)))]
        }
        for answer in answers {
            var buffer = context.channel.allocator.buffer(capacity: 4096)
            switch answer {
            case .reply(let reply): reply.encode(into: &buffer)
            case .raw(let bytes): buffer.writeBytes(bytes)
            case .hangUp: return context.close(promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

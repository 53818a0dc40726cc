import AvatarCore
import Dispatch
import NIOCore
import NIOPosix
import Synchronization
import WireProtocol

/// A server that takes uploads as the seed's C++ server does: four workers by the hash of a file's name, each answering for itself; bodies of
/// at most 4,096 bytes; whatever comes is appended, and chunk 1 truncates; the last chunk sets the icon; 1005 knows nothing of it.
///
/// Each connection ends after a number of bytes that is drawn for it, whatever is in flight. What the workers have got by then they still
/// write.
final class SeedServer: Sendable {
    private struct State {
        var files: [ExactString: [UInt8]] = [:]
        var finished: [String] = []
        var connections = 0
    }

    private let state = Mutex(State())
    private let workers = (0..<4).map { DispatchQueue(label: "worker \($0)") }
    private let bound = Mutex<(any Channel)?>(nil)
    private let last = Mutex<(name: String, occasion: Occasion<Void>)?>(nil)

    /// Where it listens.
    var port: Int { bound.withLock { $0?.localAddress?.port } ?? 0 }
    /// Connections that came.
    var connections: Int { state.withLock { $0.connections } }
    /// The names whose last chunks came, in that order.
    var finished: [String] { state.withLock { $0.finished } }
    /// The bytes of a file.
    func file(_ name: String) -> [UInt8]? { state.withLock { $0.files[ExactString(name)] } }

    /// Listens on a free port. `bytes` draws after how many bytes the connection of that number ends.
    static func start(cutAfter bytes: @escaping @Sendable (Int) -> Int) async throws -> SeedServer {
        let server = SeedServer()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = server.state.withLock { state in
                        state.connections += 1
                        return state.connections
                    }
                    try channel.pipeline.syncOperations.addHandlers(
                        ByteToMessageHandler(FrameDecoder(bodyBytesMax: 4096)),
                        SeedHandler(server, bytesLeft: bytes(number)))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.bound.withLock { $0 = channel }
        return server
    }

    /// Happens when the last chunk of that name has come.
    func finishes(_ name: String) -> Occasion<Void> {
        let occasion = Occasion<Void>()
        last.withLock { $0 = (name, occasion) }
        return occasion
    }

    /// Listens no more.
    func close() async { try? await bound.withLock { $0 }?.close() }

    fileprivate func take(_ request: ClassicRequest, on channel: any Channel) {
        guard case .uploadHead(let chunk) = request else {
            guard case .syncFile = request else { return }
            return send(.syncFile(SyncFileReply(error: ClassicError.fileNotExists.rawValue)), to: channel)
        }
        let hash = chunk.name.utf8.reduce(UInt64(5381)) { $0 &* 33 &+ UInt64($1) }
        workers[Int(hash % 4)].async { [self] in
            let hasFinished = write(chunk)
            if hasFinished { last.withLock { $0?.name == chunk.name ? $0?.occasion : nil }?.happen(()) }
            send(
                .uploadHead(
                    UploadChunkReply(
                        error: 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq, totalSize: chunk.totalSize,
                        transSize: chunk.transSize, last: chunk.last, lastSeq: chunk.lastSeq, uid: chunk.uid)),
                to: channel)
        }
    }

    private func write(_ chunk: UploadChunk) -> Bool {
        state.withLock { state in
            let name = ExactString(chunk.name)
            if chunk.seq == 1 { state.files[name] = [] }
            state.files[name, default: []] += chunk.data
            if chunk.last { state.finished.append(chunk.name) }
            return chunk.last
        }
    }

    private func send(_ reply: ClassicReply, to channel: any Channel) {
        var buffer = channel.allocator.buffer(capacity: 512)
        reply.encode(into: &buffer)
        channel.writeAndFlush(buffer, promise: nil)
    }
}

private final class SeedHandler: ChannelInboundHandler {
    typealias InboundIn = Frame

    private let server: SeedServer
    private var bytesLeft: Int

    init(_ server: SeedServer, bytesLeft: Int) {
        self.server = server
        self.bytesLeft = bytesLeft
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard bytesLeft > 0 else { return }
        bytesLeft -= Frame.headerBytes + frame.body.readableBytes
        guard let request = try? ClassicRequest.decode(frame) else { return }
        server.take(request, on: context.channel)
        if bytesLeft <= 0 { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

import Foundation
import NIOCore
import NIOPosix
import WireProtocol

/// A plain TCP client that speaks frames and waits for replies.
enum TestClient {
    struct Closed: Error {}

    static func with(_ port: Int, _ body: (Conversation) async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        try await channel.executeThenClose { inbound, outbound in
            try await body(Conversation(inbound: inbound.makeAsyncIterator(), outbound: outbound))
        }
    }

    /// What is said over one connection.
    final class Conversation {
        private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        private var unread = ByteBuffer()
        private var decoder = FrameDecoder(bodyBytesMax: 64 * 1024 * 1024)

        init(
            inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
            outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
        ) {
            self.inbound = inbound
            self.outbound = outbound
        }

        func send(_ bytes: ByteBuffer) async throws { try await outbound.write(bytes) }

        func send(_ request: ClassicRequest) async throws {
            var buffer = ByteBuffer()
            request.encode(into: &buffer)
            try await send(buffer)
        }

        func send(_ id: UInt16, _ body: String) async throws {
            var buffer = ByteBuffer()
            Frame(id: id, body: ByteBuffer(string: body)).write(into: &buffer)
            try await send(buffer)
        }

        /// The next frame; throws ``Closed`` when the server has closed.
        func frame() async throws -> Frame {
            while true {
                if let frame = try decoder.decode(buffer: &unread) { return frame }
                guard var more = try await inbound.next(isolation: nil) else { throw Closed() }
                unread.writeBuffer(&more)
            }
        }

        func reply() async throws -> ClassicReply? { try ClassicReply.decode(try await frame()) }

        func ask(_ request: ClassicRequest) async throws -> ClassicReply? {
            try await send(request)
            return try await reply()
        }

        /// Sends one chunk of 1031 and waits; the error code comes back.
        func upload(_ chunk: UploadChunk) async throws -> Int {
            guard case .uploadHead(let reply) = try await ask(.uploadHead(chunk)) else { throw Closed() }
            return reply.error
        }

        /// Sends chunk after chunk, each once the one before is acknowledged; stops at the first error.
        func upload(_ chunks: [UploadChunk]) async throws -> Int {
            for chunk in chunks {
                let error = try await upload(chunk)
                if error != 0 { return error }
            }
            return 0
        }

        func download(
            _ name: String, seq: Int64, uid: Int64 = 1019, token: String? = nil
        ) async throws -> DownloadReply {
            let request = DownloadRequest(
                name: name, seq: seq, token: token ?? "token-\(uid)", uid: uid, clientPath: "/nowhere/\(name)")
            guard case .download(let reply) = try await ask(.download(request)) else { throw Closed() }
            return reply
        }

        /// The whole file, stop and wait.
        func download(_ name: String, uid: Int64 = 1019) async throws -> [UInt8] {
            var bytes: [UInt8] = []
            var seq: Int64 = 1
            while true {
                let reply = try await download(name, seq: seq, uid: uid)
                guard reply.error == 0, let data = reply.data else { throw Closed() }
                bytes += data
                if reply.isLast == true { return bytes }
                seq += 1
            }
        }

        /// Whether the server closes the connection, having sent nothing more.
        func isClosed() async -> Bool {
            do {
                _ = try await frame()
                return false
            } catch {
                return true
            }
        }
    }
}

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A server of HTTP/1.1 whose every byte the test writes.
final class OddWebServer: Sendable {
    /// What is sent for a request's head, given as it came; nil for silence. The connection is closed behind it where `closes`.
    struct Answer: Sendable {
        var bytes: [UInt8]
        var closes = false

        init(_ head: String, _ body: [UInt8] = [], closes: Bool = false) {
            bytes = Array((head.split(separator: "\n").joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
            self.closes = closes
        }

        init(raw: [UInt8], closes: Bool = false) {
            bytes = raw
            self.closes = closes
        }
    }

    private let channel: any Channel

    /// Listens on a free port.
    init(_ script: @escaping @Sendable (String) -> Answer?) async throws {
        let asked = Asked()
        self.askedOf = asked
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Head { head in
                            asked.heads.withLock { $0.append(head) }
                            return script(head)
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    private final class Asked: Sendable {
        let heads = Mutex<[String]>([])
    }

    private let askedOf: Asked
    var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
    /// The heads of all requests that came.
    var requests: [String] { askedOf.heads.withLock { $0 } }

    func close() async { try? await channel.close() }

    private final class Head: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let script: (String) -> Answer?
        private var held = ""

        init(_ script: @escaping (String) -> Answer?) { self.script = script }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            held += String(buffer: unwrapInboundIn(data))
            guard let end = held.range(of: "\r\n\r\n") else { return }
            let head = String(held[..<end.lowerBound])
            held = ""
            guard let answer = script(head) else { return }
            let written = context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer.bytes)))
            if answer.closes {
                let channel = context.channel
                written.whenComplete { _ in channel.close(promise: nil) }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}

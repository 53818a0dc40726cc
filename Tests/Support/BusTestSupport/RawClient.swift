internal import AvatarCore
internal import LabelBus
internal import NIOCore
internal import NIOPosix

/// A client that sends bytes and reads messages, well-formed or not.
package final class RawClient: Sendable {
    private let channel: any Channel
    private let inbox: AsyncThrowingStream<String, any Error>
    private let iterator: Box

    private final class Box: @unchecked Sendable {
        var iterator: AsyncThrowingStream<String, any Error>.AsyncIterator
        init(_ iterator: AsyncThrowingStream<String, any Error>.AsyncIterator) { self.iterator = iterator }
    }

    /// Connects to the bus at `path`.
    package init(_ path: String, autoRead: Bool = true) async throws {
        let (inbox, source) = AsyncThrowingStream<String, any Error>.makeStream()
        self.inbox = inbox
        iterator = Box(inbox.makeAsyncIterator())
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: autoRead)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(source))
                }
            }
            .connect(unixDomainSocketPath: path).get()
    }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

    /// Sends one message: the text and a NUL.
    package func send(_ text: String) async throws { try await send(Array(text.utf8) + [0]) }

    /// The next message without its NUL, or nil when the bus has closed the connection.
    package func next() async throws -> String? { try await iterator.iterator.next() }

    /// Everything until the bus closes the connection.
    package func rest() async throws -> [String] {
        var messages: [String] = []
        while let message = try await next() { messages.append(message) }
        return messages
    }

    /// Starts to read, when it was not from the beginning.
    package func startReading() async throws { try await channel.setOption(.autoRead, value: true).get() }

    /// Says that nothing more will be sent.
    package func endInput() async throws { try await channel.close(mode: .output) }

    /// Hangs up.
    package func close() async throws { try? await channel.close() }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let source: AsyncThrowingStream<String, any Error>.Continuation
    private var frames = FrameBuffer(messageBytesMax: Limits.Bus.replyBytesMax)

    init(_ source: AsyncThrowingStream<String, any Error>.Continuation) { self.source = source }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var read = unwrapInboundIn(data)
        frames.append(&read)
        do {
            while let message = try frames.next() { source.yield(String(decoding: message, as: UTF8.self)) }
        } catch {
            source.finish(throwing: error)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) { source.finish() }

    // A reset is an end like any other here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

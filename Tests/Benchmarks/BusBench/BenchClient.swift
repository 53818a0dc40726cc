internal import NIOCore
internal import NIOPosix

/// Sends one message again and again, a window of them at a time, and counts what comes back.
final class PipelineClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let message: ByteBuffer
    private let batch: ByteBuffer
    private let window: Int
    private var unsent: Int
    private var unanswered: Int
    private var inFlight = 0
    private let done: EventLoopPromise<Void>

    init(message: String, count: Int, window: Int, done: EventLoopPromise<Void>) {
        self.message = ByteBuffer(string: message + "\0")
        batch = ByteBuffer(string: String(repeating: message + "\0", count: window / 2))
        self.window = window
        unsent = count
        unanswered = count
        self.done = done
    }

    func channelActive(context: ChannelHandlerContext) { refill(context) }

    /// Half a window goes out whenever half of it has come back.
    private func refill(_ context: ChannelHandlerContext) {
        while inFlight <= window / 2, unsent > 0 {
            inFlight += window / 2
            unsent -= window / 2
            context.writeAndFlush(wrapOutboundOut(batch), promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let answers = unwrapInboundIn(data).readableBytesView.count { $0 == 0 }
        inFlight -= answers
        unanswered -= answers
        if unanswered <= 0 {
            done.succeed(())
            context.close(promise: nil)
        } else {
            refill(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { done.fail(error) }

    /// Runs it to its end; the seconds that it took.
    static func run(_ message: String, count: Int, window: Int, path: String, on group: any EventLoopGroup) async throws
        -> Double
    {
        let start = monotonicNanoseconds()
        let done = group.next().makePromise(of: Void.self)
        _ = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        PipelineClient(message: message, count: count, window: window, done: done))
                }
            }
            .connect(unixDomainSocketPath: path).get()
        try await done.futureResult.get()
        return Double(monotonicNanoseconds() - start) / 1e9
    }
}

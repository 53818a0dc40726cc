internal import Glibc
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

/// Reads what subscribers are told, and how long after it was sent. All on one event loop.
final class Latencies {
    private var events: [(message: ByteBuffer, at: Int)] = []
    private var expected = 0
    private var round: EventLoopPromise<[Int]>?
    private var joined = 0
    private var everybody: (count: Int, promise: EventLoopPromise<Void>)?

    /// Completes when `count` subscribers have their snapshot.
    func awaitJoined(_ count: Int, _ promise: EventLoopPromise<Void>) {
        if joined >= count { return promise.succeed(()) }
        everybody = (count, promise)
    }

    func join() {
        joined += 1
        if let everybody, joined >= everybody.count { everybody.promise.succeed(()) }
    }

    /// Completes with the next `count` latencies.
    func begin(_ count: Int, _ promise: EventLoopPromise<[Int]>) {
        events = []
        events.reserveCapacity(count)
        expected = count
        round = promise
    }

    /// Messages are looked into when all have come, so that looking does not delay the next.
    func record(_ message: ByteBuffer, at now: Int) {
        events.append((message, now))
        if events.count == expected { round?.succeed(events.map { $0.at - Self.sent($0.message) }) }
    }

    /// The nanoseconds in `"path":"/<nanoseconds>"`.
    private static func sent(_ message: ByteBuffer) -> Int {
        let text = String(buffer: message)
        guard let start = text.firstRange(of: "\"path\":\"/")?.upperBound else { return 0 }
        return Int(text[start...].prefix { $0.isNumber }) ?? 0
    }
}

/// One subscriber.
final class SubscriberClient: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let latencies: Latencies
    private var hasJoined = false

    init(_ latencies: Latencies) { self.latencies = latencies }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let read = unwrapInboundIn(data)
        if !hasJoined {
            hasJoined = true
            return latencies.join()
        }
        latencies.record(read, at: monotonicNanoseconds())
    }
}

internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// One call on a connection of its own.
enum AgentConnection {
    /// The replies' parameters: read from the socket only as fast as they are taken here.
    typealias Frames = NIOThrowingAsyncSequenceProducer<
        JSON, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, ReadingDelegate
    >

    /// Connects, sends `call`, and hands out what comes back.
    static func call(_ call: AgentCall, more: Bool, socketPath: String) async throws -> Frames {
        let delegate = ReadingDelegate()
        let producer = NIOThrowingAsyncSequenceProducer.makeSequence(
            elementType: JSON.self, failureType: (any Error).self,
            backPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark(
                lowWatermark: Limits.Bus.clientReplies.lowerBound, highWatermark: Limits.Bus.clientReplies.upperBound),
            finishOnDeinit: true, delegate: delegate)
        let source = producer.source
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.maxMessagesPerRead, value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        delegate.own(channel)
                        try channel.pipeline.syncOperations.addHandler(
                            ReplyHandler(source: source, socketPath: socketPath))
                    }
                }
                .connect(unixDomainSocketPath: socketPath).get()
        } catch {
            source.finish()
            throw AgentClientError(.notReachable, socketPath: socketPath, reason: reason(error))
        }
        let message = BusMessage.call(call.method, more: more) { call.write(to: &$0) }
        // A refused or closed connection shows in the replies, which say more than a failed write.
        channel.writeAndFlush(message, promise: nil)
        return producer.sequence
    }

    /// What a person reads of an error of the socket.
    static func reason(_ error: any Error) -> String {
        switch (error as? IOError)?.errnoCode {
        case ENOENT: "there is no such socket"
        case ECONNREFUSED: "nobody listens there"
        case EACCES, EPERM: "permission denied"
        case EAGAIN: "too many clients are waiting to be let in"
        case ENAMETOOLONG: "the path is too long for a socket"
        case let code?: String(cString: strerror(code))
        case nil: "the connection failed"
        }
    }

    /// Reads one reply's parameters.
    static func decode<Reply: BusObject>(_ type: Reply.Type, from json: JSON) throws -> Reply {
        do throws(FieldError) {
            return try ObjectReader.read(type, from: json, unknown: .ignored)
        } catch {
            throw AgentClientError(.malformedReply, socketPath: "", reason: error.description)
        }
    }
}

/// Lets the socket be read when the reader wants more, and closes it when the reader is done.
final class ReadingDelegate: NIOAsyncSequenceProducerDelegate {
    private struct State {
        var channel: (any Channel)?
        var isTerminated = false
    }

    private let state = Mutex(State())

    /// The channel that is read; it is closed at once when the reader has gone by now.
    func own(_ channel: any Channel) {
        let isTerminated = state.withLock { state in
            state.channel = channel
            return state.isTerminated
        }
        if isTerminated { channel.close(promise: nil) }
    }

    func produceMore() {
        let channel = state.withLock { $0.channel }
        channel?.eventLoop.execute { channel?.pipeline.fireUserInboundEventTriggered(ReplyHandler.Demand()) }
    }

    func didTerminate() {
        let channel = state.withLock { state in
            state.isTerminated = true
            return state.channel
        }
        channel?.close(promise: nil)
    }
}

/// Cuts the replies out of what is read, and stops reading while the reader has enough.
final class ReplyHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The reader wants more.
    struct Demand: Sendable {}

    private let source: AgentConnection.Frames.Source
    private let socketPath: String
    private var inbound = FrameBuffer(messageBytesMax: Limits.Bus.replyBytesMax)
    private var isWanted = true
    private var isReadHeld = false
    private var hasAnswered = false
    private var isFinished = false

    init(source: AgentConnection.Frames.Source, socketPath: String) {
        self.source = source
        self.socketPath = socketPath
    }

    func read(context: ChannelHandlerContext) {
        if isWanted {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is Demand else { return context.fireUserInboundEventTriggered(event) }
        isWanted = true
        guard isReadHeld else { return }
        isReadHeld = false
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var read = unwrapInboundIn(data)
        inbound.append(&read)
        do throws(BusMessageError) {
            while !isFinished, let message = try inbound.next() { take(try BusMessage.parseReply(message), context) }
            inbound.compact()
        } catch {
            finish(AgentClientError(.malformedReply, socketPath: socketPath, reason: error.description), context)
        }
    }

    private func take(_ reply: BusMessage.Reply, _ context: ChannelHandlerContext) {
        hasAnswered = true
        switch reply {
        case .error(let error): finish(error, context)
        case .parameters(let parameters, let continues):
            if case .stopProducing = source.yield(parameters) { isWanted = false }
            if !continues { finish(nil, context) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        lost(AgentConnection.reason(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        lost("the connection was closed", context)
    }

    private func lost(_ reason: String, _ context: ChannelHandlerContext) {
        let code: AgentClientError.Code = hasAnswered ? .connectionLost : .unanswered
        finish(AgentClientError(code, socketPath: socketPath, reason: reason), context)
    }

    private func finish(_ error: (any Error)?, _ context: ChannelHandlerContext) {
        guard !isFinished else { return }
        isFinished = true
        if let error { source.finish(error) } else { source.finish() }
        context.close(promise: nil)
    }
}

internal import AvatarCore
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import PosixFiles

/// Carries out what ``ExchangeWatch`` decides, between the codec of HTTP and Hummingbird.
final class ExchangeGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let bounds: ExchangeBounds
    private var watch: ExchangeWatch
    /// A stream of HTTP/2, and not a connection of HTTP/1.1.
    private let isStream: Bool
    private var timer: (task: Scheduled<Void>, due: MonotonicTime)?
    private var context: ChannelHandlerContext?

    init(_ bounds: ExchangeBounds, isStream: Bool) {
        self.bounds = bounds
        watch = ExchangeWatch(bounds)
        self.isStream = isStream
    }

    private var now: MonotonicTime { SystemClock().now }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.task.cancel()
        self.context = nil
    }

    /// Bytes of the connection came.
    func came(_ count: Int) {
        guard let context else { return }
        perform(watch.bytesCame(count, now: now), context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !watch.isOver else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            watch.headCame(waits: head.headerFields[.expect]?.lowercased() == "100-continue", now: now)
        case .body(let bytes):
            let isForNobody = watch.isDraining
            let action = watch.bodyCame(bytes.readableBytes)
            if isForNobody { return perform(action, context) }
        case .end: watch.requestEnded()
        }
        // A clock begins with the next read: most requests have come whole by then, and need no timer.
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        watch.readEnds(now: now)
        context.fireChannelReadComplete()
        // Nobody behind asks for what is thrown away.
        if watch.isDraining { self.read(context: context) }
    }

    func read(context: ChannelHandlerContext) {
        watch.readBegins(now: now)
        context.read()
        perform(.nothing, context)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // What the responder says of a request that was refused comes too late.
        guard !watch.isOver else {
            promise?.succeed()
            return
        }
        var isEnd = false
        switch unwrapOutboundIn(data) {
        case .head(let head) where head.status.kind == .informational: watch.bodyWasAskedFor(now: now)
        case .head: watch.answerBegins()
        case .body: break
        case .end: isEnd = true
        }
        context.write(data, promise: promise)
        guard isEnd else { return }
        perform(watch.answerEnds(now: now), context)
        if watch.isDraining {
            context.flush()
            self.read(context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let refusal: ExchangeWatch.Refusal
        switch error {
        case HTTPParserError.headerOverflow: refusal = .headTooLarge
        case is HTTPParserError, is HTTP1TypeConversionError: refusal = .broken
        default: return context.fireErrorCaught(error)
        }
        let action = watch.broke(refusal, now: now)
        perform(action, context)
        // An answer tells those behind; an earlier request that is still being answered must not be disturbed.
        if action == .close { context.fireErrorCaught(HTTPParserError.invalidEOFState) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent, watch.isOver {
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func perform(_ action: ExchangeWatch.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .nothing: break
        case .answer(let refusal):
            for part in refusal.problem(bounds).lastParts(isStream: isStream) {
                context.write(wrapOutboundOut(part), promise: nil)
            }
            context.flush()
            // Hummingbird ends an exchange for errors of this kind, and what it would answer comes too late.
            context.fireErrorCaught(HTTPParserError.invalidEOFState)
            if isStream { end(context) } else { context.read() }
        case .close: end(context)
        }
        schedule(context)
    }

    private func end(_ context: ChannelHandlerContext) {
        guard isStream else { return context.close(promise: nil) }
        context.triggerUserOutboundEvent(StreamEnd.Event(), promise: nil)
    }

    private func schedule(_ context: ChannelHandlerContext) {
        // A deadline that has moved away is looked at again when its old time comes: most requests need no second timer.
        guard let deadline = watch.deadline, deadline < timer?.due ?? .never else { return }
        timer?.task.cancel()
        let wait = max(Duration.zero, deadline - now)
        let task = context.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(wait.wholeNanoseconds)) {
            [self] in
            timer = nil
            guard let context = self.context else { return }
            perform(watch.timePassed(now: now), context)
        }
        timer = (task, deadline)
    }
}

/// Tells ``ExchangeGuard`` of every byte that a connection of HTTP/1.1 brings: the decoder keeps a head to itself until it is whole.
final class ByteListener: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let exchanges: ExchangeGuard

    init(_ exchanges: ExchangeGuard) { self.exchanges = exchanges }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        exchanges.came(unwrapInboundIn(data).readableBytes)
        context.fireChannelRead(data)
    }
}

/// Ends a stream of HTTP/2 whose answer is out, when it is asked to: the client need not send the rest (RFC 9113, 8.1).
final class StreamEnd: ChannelOutboundHandler {
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    struct Event: Sendable {}

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is Event else { return context.triggerUserOutboundEvent(event, promise: promise) }
        context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: promise)
    }
}

extension ExchangeWatch.Refusal {
    fileprivate func problem(_ bounds: ExchangeBounds) -> Problem {
        switch self {
        case .slowHead:
            Problem(
                .requestTimeout, "Too slow",
                "the head of a request must come within \(bounds.headTime.components.seconds) s")
        case .slowBody:
            Problem(
                .requestTimeout, "Too slow",
                "a body must come with at least \(bounds.bodyBytesPerSecondMin) bytes a second; the server has waited "
                    + "\(bounds.bodyGrace.components.seconds) s longer")
        case .headTooLarge: .headTooLarge
        case .broken: Problem(.badRequest, "Bad request", "this breaks HTTP; the connection ends")
        }
    }
}

extension Problem {
    /// The whole answer, behind which the connection of HTTP/1.1 ends.
    fileprivate func lastParts(isStream: Bool) -> [HTTPResponsePart] {
        var head = response.head
        let bytes = ByteBuffer(bytes: json)
        head.headerFields[.contentLength] = "\(bytes.readableBytes)"
        if !isStream { head.headerFields[.connection] = "close" }
        return [.head(head), .body(bytes), .end(nil)]
    }
}

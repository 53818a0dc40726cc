internal import AvatarCore
internal import Logging
internal import NIOCore
internal import TransferMachines
internal import WireProtocol

/// One connection: bytes in, frames to the workers, replies out as ``TransferMachines/ServerSession`` lets them. Lives on its
/// event loop.
final class ConnectionHandler<Files: FileStore>: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let loop: any EventLoop
    private let service: ClassicService<Files>
    private let queue: WorkQueue
    private let metrics: ServerMetrics
    private let logger: Logger
    private let clock: @Sendable () -> MonotonicTime

    private var session: ServerSession
    private var decoder: FrameDecoder
    private var unread = ByteBuffer()
    private var replies: [ServerSession.Ticket: ByteBuffer] = [:]
    private var context: ChannelHandlerContext?
    private var wantsRead = false
    private var isStopping = false
    private var isPumping = false
    private var expiry: Scheduled<Void>?
    private var drainCheck: Scheduled<Void>?
    private var drainCheckMilliseconds = Limits.Server.drainCheckMilliseconds.lowerBound

    init(
        on loop: any EventLoop, service: ClassicService<Files>, queue: WorkQueue, bodyBytesMax: Int,
        metrics: ServerMetrics,
        logger: Logger, clock: @escaping @Sendable () -> MonotonicTime
    ) {
        self.loop = loop
        self.service = service
        self.queue = queue
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        session = ServerSession(now: clock())
        decoder = FrameDecoder(bodyBytesMax: bodyBytesMax)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        metrics.connectionOpened()
        scheduleExpiry()
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        metrics.connectionClosed()
        expiry?.cancel()
        drainCheck?.cancel()
        replies.removeAll()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["error": "\(error)"])
        context.close(promise: nil)
    }

    /// The server stops: nothing more is taken in, what is in flight is answered, then the connection closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is StopServing else { return context.fireUserInboundEventTriggered(event) }
        isStopping = true
        closeWhenIdle()
    }
}

// In.
extension ConnectionHandler {
    /// The kernel is read only while there is room; what a client sends beyond that waits on its side.
    func read(context: ChannelHandlerContext) {
        if session.acceptsRequests, !isStopping { context.read() } else { wantsRead = true }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        metrics.bytesIn.add(bytes.readableBytes)
        if unread.readableBytes == 0 { unread = bytes } else { unread.writeImmutableBuffer(bytes) }
        takeFrames()
    }

    private func takeFrames() {
        do {
            while !isStopping, session.acceptsRequests, let frame = try decoder.decode(buffer: &unread) { take(frame) }
        } catch {
            // As the seed does: there is no telling where the next frame would begin.
            metrics.framesRefused.add(1)
            logger.info("closing a connection", metadata: ["reason": "\(error)"])
            context?.close(promise: nil)
        }
        if unread.readableBytes == 0 { unread = ByteBuffer() }
    }

    private func take(_ frame: Frame) {
        let size = Frame.headerBytes + frame.body.readableBytes
        let request: ClassicRequest
        do throws(ClassicDecodeError) {
            guard let decoded = try ClassicRequest.decode(frame) else {
                metrics.framesUnknown.add(1)
                return
            }
            request = decoded
        } catch {
            metrics.bodiesMalformed.add(1)
            logger.debug("a body that is none", metadata: ["id": "\(frame.id)", "reason": "\(error)"])
            let ticket = session.receive(resource: nil, bytes: size, now: clock())
            var buffer = ByteBuffer()
            ClassicReply.malformed(answering: frame.id)?.encode(into: &buffer)
            return answered(ticket, buffer, [])
        }
        hand(request, size: size)
    }

    /// Gives a request to the workers; the answer comes back to this event loop.
    private func hand(_ request: ClassicRequest, size: Int) {
        let now = clock()
        let resource = ClassicService<Files>.resource(of: request)
        let ticket = session.receive(resource: resource?.key, bytes: size, now: now)
        let knowledge = knowledge(for: request)
        let me = NIOLoopBound(self, eventLoop: loop)
        queue.submit(resource?.key, resource?.access ?? .read) { [service, metrics, clock, loop] in
            let answer = service.answer(request, knowledge)
            var buffer = ByteBuffer()
            answer.reply.encode(into: &buffer)
            metrics.answered(answer.reply, bytes: buffer.readableBytes, after: clock() - now)
            loop.execute { [buffer] in me.value.answered(ticket, buffer, answer.lessons) }
        }
    }

    private func knowledge(for request: ClassicRequest) -> RequestContext {
        var known = RequestContext()
        switch request {
        case .download(let request):
            if let user = UserID(request.uid) { known.isProven = session.isProven(user, token: request.token) }
            known.rememberedOwner = (try? AvatarName(request.name)).flatMap { session.owner(of: $0) }
        case .syncFile: known.provenUsers = session.provenUsers
        case .test, .uploadFile, .uploadHead: break
        }
        return known
    }

    private func learn(_ lessons: [Answer.Lesson]) {
        for lesson in lessons {
            switch lesson {
            case .proven(let user, let token): session.prove(user, token: token)
            case .vouched: session.vouched()
            case .owner(let owner, let name): session.remember(owner, of: name)
            }
        }
    }
}

// Out.
extension ConnectionHandler {
    private func answered(_ ticket: ServerSession.Ticket, _ reply: ByteBuffer, _ lessons: [Answer.Lesson]) {
        guard context != nil else { return }
        learn(lessons)
        session.answer(ticket, bytes: reply.readableBytes)
        replies[ticket] = reply
        pump()
    }

    /// Writes every reply that may go now, then takes in what there is room for.
    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while let context, writeReplies(context) {}
        scheduleDrainCheck()
        goOn()
    }

    /// Whether anything was written.
    private func writeReplies(_ context: ChannelHandlerContext) -> Bool {
        var batch = 0
        while let ticket = session.nextReply() {
            guard let reply = replies.removeValue(forKey: ticket) else { continue }
            batch += reply.readableBytes
            metrics.bytesOut.add(reply.readableBytes)
            context.write(wrapOutboundOut(reply), promise: nil)
        }
        guard batch > 0 else { return false }
        let promise = loop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: loop)
        let bytes = batch
        promise.futureResult.whenComplete { _ in me.value.sent(bytes) }
        // An empty write at the end carries the promise of all before it.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
        return true
    }

    private func sent(_ bytes: Int) {
        session.sent(bytes: bytes)
        pump()
    }

    /// There is no event for "acknowledged": while a reply waits for that, and only then, it is asked at growing intervals.
    private func scheduleDrainCheck() {
        guard session.awaitsDrain else {
            drainCheckMilliseconds = Limits.Server.drainCheckMilliseconds.lowerBound
            return
        }
        guard drainCheck == nil else { return }
        drainCheck = loop.assumeIsolated().scheduleTask(in: .milliseconds(drainCheckMilliseconds)) { [self] in
            drainCheck = nil
            drainCheckMilliseconds = min(
                drainCheckMilliseconds * 2, Limits.Server.drainCheckMilliseconds.upperBound)
            if let context, session.awaitsDrain,
                KernelQueue.bytesUnacknowledged(context.pipeline.syncOperations) == 0
            {
                session.drained()
            }
            pump()
        }
    }

    private func goOn() {
        closeWhenIdle()
        guard let context, !isStopping, session.acceptsRequests else { return }
        takeFrames()
        if wantsRead, session.acceptsRequests {
            wantsRead = false
            context.read()
        }
    }

    private func closeWhenIdle() {
        if isStopping, session.isIdle { context?.close(promise: nil) }
    }

    private func scheduleExpiry() {
        // Not the deadline to the nanosecond: one that keeps moving with every frame is looked at once, when it comes.
        let wait = max(session.deadline - clock(), .seconds(1))
        expiry = loop.assumeIsolated().scheduleTask(in: .nanoseconds(wait.wholeNanoseconds)) { [self] in
            if let reason = session.expire(now: clock()) {
                logger.info("closing a connection", metadata: ["reason": "\(reason)"])
                context?.close(promise: nil)
            } else {
                scheduleExpiry()
            }
        }
    }
}

extension ClassicReply {
    /// The answer to a body that is none: 1001 under the id that the request's reply has.
    static func malformed(answering id: UInt16) -> ClassicReply? {
        let error = ClassicError.badJSON.rawValue
        return switch id {
        case MessageID.testRequest: .test(TestMessage(data: "", error: error))
        case MessageID.uploadFileRequest: .uploadFile(UploadChunkReply(error: error))
        case MessageID.syncFileRequest: .syncFile(SyncFileReply(error: error))
        case MessageID.uploadHeadRequest: .uploadHead(UploadChunkReply(error: error))
        case MessageID.downloadRequest: .download(DownloadReply(error: error))
        default: nil
        }
    }
}

/// The server is stopping: finish and close.
struct StopServing: Sendable {}

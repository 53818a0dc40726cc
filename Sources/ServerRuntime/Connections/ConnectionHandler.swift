internal import AvatarCore
internal import Logging
internal import NIOCore
internal import ProgramSupport
internal import TransferMachines
internal import WireProtocol

/// Drives one connection on its event loop: decodes frames, gives requests to the workers, and writes replies when
/// ``TransferMachines/ServerSession`` allows it.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private let id: QuotaReservations.Holder
    private let loop: any EventLoop
    private let service: ClassicService
    private let queue: WorkQueue
    private let metrics: ServerMetrics
    private let logger: Logger
    private let clock: @Sendable () -> MonotonicTime

    private var session: ServerSession
    private var decoder: FrameDecoder
    private var unread = ByteBuffer()
    private var replies: [ServerSession.Ticket: ByteBuffer] = [:]
    private var downloads: OpenFileCache
    private var share: FairShare.Member
    private var context: ChannelHandlerContext?
    private var wantsRead = false
    private var isStopping = false
    private var isClosed = false
    private var isPumping = false
    private var isTaking = false
    private var expiry: Scheduled<Void>?
    private var drainCheck: Scheduled<Void>?
    private var drainCheckMilliseconds = Limits.Server.drainCheckMilliseconds.lowerBound

    init(
        on loop: any EventLoop, service: ClassicService, shared: ConnectionResources,
        timeouts: ServerSession.Timeouts, bodyBytesMax: Int, logger: Logger,
        clock: @escaping @Sendable () -> MonotonicTime
    ) {
        id = shared.nextConnection()
        self.loop = loop
        self.service = service
        queue = shared.queue
        metrics = shared.metrics
        self.logger = logger
        self.clock = clock
        session = ServerSession(now: clock(), timeouts: timeouts)
        downloads = OpenFileCache(shared.openFiles)
        share = FairShare.Member(shared.users)
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
        isClosed = true
        metrics.connectionClosed()
        expiry?.cancel()
        drainCheck?.cancel()
        replies.removeAll()
        downloads.removeAll()
        for upload in session.uploads { service.releaseUpload(upload, of: id) }
        metrics.bytesInFlight.add(-share.bytes)
        share.leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        logger.debug("connection failed", metadata: ["error": "\(ErrorWords.text(error))"])
        context.close(promise: nil)
    }

    /// When the server stops, the connection takes no more requests, answers those in flight, and closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is StopServing else { return context.fireUserInboundEventTriggered(event) }
        isStopping = true
        closeWhenIdle()
    }
}

// Requests come in.
extension ConnectionHandler {
    /// The server reads from the kernel only while it has room for a request; what a client sends beyond that waits on the client's side.
    func read(context: ChannelHandlerContext) {
        if acceptsRequests, !isStopping { context.read() } else { wantsRead = true }
    }

    /// Whether this connection may have another request in flight, and the connections of its user together may too.
    private var acceptsRequests: Bool {
        guard session.acceptsRequests else { return false }
        if session.isIdle { return true }
        let me = NIOLoopBound(self, eventLoop: loop)
        return share.hasRoom { [loop] in loop.execute { me.value.roomCame() } }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        metrics.bytesIn.add(bytes.readableBytes)
        if unread.readableBytes == 0 { unread = bytes } else { unread.writeImmutableBuffer(bytes) }
        _ = takeFrames()
        pump()
    }

    private func roomCame() {
        share.stopWaiting()
        pump()
    }

    /// Takes as many requests as there is room for. Replies that are ready at once are written by ``pump()``.
    ///
    /// - Returns: whether there was a request.
    private func takeFrames() -> Bool {
        var hasTaken = false
        isTaking = true
        defer { isTaking = false }
        do {
            while !isStopping, acceptsRequests, let frame = try decoder.decode(buffer: &unread) {
                take(frame)
                hasTaken = true
            }
        } catch {
            // Nobody can tell where the next frame begins, so the connection ends, as it does on the seed's server.
            unread.clear()
            metrics.framesRefused.add(1)
            logger.info("closing a connection", metadata: ["reason": "\(error)"])
            context?.close(promise: nil)
        }
        if unread.readableBytes == 0 { unread = ByteBuffer() }
        return hasTaken
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
            return answered(ticket, buffer)
        }
        hand(request, size: size)
    }

    /// Answers a request at once, or gives it to a worker, whose answer comes back to this event loop.
    private func hand(_ request: ClassicRequest, size: Int) {
        let now = clock()
        let resource = ClassicService.resource(of: request)
        let bytes = service.bytesInFlight(request, frameBytes: size)
        let ticket = session.receive(
            resource: resource?.key, seq: request.seq, pipelines: request.isPipelined, bytes: bytes, now: now)
        hold()
        let known = requestContext(for: request, resource?.key, now)
        if queue.isReadable(resource?.key), let answer = service.answerAtOnce(request, known) {
            return answered(ticket, encode(answer.reply, since: now, metrics, clock), answer)
        }
        let me = NIOLoopBound(self, eventLoop: loop)
        let icon = ClassicService.iconUser(of: request)
        queue.submit(resource?.key, resource?.access ?? .read, icon: icon) { [service, metrics, clock, loop] in
            let answer = service.answer(request, known)
            let buffer = encode(answer.reply, since: now, metrics, clock)
            loop.execute { me.value.answered(ticket, buffer, answer) }
            service.afterwards(answer)
        }
    }

    private func requestContext(
        for request: ClassicRequest, _ resource: ResourceKey?, _ now: MonotonicTime
    ) -> RequestContext {
        var known = RequestContext(connection: id)
        switch request {
        case .download(let request):
            known.isAuthenticated = isAuthenticated(request.uid, request.token, now)
            guard let resource else { break }
            known.begunOwner = session.ownerOfDownload(resource, token: ExactString(request.token))
            known.files = downloads.files(of: resource)
        case .uploadHead(let chunk):
            if let token = chunk.token { known.isAuthenticated = isAuthenticated(chunk.uid, token, now) }
            if chunk.last, let user = UserID(chunk.uid) { known.shownToken = session.shownToken(of: user)?.string }
        case .syncFile: known.uploads = session.uploads
        case .test, .uploadFile: break
        }
        return known
    }

    private func isAuthenticated(_ uid: Int64, _ token: String, _ now: MonotonicTime) -> Bool {
        guard let user = UserID(uid) else { return false }
        return session.isAuthenticated(user, token: ExactString(token), now: now)
    }

    private func apply(_ updates: [Answer.SessionUpdate]) {
        for update in updates {
            switch update {
            case .authenticated(let user, let token):
                session.authenticate(user, token: ExactString(token), now: clock())
                share.join(user)
            case .tookUpload(let key):
                if let forgotten = session.takeUpload(key) { service.releaseUpload(forgotten, of: id) }
            case .downloadBegan(let key, let token, let owner, let files):
                session.beginDownload(key, token: ExactString(token), owner: owner)
                downloads.insert(files, for: key)
            case .downloadEnded(let key):
                session.endDownload(key)
                downloads.remove(key)
            }
        }
    }
}

// Replies go out.
extension ConnectionHandler {
    private func answered(_ ticket: ServerSession.Ticket, _ reply: ByteBuffer, _ answer: Answer? = nil) {
        let updates = answer?.updates ?? []
        guard context != nil, !isClosed else {
            // The connection closed while a worker had the request, so the worker may have renewed a reservation after the close.
            for case .tookUpload(let key) in updates { service.releaseUpload(key, of: id) }
            return
        }
        apply(updates)
        session.answer(ticket, bytes: reply.readableBytes, isFollowed: answer?.reply.isFollowed ?? false)
        replies[ticket] = reply
        if !isTaking { pump() }
    }

    /// Writes every reply that may go now and takes in every request that there is room for, until there is no more of either.
    private func pump() {
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        repeat {
            while let context, writeReplies(context) {}
            hold()
        } while goOn()
        scheduleDrainCheck()
    }

    /// Tells the fair share and the metrics how many bytes this connection has in flight.
    private func hold() {
        guard !isClosed else { return }
        let bytes = session.bytesHeld
        metrics.bytesInFlight.add(bytes - share.bytes)
        share.hold(bytes)
    }

    /// Writes the replies that may go now.
    ///
    /// - Returns: whether there was one.
    private func writeReplies(_ context: ChannelHandlerContext) -> Bool {
        var batch = 0
        var last: ByteBuffer?
        let now = clock()
        while let ticket = session.nextReply(now: now) {
            guard let reply = replies.removeValue(forKey: ticket) else { continue }
            batch += reply.readableBytes
            if let last { context.write(wrapOutboundOut(last), promise: nil) }
            last = reply
        }
        guard let last else { return false }
        metrics.bytesOut.add(batch)
        // The last one carries the promise of all before it.
        let promise = loop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: loop)
        let bytes = batch
        promise.futureResult.whenComplete { _ in me.value.sent(bytes) }
        context.writeAndFlush(wrapOutboundOut(last), promise: promise)
        return true
    }

    private func sent(_ bytes: Int) {
        session.sent(bytes: bytes)
        pump()
    }

    /// Once the time has come at which the client counts as having read the last reply, asks the kernel at growing intervals whether the
    /// client has acknowledged it, and only while another reply waits for that: the kernel has no event for it.
    private func scheduleDrainCheck() {
        guard let due = session.replyDue(now: clock()) else {
            drainCheck?.cancel()
            drainCheck = nil
            drainCheckMilliseconds = Limits.Server.drainCheckMilliseconds.lowerBound
            return
        }
        scheduleDrainCheck(at: due)
    }

    private func scheduleDrainCheck(at due: MonotonicTime) {
        drainCheck?.cancel()
        let wait = max(due - clock(), .zero)
        drainCheck = loop.assumeIsolated().scheduleTask(in: .nanoseconds(wait.wholeNanoseconds)) { [self] in
            drainCheck = nil
            checkDrain()
        }
    }

    private func checkDrain() {
        guard let context, let due = session.replyDue(now: clock()) else { return }
        guard due <= clock() else { return scheduleDrainCheck(at: due) }
        guard KernelQueue.bytesUnacknowledged(context.pipeline.syncOperations) == 0 else {
            let wait = drainCheckMilliseconds
            drainCheckMilliseconds = min(wait * 2, Limits.Server.drainCheckMilliseconds.upperBound)
            return scheduleDrainCheck(at: clock() + .milliseconds(wait))
        }
        session.acknowledged()
        pump()
    }

    /// Takes in the requests that have come and asks the kernel for more bytes.
    ///
    /// - Returns: whether there was a request.
    private func goOn() -> Bool {
        closeWhenIdle()
        guard let context, !isStopping, acceptsRequests else { return false }
        let hasTaken = takeFrames()
        if wantsRead, acceptsRequests {
            wantsRead = false
            context.read()
        }
        return hasTaken
    }

    private func closeWhenIdle() {
        if isStopping, session.isIdle { context?.close(promise: nil) }
    }

    private func scheduleExpiry() {
        // The deadline moves with every frame. The timer does not follow it, but looks at the new deadline when it fires.
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

/// Encodes a reply, and counts it and the time since its request came.
private func encode(
    _ reply: ClassicReply, since start: MonotonicTime, _ metrics: ServerMetrics, _ clock: () -> MonotonicTime
) -> ByteBuffer {
    var buffer = ByteBuffer()
    reply.encode(into: &buffer)
    metrics.answered(reply, bytes: buffer.readableBytes, after: clock() - start)
    return buffer
}

extension ClassicReply {
    /// The answer to a body that cannot be decoded: 1001, under the message id of the reply to such a request.
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

/// Tells a connection that the server stops.
struct StopServing: Sendable {}

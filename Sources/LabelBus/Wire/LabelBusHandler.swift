internal import AvatarCore
package import NIOCore

/// One client of the bus, at the end of its channel's pipeline.
///
/// It reads one call, hands it to the service, writes its replies, and only then looks at the next: replies come in the
/// order of the calls, and a client that sends faster than it reads is not read from. What the specification tells to close
/// is closed after the replies before it; the reason is fired as an error, for a log.
package final class LabelBusHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// Whether the client may call.
    package enum Admission: Sendable {
        case welcome
        /// Its first call is answered with this, and it is closed.
        case refused(AgentError)
    }

    private let connection: UInt64
    private let dispatcher: CallDispatcher
    private let budget: BusBudget
    private let batches: FlushBatches
    private let admission: Admission

    private var context: ChannelHandlerContext?
    private var outbox: Outbox?
    private var flushes: FlushBatch?
    private var inbound = FrameBuffer(messageBytesMax: Limits.Bus.messageBytesMax)
    private var share = BusShare()
    private var calls: UInt64 = 0
    /// The call that is being answered.
    private var active: ReplyStream.ID?
    private var isRunning = false
    /// A frame is being written from within the service's own call: it must not be called before that returns.
    private var isDelivering = false
    private var mustRunAgain = false
    private var isReadHeld = false
    private var isInputClosed = false
    /// The last reply is on its way; nothing else is read or written.
    private var isFinishing = false
    /// The client is gone; only `oneway` calls that it left are still handed over.
    private var isGone = false
    private var closeTimer: Scheduled<Void>?

    /// A client with the number `connection`, unique in the process.
    package init(
        connection: UInt64, dispatcher: CallDispatcher, budget: BusBudget, batches: FlushBatches,
        admission: Admission = .welcome
    ) {
        self.connection = connection
        self.dispatcher = dispatcher
        self.budget = budget
        self.batches = batches
        self.admission = admission
    }

    // MARK: Channel events

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        let eventLoop = context.eventLoop
        flushes = batches.batch(on: eventLoop)
        let handler = NIOLoopBound(self, eventLoop: eventLoop)
        outbox = Outbox(
            budget: budget,
            writeNow: { eventLoop.inEventLoop && handler.value.deliver($0) },
            wake: { eventLoop.execute { handler.value.run() } })
        if case .refused = admission { closeLater() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var read = unwrapInboundIn(data)
        guard !isFinishing else { return }
        inbound.append(&read)
        charge()
        // Not in channelReadComplete: that also comes in the middle of an end of input, where a write that fails must not
        // close the channel under SwiftNIO's hands.
        run()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { run() }
        context.fireChannelWritabilityChanged()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            isInputClosed = true
            run()
        }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if isDelivering {
            let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
            context.eventLoop.execute { handler.value.hungUp() }
        } else {
            hungUp()
        }
        context.fireChannelInactive()
    }

    /// What was delivered and waits in a batch goes out first: the agent may stop in the very moment in which a picture comes.
    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        flushDelivered()
        context.close(mode: mode, promise: promise)
    }

    private func hungUp() {
        isGone = true
        closeTimer?.cancel()
        closeTimer = nil
        switch outbox?.hangUp() {
        case .midway:
            if let active { dispatcher.service.hungUp(active) }
            active = nil
        case .over, nil: active = nil
        case .oneway: break
        }
        run()
    }

    package func read(context: ChannelHandlerContext) {
        if isFinishing || (active != nil && inbound.readableBytes >= Limits.Bus.readAheadBytesMax) {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    // MARK: The one driver

    /// Writes one more reply of a running stream, before which nothing waits. False, and nothing done, where that cannot be now.
    private func deliver(_ frame: ByteBuffer) -> Bool {
        guard !isRunning, !isFinishing, !isGone, let context, context.channel.isWritable else { return false }
        context.write(wrapOutboundOut(frame), promise: nil)
        flushes?.add(self)
        return true
    }

    /// Hands the socket what ``deliver(_:)`` wrote, perhaps from within a call of the service.
    func flushDelivered() {
        guard let context else { return }
        isDelivering = true
        context.flush()
        isDelivering = false
        // Something happened meanwhile; what it was is looked at once the service has returned, or by the run that called it.
        guard mustRunAgain, !isRunning else { return }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { handler.value.run() }
    }

    /// Writes what waits, then takes the next call, until one of the two has to be waited for.
    private func run() {
        // A flush may tell of a writable socket, or of a closed one, before it returns.
        guard !isRunning, !isDelivering else {
            mustRunAgain = true
            return
        }
        isRunning = true
        repeat {
            mustRunAgain = false
            advance()
        } while mustRunAgain
        isRunning = false
        settle()
    }

    private func advance() {
        var hasWritten = false
        while !isFinishing {
            if active != nil {
                guard writeReplies(&hasWritten) else { break }
            } else {
                guard isWritable(&hasWritten), takeCall(&hasWritten) else { break }
            }
        }
        if hasWritten, !isGone { context?.flush() }
    }

    private func isWritable(_ hasWritten: inout Bool) -> Bool {
        guard !isGone, let context else { return true }
        if context.channel.isWritable { return true }
        context.flush()
        hasWritten = false
        return context.channel.isWritable
    }

    /// Writes what the active call's outbox holds. False when the service or the socket has to be waited for.
    private func writeReplies(_ hasWritten: inout Bool) -> Bool {
        guard let outbox else { return false }
        let room = isWritable(&hasWritten) ? Limits.Bus.writeBatchBytes : 0
        let batch = outbox.take(bytesMax: room)
        if let dropped = batch.dropped {
            if let active { dispatcher.service.hungUp(active) }
            active = nil
            finish(with: BusMessage.error(.lagging(dropped: dropped)))
            return false
        }
        for frame in batch.frames where !isGone {
            context?.write(wrapOutboundOut(frame), promise: nil)
            hasWritten = true
        }
        if batch.ended { active = nil }
        return batch.ended || !batch.isDrained && !batch.frames.isEmpty
    }

    /// Takes the next call, if it is all here. False when it is not, or was the last.
    private func takeCall(_ hasWritten: inout Bool) -> Bool {
        do throws(BusMessageError) {
            guard let bytes = try inbound.next() else { return false }
            let call = try BusMessage.parseCall(bytes)
            if isGone, !call.oneway { return true }
            if case .refused(let error) = admission {
                finish(with: call.oneway ? nil : BusMessage.error(error))
                return false
            }
            begin(call, &hasWritten)
            return true
        } catch {
            context?.fireErrorCaught(error)
            finish(with: nil)
            return false
        }
    }

    private func begin(_ call: BusMessage.Call, _ hasWritten: inout Bool) {
        switch dispatcher.resolve(call) {
        case .answered(let reply):
            guard !call.oneway else { return }
            context?.write(wrapOutboundOut(reply), promise: nil)
            hasWritten = true
        case .service(let agentCall):
            guard let outbox else { return }
            calls += 1
            let id = ReplyStream.ID(connection: connection, call: calls)
            active = id
            outbox.begin(calls, more: call.more, oneway: call.oneway)
            dispatcher.service.handle(
                agentCall, more: call.more, oneway: call.oneway, reply: ReplyStream(id: id, outbox: outbox))
        }
    }

    /// After a run: gives memory back, reads on, or closes.
    private func settle() {
        inbound.compact()
        charge()
        if isGone {
            // A oneway call that is still running keeps the outbox, and with it this handler.
            if active == nil { outbox = nil }
            return
        }
        if isInputClosed, active == nil, !isFinishing { finish(with: nil) }
        if isReadHeld, !isFinishing, active == nil || inbound.readableBytes < Limits.Bus.readAheadBytesMax {
            isReadHeld = false
            context?.read()
        }
    }

    /// Keeps the budget in step with what is held; a client that finds it empty is closed.
    private func charge() {
        guard !share.adjust(to: inbound.readableBytes, in: budget), !isFinishing else { return }
        context?.fireErrorCaught(BusMessageError(.budgetSpent))
        finish(with: nil)
    }

    // MARK: The end

    /// Writes the last reply, if any, and closes when everything is written; or after a while, when the client does not
    /// read.
    private func finish(with reply: ByteBuffer?) {
        guard !isFinishing else { return }
        isFinishing = true
        inbound.clear()
        charge()
        guard !isGone, let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(reply ?? ByteBuffer()), promise: written)
        if channel.isActive { closeLater() }
    }

    private func closeLater() {
        guard closeTimer == nil, let channel = context?.channel else { return }
        closeTimer = channel.eventLoop.scheduleTask(in: .seconds(Int64(Limits.Bus.lastReplySecondsMax))) {
            channel.close(promise: nil)
        }
    }
}

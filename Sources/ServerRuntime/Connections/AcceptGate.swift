internal import AvatarCore
internal import Glibc
internal import Logging
internal import NIOCore
internal import ProgramSupport

/// Stands on a listening socket and accepts only while there is room for a connection; the kernel's queue keeps the others.
///
/// A connection counts from the moment it is accepted, before its own event loop knows it, so that the bound is never exceeded. When the
/// kernel has no descriptor or memory for a connection all the same, accepting pauses until a connection closes or a timer fires. The
/// pause turns `autoRead` off: after a failed accept(2) NIO would otherwise be told again and again that the socket is readable.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias OutboundIn = Never
    typealias OutboundOut = Never

    private let registry: ConnectionRegistry
    private let logger: Logger
    private var isWaiting = false
    private var pause: Scheduled<Void>?

    init(_ registry: ConnectionRegistry, logger: Logger) {
        self.registry = registry
        self.logger = logger
    }

    func read(context: ChannelHandlerContext) {
        guard !isWaiting, pause == nil else { return }
        let me = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        isWaiting = !registry.hasRoom { me.eventLoop.execute { me.value.gate.roomCame(me.value.context) } }
        if !isWaiting { context.read() }
    }

    private func roomCame(_ context: ChannelHandlerContext) {
        isWaiting = false
        read(context: context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        guard registry.add(channel) else { return channel.close(promise: nil) }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) else {
            return context.fireErrorCaught(error)
        }
        guard pause == nil else { return }
        logger.warning("accepting connections pauses", metadata: ["reason": "\(ErrorWords.text(error))"])
        setAutoRead(false, context)
        let me = NIOLoopBound((gate: self, context: context), eventLoop: context.eventLoop)
        registry.onNextClose { me.eventLoop.execute { me.value.gate.resume(me.value.context) } }
        pause = context.eventLoop.scheduleTask(in: .nanoseconds(Limits.Server.acceptPause.wholeNanoseconds)) {
            me.value.gate.resume(me.value.context)
        }
    }

    private func resume(_ context: ChannelHandlerContext) {
        guard let pause else { return }
        pause.cancel()
        self.pause = nil
        // NIO asks for the next connection itself when this is turned on.
        setAutoRead(true, context)
    }

    private func setAutoRead(_ isOn: Bool, _ context: ChannelHandlerContext) {
        do {
            try context.channel.syncOptions?.setOption(.autoRead, value: isOn)
        } catch {
            // The listening socket is closed, so that there is nothing to accept.
            logger.debug("the listening socket is closed", metadata: ["reason": "\(ErrorWords.text(error))"])
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        pause?.cancel()
        pause = nil
        context.fireChannelInactive()
    }
}

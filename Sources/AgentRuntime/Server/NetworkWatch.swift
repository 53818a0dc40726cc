internal import AvatarCore
internal import NIOCore
internal import NIOPosix
internal import PosixFiles
internal import Synchronization

/// Hears from the kernel when an address, a link or a route changes (rtnetlink(7)): a dead server may live now.
///
/// Nothing is read but that there was something: which change it was makes no difference to the one who waits.
final class NetworkWatch: Sendable {
    private struct State {
        var channel: (any Channel)?
        var opened = 0
        var isStopped = false
    }

    private let loop: any EventLoop
    private let changed: @Sendable () -> Void
    private let state = Mutex(State())

    /// Begins to listen; `changed` is called on the loop, once for each burst of messages. Where the kernel refuses, as in some sandboxes, a
    /// dead server is tried again by its backoff alone.
    init(on loop: any EventLoop, changed: @escaping @Sendable () -> Void) {
        self.loop = loop
        self.changed = changed
        open()
    }

    /// Hears no more.
    func stop() async {
        let channel = state.withLock { state in
            state.isStopped = true
            return state.channel
        }
        // It may be closed already, which is what is wanted.
        try? await channel?.close()
    }

    private func open() {
        let mayOpen = state.withLock { state in
            state.opened += 1
            return !state.isStopped && state.opened <= Limits.Connection.networkWatchesMax
        }
        guard mayOpen, let socket = try? RouteSocket.open() else { return }
        let changed = changed
        NIOPipeBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener(changed: changed))
                }
            }
            .takingOwnershipOfDescriptor(input: socket.release())
            .whenSuccess { [self] channel in follow(channel) }
    }

    private func follow(_ channel: any Channel) {
        let isStopped = state.withLock { state in
            state.channel = channel
            return state.isStopped
        }
        if isStopped { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { [self] _ in
            guard !state.withLock({ $0.isStopped }) else { return }
            // ENOBUFS closes it (netlink(7)): messages were lost, which is a change too.
            changed()
            open()
        }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let changed: @Sendable () -> Void

        init(changed: @escaping @Sendable () -> Void) { self.changed = changed }

        func channelReadComplete(context: ChannelHandlerContext) { changed() }
    }
}

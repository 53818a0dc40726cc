internal import NIOCore
internal import NIOPosix
internal import PosixFiles

/// Hears from the kernel when an address, a link or a route changes (rtnetlink(7)): a dead server may live now.
///
/// Nothing is read but that there was something: which change it was makes no difference to the one who waits.
enum NetworkWatch {
    /// Begins to listen; `changed` is called on the loop, once for each burst of messages. Nil where the kernel refuses, as in some
    /// sandboxes: then a dead server is tried again by its backoff alone.
    static func start(on loop: any EventLoop, changed: @escaping @Sendable () -> Void) async -> (any Channel)? {
        do {
            let socket = try RouteSocket.open()
            return try await NIOPipeBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Listener(changed: changed))
                    }
                }
                .takingOwnershipOfDescriptor(input: socket.release()).get()
        } catch {
            return nil
        }
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let changed: @Sendable () -> Void

        init(changed: @escaping @Sendable () -> Void) { self.changed = changed }

        func channelReadComplete(context: ChannelHandlerContext) { changed() }

        // ENOBUFS: messages were lost, which is a change too.
        func errorCaught(context: ChannelHandlerContext, error: any Error) { changed() }
    }
}

internal import CLinux
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// Hears from the kernel when an address, a link or a route changes (rtnetlink(7)): a dead server may live now.
///
/// Nothing is read but that there was something: which change it was makes no difference to the one who waits.
enum NetworkWatch {
    /// Begins to listen; `changed` is called on the loop, once for each burst of messages. Nil where the kernel refuses, as in some
    /// sandboxes: then a dead server is tried again by its backoff alone.
    static func start(on loop: any EventLoop, changed: @escaping @Sendable () -> Void) async -> (any Channel)? {
        let descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), NETLINK_ROUTE)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = UInt32(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
        guard bound == 0 else {
            close(descriptor)
            return nil
        }
        do {
            return try await NIOPipeBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Listener(changed: changed))
                    }
                }
                .takingOwnershipOfDescriptor(input: descriptor).get()
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

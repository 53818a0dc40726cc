internal import Glibc
internal import NIOCore

/// What the kernel still holds of what was written to a TCP socket.
enum KernelQueue {
    /// Bytes unsent or not yet acknowledged (SIOCOUTQ, tcp(7)); nil when the channel has no socket to ask.
    static func bytesUnacknowledged(_ pipeline: ChannelPipeline.SynchronousOperations) -> Int? {
        try? pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            var count: CInt = 0
            // SIOCOUTQ is TIOCOUTQ by another name (linux/sockios.h).
            guard ioctl(socket, UInt(TIOCOUTQ), &count) == 0 else { return nil }
            return Int(count)
        } ?? nil
    }
}

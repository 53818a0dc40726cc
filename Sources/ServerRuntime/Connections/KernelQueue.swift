internal import Glibc
internal import NIOCore

/// Asks the kernel for the bytes of a TCP socket that the other side has not acknowledged.
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

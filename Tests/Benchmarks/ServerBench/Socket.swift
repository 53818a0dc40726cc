import Foundation
import NIOCore
import WireProtocol

/// A loopback address.
func loopback(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return address
}

/// One blocking TCP connection.
final class Socket {
    struct Closed: Error { let errno: Int32 }

    private let descriptor: Int32

    /// One that was accepted.
    init(accepted descriptor: Int32) {
        self.descriptor = descriptor
        Self.sendAtOnce(descriptor)
    }

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        Self.sendAtOnce(descriptor)
        var address = loopback(port: port)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        // What was opened is closed by deinit, also now that everything is set.
        guard connected == 0 else { throw Closed(errno: errno) }
    }

    deinit { close(descriptor) }

    private static func sendAtOnce(_ descriptor: Int32) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    /// From now on a send that the other side does not take ends after so long, with EAGAIN.
    func limitSends(seconds: Int) {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ buffer: inout ByteBuffer) throws {
        while buffer.readableBytes > 0 {
            let count = buffer.withUnsafeReadableBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Closed(errno: errno) }
            buffer.moveReaderIndex(forwardBy: count)
        }
        buffer.clear()
    }

    func receive(into buffer: inout ByteBuffer) throws {
        let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) {
            max(0, recv(descriptor, $0.baseAddress, $0.count, 0))
        }
        guard count > 0 else { throw Closed(errno: errno) }
    }
}

/// Requests out, replies in, over one connection.
final class Conversation {
    struct Refused: Error { let reply: String }

    private let socket: Socket
    private var outgoing = ByteBuffer()
    private var unread = ByteBuffer()
    private var decoder = FrameDecoder(bodyBytesMax: 8 * 1024 * 1024)

    init(port: Int) throws { socket = try Socket(port: port) }

    /// Adds a request to what ``flush()`` sends.
    func write(_ request: ClassicRequest) { request.encode(into: &outgoing) }

    func flush() throws { try socket.send(&outgoing) }

    func reply() throws -> ClassicReply {
        while true {
            if let frame = try decoder.decode(buffer: &unread) {
                guard let reply = try ClassicReply.decode(frame) else { continue }
                return reply
            }
            if unread.readableBytes == 0 { unread.clear() } else { unread.discardReadBytes() }
            try socket.receive(into: &unread)
        }
    }

    /// The answer to a chunk, which must be success.
    func acknowledgement() throws {
        let reply = try reply()
        guard case .uploadHead(let acknowledgement) = reply, acknowledgement.error == 0 else {
            throw Refused(reply: "\(reply)")
        }
    }

    /// The next chunk of a download, which must be success.
    func chunk() throws -> DownloadReply {
        let reply = try reply()
        guard case .download(let chunk) = reply, chunk.error == 0 else { throw Refused(reply: "\(reply)") }
        return chunk
    }
}

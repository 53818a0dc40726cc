import Foundation
import NIOCore
import WireProtocol

/// A client as the seed's is: one blocking socket, one request, one reply.
final class BlockingClient {
    struct Closed: Error {}

    private let socket: Int32
    private var unread = ByteBuffer()
    private var decoder = FrameDecoder(bodyBytesMax: 8 * 1024 * 1024)

    init(port: Int) throws {
        do { socket = try loopbackSocket(port: port) } catch { throw Closed() }
    }

    deinit { close(socket) }

    func ask(_ request: ClassicRequest) throws -> ClassicReply? {
        var buffer = ByteBuffer()
        request.encode(into: &buffer)
        let bytes = Array(buffer.readableBytesView)
        guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { throw Closed() }
        while true {
            if let frame = try decoder.decode(buffer: &unread) { return try ClassicReply.decode(frame) }
            var room = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &room, room.count, 0)
            guard count > 0 else { throw Closed() }
            unread.writeBytes(room[..<count])
        }
    }

    /// The error code of the answer to one chunk.
    func upload(_ chunk: UploadChunk) throws -> Int {
        guard case .uploadHead(let reply) = try ask(.uploadHead(chunk)) else { throw Closed() }
        return reply.error
    }

    func download(_ name: String, uid: Int64, token: String, seq: Int64) throws -> DownloadReply {
        let request = DownloadRequest(name: name, seq: seq, token: token, uid: uid, clientPath: "/x/\(name)")
        guard case .download(let reply) = try ask(.download(request)) else { throw Closed() }
        return reply
    }
}

import Foundation
import NIOCore
import Synchronization
import WireProtocol

/// The least that any server of the classic dialect can do, as the floor under a client that waits for every reply: it keeps what
/// comes in memory, without looking at who it is, and one thread for each connection reads, answers and does nothing else.
final class Floor: Sendable {
    let port: Int
    private let listener: Int32
    private let pictures = Mutex<[String: [UInt8]]>([:])
    private let chunkBytes: Int

    init(chunkBytes: Int = 2048) throws {
        self.chunkBytes = chunkBytes
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listener, generic, size) == 0 && listen(listener, 128) == 0
                    && getsockname(listener, generic, &size) == 0
            }
        }
        guard isListening else { throw Socket.Closed(errno: errno) }
        port = Int(in_port_t(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                Thread.detachNewThread { self.serve(Socket(accepted: descriptor)) }
            }
        }
    }

    /// What a client of it needs; nobody looks at the token.
    func account(_ index: Int) -> Account {
        Account(port: port, uid: Int64(index) + 1, token: String(repeating: "t", count: 43), chunkBytes: chunkBytes)
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// Until the client hangs up.
    private func serve(_ socket: Socket) {
        var decoder = FrameDecoder(bodyBytesMax: 8 * 1024 * 1024)
        var unread = ByteBuffer()
        var replies = ByteBuffer()
        do {
            while true {
                while let frame = try decoder.decode(buffer: &unread) {
                    if let request = try ClassicRequest.decode(frame) { answer(request)?.encode(into: &replies) }
                }
                if replies.readableBytes > 0 { try socket.send(&replies) }
                if unread.readableBytes == 0 { unread.clear() } else { unread.discardReadBytes() }
                try socket.receive(into: &unread)
            }
        } catch {
            // The client is done, or is none; there is nobody to tell.
        }
    }

    private func answer(_ request: ClassicRequest) -> ClassicReply? {
        switch request {
        case .uploadHead(let chunk):
            pictures.withLock { pictures in
                if chunk.seq == 1 { pictures[chunk.name] = [] }
                pictures[chunk.name]?.append(contentsOf: chunk.data)
            }
            return .uploadHead(
                UploadChunkReply(
                    error: 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq, totalSize: chunk.totalSize,
                    transSize: chunk.transSize, last: chunk.last, lastSeq: chunk.lastSeq, uid: chunk.uid))
        case .download(let request):
            let (total, data) = pictures.withLock { pictures in
                let bytes = pictures[request.name] ?? []
                let start = min(bytes.count, (Int(request.seq) - 1) * chunkBytes)
                return (bytes.count, Array(bytes[start..<min(bytes.count, start + chunkBytes)]))
            }
            let end = min(total, Int(request.seq) * chunkBytes)
            return .download(
                DownloadReply(
                    error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
                    totalSize: Int64(total), currentSize: Int64(end), isLast: end == total, data: data))
        case .test, .uploadFile, .syncFile: return nil
        }
    }
}

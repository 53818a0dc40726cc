import AvatarCore
import Digests
import Foundation
import NIOCore
import WireProtocol

/// The real avatar-server, and a client that sends one request and waits for its reply, as the seed's does.
final class AvatarServerPeer {
    struct Refused: Error { let error: Int }

    private let process = Process()
    private let port: Int
    private let token: String

    init(program: String, folder: URL, sync: String) throws {
        let storage = [
            "--storage-root", folder.path + "/ours", "--stores-sqlite-file", folder.path + "/ours.sqlite",
            "--storage-sync",
            sync,
        ]
        token = try String(run(program, ["user", "add", "--uid", "1019"] + storage).dropLast())
        let portFile = folder.path + "/port"
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments =
            ["serve", "--ready-fd", "1", "--port-file", portFile, "--listen-port", "0", "--log-level", "error"]
            + storage
        let ready = Pipe()
        process.standardOutput = ready
        try process.run()
        _ = ready.fileHandleForReading.availableData
        port = Int(try String(contentsOfFile: portFile, encoding: .utf8).dropLast()) ?? 0
    }

    func upload(_ files: [URL], round: Int) throws {
        let client = try WaitingClient(port: port)
        for file in files {
            let bytes = [UInt8](try Data(contentsOf: file))
            let md5 = try MD5Digest(of: bytes.span.bytes).hex
            let count = (bytes.count + 2047) / 2048
            for seq in 1...count {
                let end = min(seq * 2048, bytes.count)
                let chunk = UploadChunk(
                    md5: md5, name: file.lastPathComponent, seq: Int64(seq), totalSize: Int64(bytes.count),
                    transSize: Int64(end), last: seq == count, lastSeq: Int64(count),
                    data: Array(bytes[((seq - 1) * 2048)..<end]), uid: 1019, token: seq == 1 ? token : nil)
                guard case .uploadHead(let reply) = try client.ask(.uploadHead(chunk)), reply.error == 0 else {
                    throw Refused(error: seq)
                }
            }
        }
    }

    func download(_ files: [URL], round: Int) throws {
        let client = try WaitingClient(port: port)
        for file in files {
            var bytes: [UInt8] = []
            var seq: Int64 = 1
            while true {
                let request = DownloadRequest(
                    name: file.lastPathComponent, seq: seq, token: token, uid: 1019, clientPath: "/x")
                guard case .download(let reply) = try client.ask(.download(request)), let data = reply.data else {
                    throw Refused(error: Int(seq))
                }
                bytes += data
                if reply.isLast == true { break }
                seq += 1
            }
            try Data(bytes).write(to: file.appendingPathExtension("down"))
        }
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }
}

/// One blocking socket.
final class WaitingClient {
    struct Closed: Error {}

    private let socket: Int32
    private var unread = ByteBuffer()
    private var decoder = FrameDecoder(bodyBytesMax: 8 * 1024 * 1024)
    private var room = [UInt8](repeating: 0, count: 65_536)

    init(port: Int) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var one: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Closed() }
    }

    deinit { close(socket) }

    func ask(_ request: ClassicRequest) throws -> ClassicReply? {
        var buffer = ByteBuffer()
        request.encode(into: &buffer)
        let sent = buffer.withUnsafeReadableBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == buffer.readableBytes else { throw Closed() }
        unread.clear()
        while true {
            let count = recv(socket, &room, room.count, 0)
            guard count > 0 else { throw Closed() }
            unread.writeBytes(room[..<count])
            if let frame = try decoder.decode(buffer: &unread) { return try ClassicReply.decode(frame) }
        }
    }
}

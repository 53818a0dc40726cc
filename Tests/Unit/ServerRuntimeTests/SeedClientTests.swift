import Foundation
import NIOCore
import Testing
import WireProtocol

/// A client that does what the seed's Qt client does, its mistake included.
@Suite struct SeedClientTests {
    @Test(arguments: StoreKind.allCases) func theSeedsClientUploadsAndDownloads(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let bytes = pattern(30_000)
            let path = server.folder.appendingPathComponent("down.png").path
            try await onOwnThread {
                try SeedClient(port: server.port).upload(bytes, name: "20250923_1.png", chunks: 0..<7)
                // Its window was closed and opened again: a new connection, in the middle of the file.
                try SeedClient(port: server.port).upload(bytes, name: "20250923_1.png", chunks: 7..<15)
                try SeedClient(port: server.port).download("20250923_1.png", to: path)
            }
            #expect(server.bytes(1019, "20250923_1.png") == bytes)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(bytes))
            #expect(try server.icon(of: 1019) == "20250923_1.png")
        }
    }

    private func onOwnThread(_ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }
}

/// Stop and wait; bodies as QJsonDocument writes them; the receive loop of `FileTcpMgr`, in which the stream is not set back
/// when the buffer is cut, so that a second message in one read is looked for six bytes too far.
private final class SeedClient {
    struct Lost: Error { let message: String }

    private let socket: Int32
    private var buffer: [UInt8] = []
    private var pending: (id: UInt16, length: Int)?
    private static let chunkBytes = 2048

    init(port: Int) throws {
        socket = try loopbackSocket(port: port)
    }

    deinit { close(socket) }

    func upload(_ bytes: [UInt8], name: String, chunks: Range<Int>) throws {
        let digest = try md5(bytes)
        for index in chunks {
            let end = min((index + 1) * Self.chunkBytes, bytes.count)
            let data = Data(bytes[(index * Self.chunkBytes)..<end]).base64EncodedString()
            var fields = [
                "data": "\"\(data)\"", "last": end == bytes.count ? "1" : "0", "md5": "\"\(digest)\"",
                "name": "\"\(name)\"",
                "last_seq": "\((bytes.count + Self.chunkBytes - 1) / Self.chunkBytes)", "seq": "\(index + 1)",
                "total_size": "\(bytes.count)", "trans_size": "\(end)", "uid": "1019",
            ]
            if index == 0 { fields["token"] = "\"token-1019\"" }
            let reply = try ask(1031, fields)
            guard reply["error"] as? Int == 0, reply["trans_size"] as? Int == end, reply["md5"] as? String == digest,
                reply["name"] as? String == name, reply["total_size"] as? Int == bytes.count
            else { throw Lost(message: "\(reply)") }
        }
    }

    /// It writes wherever `client_path` of the reply says, and appends every chunk but the first.
    func download(_ name: String, to path: String) throws {
        var seq = 1
        while true {
            let reply = try ask(
                1033,
                [
                    "client_path": "\"\(path)\"", "name": "\"\(name)\"", "seq": "\(seq)", "token": "\"token-1019\"",
                    "total_size": "0", "trans_size": "0", "uid": "1019",
                ])
            guard reply["error"] as? Int == 0,
                let data = (reply["data"] as? String).flatMap({ Data(base64Encoded: $0) }),
                let target = reply["client_path"] as? String, reply["total_size"] is String,
                reply["current_size"] is String, let isLast = reply["is_last"] as? Bool
            else { throw Lost(message: "\(reply)") }
            if seq == 1 { try Data().write(to: URL(fileURLWithPath: target)) }
            guard let file = FileHandle(forWritingAtPath: target) else { throw Lost(message: target) }
            try file.seekToEnd()
            try file.write(contentsOf: data)
            try file.close()
            if isLast { return }
            seq += 1
        }
    }

    private func ask(_ id: UInt16, _ fields: [String: String]) throws -> [String: Any] {
        let members = fields.sorted { $0.key < $1.key }.map { "    \"\($0.key)\": \($0.value)" }
        let body = "{\n\(members.joined(separator: ",\n"))\n}\n"
        var frame = ByteBuffer()
        Frame(id: id, body: ByteBuffer(string: body)).write(into: &frame)
        let bytes = Array(frame.readableBytesView)
        guard send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { throw Lost(message: "send") }
        while true {
            if let reply = try readyRead() { return reply }
        }
    }

    /// One readyRead: everything there is, then messages as long as there are whole ones.
    private func readyRead() throws -> [String: Any]? {
        var room = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &room, room.count, 0)
        guard count > 0 else { throw Lost(message: "closed") }
        buffer += room[..<count]
        var streamPosition = 0
        var reply: [String: Any]?
        while true {
            if pending == nil {
                guard buffer.count >= 6 else { return reply }
                guard buffer.count >= streamPosition + 6 else { throw Lost(message: "lost its place") }
                let header = buffer[streamPosition..<(streamPosition + 6)].map(Int.init)
                streamPosition += 6
                pending = (
                    UInt16(header[0] << 8 | header[1]), header[2] << 24 | header[3] << 16 | header[4] << 8 | header[5]
                )
                buffer.removeFirst(6)
            }
            guard let message = pending, buffer.count >= message.length else { return reply }
            pending = nil
            let body = Data(buffer[..<message.length])
            buffer.removeFirst(message.length)
            reply = try JSONSerialization.jsonObject(with: body) as? [String: Any]
            if reply == nil { throw Lost(message: "no JSON in \(message.id)") }
        }
    }
}

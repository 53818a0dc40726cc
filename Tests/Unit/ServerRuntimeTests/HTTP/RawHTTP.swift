import Foundation
import Glibc
import Synchronization

/// A connection of HTTP/1.1 without TLS that sends whatever bytes it is given.
final class RawHTTP: Sendable {
    struct Failed: Error {}

    struct Answer: Sendable {
        let status: Int
        let fields: [String: String]
        let body: [UInt8]
    }

    /// What came of some bytes.
    struct Exchange: Sendable {
        var answers: [Answer] = []
        /// The server ended the connection.
        var isEnded = false
        /// How many bytes the server's side took before it ended.
        var sent = 0

        var statuses: [Int] { answers.map(\.status) }
    }

    /// When a call returns.
    enum Patience: Sendable {
        case answers(Int)
        case end
    }

    private let socket: Int32
    private let unread = Mutex<[UInt8]>([])

    init(port: Int) throws {
        socket = try loopbackSocket(port: port)
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    /// Sends the bytes, then reads. Runs in a thread of its own: the front that answers runs in this process.
    ///
    /// - Parameter isLast: whether the client says that no more comes.
    func ask(_ bytes: [UInt8], isLast: Bool = false, until patience: Patience) async throws -> Exchange {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [self] in
                continuation.resume(with: Result { try exchange(bytes, isLast: isLast, until: patience) })
            }
        }
    }

    /// The same on a connection of its own.
    static func ask(
        _ port: Int, _ bytes: [UInt8], isLast: Bool = false, until patience: Patience
    ) async throws -> Exchange {
        try await RawHTTP(port: port).ask(bytes, isLast: isLast, until: patience)
    }

    private func exchange(_ bytes: [UInt8], isLast: Bool, until patience: Patience) throws -> Exchange {
        var result = Exchange()
        while result.sent < bytes.count {
            let count = bytes[result.sent...].withUnsafeBytes {
                send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { break }
            result.sent += count
        }
        if isLast { shutdown(socket, Int32(SHUT_WR)) }
        var room = [UInt8](repeating: 0, count: 65_536)
        while true {
            unread.withLock { unread in
                while let (answer, length) = Self.answer(in: unread) {
                    unread.removeFirst(length)
                    if answer.status >= 200 { result.answers.append(answer) }
                }
            }
            if case .answers(let count) = patience, result.answers.count >= count { return result }
            let count = recv(socket, &room, room.count, 0)
            // Neither an end nor bytes within the time: the server has forgotten this client.
            if count < 0, errno == EAGAIN { throw Failed() }
            guard count > 0 else {
                result.isEnded = true
                return result
            }
            unread.withLock { $0 += room[..<count] }
        }
    }

    private static func answer(in bytes: [UInt8]) -> (Answer, length: Int)? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let length = fields["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.count >= end.upperBound + length else { return nil }
        let answer = Answer(
            status: words.count > 1 ? Int(words[1]) ?? 0 : 0, fields: fields,
            body: Array(bytes[end.upperBound..<(end.upperBound + length)]))
        return (answer, end.upperBound + length)
    }
}

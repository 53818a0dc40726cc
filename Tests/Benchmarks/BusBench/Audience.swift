internal import CLinux
internal import Glibc
internal import PosixFiles

/// Subscribers, all read by one thread with as little as can be between the kernel's word and the clock (epoll(7), read(2)).
final class Audience {
    /// The agent hung up, or said nothing for long.
    struct Silence: Error, CustomStringConvertible { let description: String }

    /// What one message is told by, and when each subscriber had read it.
    struct Heard {
        /// The first of the messages.
        let message: String
        /// Nanoseconds on the monotonic clock, in the order of the reads.
        let times: [Int]
    }

    private let sockets: [ClientSocket]
    private let poll: Int32
    private var buffer = [UInt8](repeating: 0, count: 64 * 1024)

    /// Connects `count` subscribers, and lets each make this call.
    init(_ count: Int, path: String, call: String) throws {
        poll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard poll >= 0 else { throw PosixError.last("epoll_create1", path: path) }
        var sockets: [ClientSocket] = []
        for _ in 0..<count {
            let socket = try ClientSocket(path: path)
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data(fd: socket.descriptor))
            guard epoll_ctl(poll, EPOLL_CTL_ADD, socket.descriptor, &event) == 0 else {
                throw PosixError.last("epoll_ctl", path: path)
            }
            try socket.send(call)
            sockets.append(socket)
        }
        self.sockets = sockets
    }

    deinit { close(poll) }

    /// Waits until every subscriber has read a message that holds `text`; other messages are passed over.
    func hear(_ text: String) throws -> Heard {
        var open = Set(sockets.map(\.descriptor))
        var times: [Int] = []
        times.reserveCapacity(open.count)
        var message = ""
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        while !open.isEmpty {
            let ready = epoll_wait(poll, &events, Int32(events.count), 10_000)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw Silence(description: "\(open.count) subscribers did not hear of \(text)") }
            for event in events.prefix(Int(ready)) {
                let count = read(event.data.fd, &buffer, buffer.count - 1)
                let now = monotonicNanoseconds()
                guard count > 0 else { throw Silence(description: "the agent hung up on a subscriber") }
                guard holds(text, count), open.remove(event.data.fd) != nil else { continue }
                times.append(now)
                if message.isEmpty { message = String(decoding: buffer[..<count], as: UTF8.self) }
            }
        }
        return Heard(message: message, times: times)
    }

    /// Whether one of the messages that the first `count` bytes are holds `text`.
    private func holds(_ text: String, _ count: Int) -> Bool {
        buffer[count] = 0
        return buffer.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                var start = 0
                while start < count, let message = characters.baseAddress?.advanced(by: start) {
                    if strstr(message, text) != nil { return true }
                    start += strlen(message) + 1
                }
                return false
            }
        }
    }
}

/// A blocking connection to the bus.
final class ClientSocket {
    let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PosixError.last("socket", path: path) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
        }
        guard result == 0 else { throw PosixError.last("connect", path: path) }
    }

    deinit { close(descriptor) }

    /// Sends a message, its NUL with it.
    func send(_ message: String) throws {
        let bytes = Array(message.utf8) + [0]
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw PosixError.last("write") }
    }

    /// The first bytes of the answer; that there is one is what counts.
    func answer() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { throw Audience.Silence(description: "the agent hung up") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// A call, and the first bytes of its answer.
    @discardableResult
    func call(_ message: String) throws -> String {
        try send(message)
        return try answer()
    }
}

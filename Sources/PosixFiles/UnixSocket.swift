internal import Glibc

/// Unix stream sockets, as far as a listener needs them before its event loop takes over (unix(7)).
package enum UnixSocket {
    /// Bytes of a path that `sockaddr_un` holds, its NUL not counted.
    package static let pathBytesMax = 107

    /// What lies at a socket's path.
    package enum Probe: Hashable, Sendable {
        /// Nothing.
        case missing
        /// A socket that nobody listens on.
        case abandoned
        /// Somebody took the connection, or would as soon as there is room.
        case answered
    }

    /// Connects to `path`, to see whether anybody is there, and hangs up at once.
    package static func probe(_ path: String) throws(PosixError) -> Probe {
        let socket = try makeSocket(path)
        guard try unsafe withAddress(path, { unsafe connect(socket.descriptor, $0, $1) }) != 0 else { return .answered }
        switch errno {
        case ENOENT: return .missing
        case ECONNREFUSED: return .abandoned
        case EAGAIN, EINPROGRESS: return .answered
        default: throw .last("connect", path: path)
        }
    }

    /// A socket that listens at `path`, which must not exist; only its owner may connect (mode 0600).
    package static func listen(_ path: String, backlog: Int32) throws(PosixError) -> OpenFile {
        let socket = try makeSocket(path)
        guard try unsafe withAddress(path, { unsafe bind(socket.descriptor, $0, $1) }) == 0 else {
            throw .last("bind", path: path)
        }
        // Nobody can connect before listen(2), so nobody ever finds the mode that the umask gave.
        guard unsafe chmod(path, 0o600) == 0 else { throw .last("chmod", path: path) }
        guard Glibc.listen(socket.descriptor, backlog) == 0 else { throw .last("listen", path: path) }
        return socket
    }

    /// Whether `descriptor` is a Unix stream socket that listens: what socket activation should hand over.
    package static func isListener(_ descriptor: Int32) -> Bool {
        option(SO_DOMAIN, of: descriptor) == AF_UNIX && option(SO_ACCEPTCONN, of: descriptor) == 1
            && option(SO_TYPE, of: descriptor) == Int32(SOCK_STREAM.rawValue)
    }

    /// The path that the socket is bound to; nil for one in no file system (unix(7), getsockname).
    package static func path(of descriptor: Int32) -> String? {
        var address = sockaddr_un()
        var size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let found = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
        }
        guard found == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        let bytes = unsafe withUnsafeBytes(of: address.sun_path) { unsafe Array($0.prefix { $0 != 0 }) }
        return bytes.first == UInt8(ascii: "/") ? String(validating: bytes, as: UTF8.self) : nil
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 else { return nil }
        return value
    }

    private static func makeSocket(_ path: String) throws(PosixError) -> OpenFile {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw .last("socket", path: path) }
        return OpenFile(adopting: descriptor)
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(PosixError) -> Int32 {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= pathBytesMax, !bytes.contains(0) else {
            throw PosixError("sockaddr_un", path: path, code: ENAMETOOLONG)
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

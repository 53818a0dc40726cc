internal import Glibc

/// Tells the service manager how the program does (sd_notify(3)); nothing happens where none listens.
package struct ServiceManager: Sendable {
    private let socket: String?
    /// Within which time the manager wants to hear that the program is alive, again and again; nil where it does not care (sd_watchdog_enabled(3)).
    package let watchdogInterval: Duration?

    /// The manager that the environment names in NOTIFY_SOCKET.
    package init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"]
        let isForUs = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        watchdogInterval =
            environment["WATCHDOG_USEC"].flatMap(Int64.init).flatMap {
                $0 > 0 && isForUs && environment["NOTIFY_SOCKET"] != nil ? .microseconds($0) : nil
            }
    }

    /// The program is ready to serve.
    package func ready() { if let socket { Self.notify(socket, "READY=1") } }

    /// The program has begun to read its configuration again; ``ready()`` says that it is done (`Type=notify-reload`).
    package func reloading() {
        guard let socket else { return }
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        Self.notify(socket, "RELOADING=1\nMONOTONIC_USEC=\(Int(now.tv_sec) * 1_000_000 + Int(now.tv_nsec) / 1000)")
    }

    /// The program is alive.
    package func alive() { if let socket { Self.notify(socket, "WATCHDOG=1") } }

    /// The program has begun to stop.
    package func stopping() { if let socket { Self.notify(socket, "STOPPING=1") } }

    /// One datagram; a socket that is not there any more is nobody's loss.
    private static func notify(_ path: String, _ message: String) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < capacity else { return }
        // A leading @ stands for the NUL of an abstract socket.
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let length = socklen_t(MemoryLayout.size(ofValue: address.sun_family) + bytes.count)
        let text = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), generic, length)
            }
        }
    }
}

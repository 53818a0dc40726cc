internal import Foundation
internal import Glibc

/// Says that the server listens, to whoever waits for it.
package struct ReadyNotice: Sendable {
    /// A descriptor that is given `READY=1` and a line end, then closed (`--ready-fd`).
    package var descriptor: Int32?
    /// systemd's socket, from NOTIFY_SOCKET (sd_notify(3)).
    package var notifySocket: String?
    /// A file that is given the bound port (`--port-file`), whole or not at all.
    package var portFile: String?

    package init(descriptor: Int32? = nil, notifySocket: String? = nil, portFile: String? = nil) {
        self.descriptor = descriptor
        self.notifySocket = notifySocket
        self.portFile = portFile
    }

    /// The server listens on `port`. Throws only when the port file cannot be written: somebody waits for it.
    package func listening(on port: Int) throws {
        if let portFile {
            try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic)
        }
        if let notifySocket { Self.notify(notifySocket, "READY=1") }
        if let descriptor {
            let line = Array("READY=1\n".utf8)
            _ = write(descriptor, line, line.count)
            close(descriptor)
        }
    }

    /// The server stops.
    package func stopping() {
        if let notifySocket { Self.notify(notifySocket, "STOPPING=1") }
    }

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
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
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

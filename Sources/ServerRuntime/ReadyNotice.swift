internal import Foundation
internal import Glibc
package import ProgramSupport

/// Says that the server listens, to whoever waits for it.
package struct ReadyNotice: Sendable {
    /// A descriptor that is given `READY=1` and a line end, then closed (`--ready-fd`).
    package var descriptor: Int32?
    /// systemd, or nobody.
    package var manager: ServiceManager
    /// A file that is given the bound port (`--port-file`), whole or not at all.
    package var portFile: String?

    package init(descriptor: Int32? = nil, manager: ServiceManager, portFile: String? = nil) {
        self.descriptor = descriptor
        self.manager = manager
        self.portFile = portFile
    }

    /// The server listens on `port`. Throws only when the port file cannot be written: somebody waits for it.
    package func listening(on port: Int) throws {
        if let portFile {
            try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic)
        }
        manager.ready()
        if let descriptor {
            let line = Array("READY=1\n".utf8)
            _ = write(descriptor, line, line.count)
            close(descriptor)
        }
    }

    /// The server stops.
    package func stopping() { manager.stopping() }
}

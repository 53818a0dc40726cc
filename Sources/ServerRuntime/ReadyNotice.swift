internal import Foundation
internal import Glibc
package import ProgramSupport

/// Tells a service manager, a descriptor and a file that the server listens.
package struct ReadyNotice: Sendable {
    /// The descriptor to write `READY=1` and a line end to, and to close then (`--ready-fd`).
    package var descriptor: Int32?
    /// The service manager that started the process, if one did.
    package var manager: ServiceManager
    /// The file to write the bound port into (`--port-file`), with a rename, so that it is never half written.
    package var portFile: String?

    package init(descriptor: Int32? = nil, manager: ServiceManager, portFile: String? = nil) {
        self.descriptor = descriptor
        self.manager = manager
        self.portFile = portFile
    }

    /// Tells that the server listens on `port`. Throws only when the port file cannot be written, because a program waits for that file.
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

    /// Tells that the server stops.
    package func stopping() { manager.stopping() }
}

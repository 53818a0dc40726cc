internal import AvatarCore
internal import Glibc
package import PosixFiles

/// The bus's listening socket before its event loop has it. From here on clients can connect; they are answered as soon as
/// ``BusServer`` runs.
package struct BusSocket: ~Copyable {
    /// Where clients find it; nil for one that was handed over without a path.
    let place: SocketPlace?
    private let file: OpenFile

    /// The path that is unlinked in the end; nil for a socket that was handed over by activation.
    package var ownedPath: String? { place.flatMap { $0.isOwned ? $0.path : nil } }

    /// Makes the socket at `path`, or takes the one that systemd handed over. Blocks only as long as a few system calls.
    ///
    /// The folder is made with mode 0700 where there is none, as far as `making` says. A socket that is there already is connected to, and
    /// taken away only when nobody answers.
    package static func open(
        path: String, environment: [String: String] = currentEnvironment(), making: Folder.Making = .all
    ) throws(BusSocketError) -> BusSocket {
        let handedOver = try SocketActivation.descriptor(in: environment, processID: getpid())
        for name in SocketActivation.variables { unsetenv(name) }
        if let handedOver {
            guard UnixSocket.isListener(handedOver) else { throw .activationWithoutListener }
            _ = fcntl(handedOver, F_SETFD, FD_CLOEXEC)
            let place = UnixSocket.path(of: handedOver).map { SocketPlace(path: $0, isOwned: false) }
            return BusSocket(file: OpenFile(adopting: handedOver), place: place)
        }
        let folder: Folder
        do throws(PosixError) {
            folder = try Folder.open(path: SocketPlace.split(path).folder, making: making)
        } catch {
            throw .noFolder(path: path, error)
        }
        do throws(PosixError) {
            return try make(path, in: folder)
        } catch {
            throw error.code == EADDRINUSE ? .inUse(path: path) : .system(error)
        }
    }

    /// This process's environment variables.
    package static func currentEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        for name in SocketActivation.variables {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }

    private static func make(_ path: String, in folder: borrowing Folder) throws(PosixError) -> BusSocket {
        try SocketPlace.clear(path, in: folder)
        let file = try UnixSocket.listen(path, backlog: Limits.Bus.listenBacklog)
        return BusSocket(file: file, place: SocketPlace(path: path, isOwned: true))
    }

    private init(file: consuming OpenFile, place: SocketPlace?) {
        self.file = file
        self.place = place
    }

    /// Hands the descriptor and the place to the event loop's side.
    consuming func release() -> (descriptor: Int32, place: SocketPlace?) {
        let place = place
        return (file.release(), place)
    }
}

/// Why the bus's socket cannot be had.
package enum BusSocketError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another process listens there.
    case inUse(path: String)
    /// Sockets were handed over, but none has the bus's name.
    case activationWithoutName
    /// What was handed over is no listening Unix stream socket.
    case activationWithoutListener
    /// The folder of the socket is not there, and cannot be made.
    case noFolder(path: String, PosixError)
    /// A system call failed.
    case system(PosixError)

    package var description: String {
        switch self {
        case .inUse(let path): "another agent answers at \(path): stop it first (systemctl --user stop avatard)"
        case .activationWithoutName:
            "systemd handed over sockets, but none is called varlink: set FileDescriptorName=varlink in the socket unit"
        case .activationWithoutListener:
            "the socket that systemd handed over is no listening Unix stream socket: use ListenStream= in the socket unit"
        case .noFolder(let path, let error):
            "there is no folder for the bus's socket \(path): \(error); bus.socket or XDG_RUNTIME_DIR says where it lies"
        case .system(let error): error.description
        }
    }
}

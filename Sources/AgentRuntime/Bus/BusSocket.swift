internal import AvatarCore
internal import Glibc
package import PosixFiles

/// The bus's listening socket before its event loop has it. From here on clients can connect; they are answered as soon as
/// ``BusServer`` runs.
package struct BusSocket: ~Copyable {
    /// The path that is unlinked in the end; nil for a socket that was handed over by activation.
    package let ownedPath: String?
    private let file: OpenFile
    private let facts: FileFacts?

    /// Makes the socket at `path`, or takes the one that systemd handed over. Blocks only as long as a few system calls.
    ///
    /// The folder is made with mode 0700 where there is none. A socket that is there already is connected to, and taken
    /// away only when nobody answers.
    package static func open(
        path: String, environment: [String: String] = currentEnvironment()
    ) throws(BusSocketError) -> BusSocket {
        let handedOver = try SocketActivation.descriptor(in: environment, processID: getpid())
        for name in SocketActivation.variables { unsetenv(name) }
        if let handedOver {
            guard UnixSocket.isListener(handedOver) else { throw .activationWithoutListener }
            _ = fcntl(handedOver, F_SETFD, FD_CLOEXEC)
            return BusSocket(file: OpenFile(adopting: handedOver), ownedPath: nil, facts: nil)
        }
        do throws(PosixError) {
            _ = try Folder.make(path: split(path).folder)
        } catch {
            throw .noFolder(path: path, error)
        }
        do throws(PosixError) {
            return try make(path)
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

    private static func make(_ path: String) throws(PosixError) -> BusSocket {
        let (folderPath, name) = split(path)
        let folder = try Folder(path: folderPath)
        if let facts = try folder.facts(of: name) {
            // Anything but a socket of ours is not ours to remove.
            guard facts.kind == .other, facts.owner == geteuid() else {
                throw PosixError("bind", path: path, code: EEXIST)
            }
            switch try UnixSocket.probe(path) {
            case .answered: throw PosixError("bind", path: path, code: EADDRINUSE)
            case .abandoned: try folder.remove(name)
            case .missing: break
            }
        }
        let file = try UnixSocket.listen(path, backlog: Limits.Bus.listenBacklog)
        return BusSocket(file: file, ownedPath: path, facts: try folder.facts(of: name))
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let folder = path[..<slash]
        return (folder.isEmpty ? "/" : String(folder), String(path[path.index(after: slash)...]))
    }

    private init(file: consuming OpenFile, ownedPath: String?, facts: FileFacts?) {
        self.file = file
        self.ownedPath = ownedPath
        self.facts = facts
    }

    /// Hands the descriptor and what has to be unlinked in the end to the event loop's side.
    consuming func release() -> (descriptor: Int32, name: SocketName?) {
        let name: SocketName? =
            if let ownedPath, let facts { SocketName(path: ownedPath, device: facts.device, inode: facts.inode) } else {
                nil
            }
        return (file.release(), name)
    }
}

/// A socket's name in the file system, and which inode it was given for.
struct SocketName: Sendable {
    let path: String
    let device: UInt64
    let inode: UInt64

    /// Unlinks the name, unless another socket has taken it since.
    func unlinkIfOurs() {
        var now = stat()
        guard lstat(path, &now) == 0, UInt64(now.st_dev) == device, UInt64(now.st_ino) == inode else { return }
        unlink(path)
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

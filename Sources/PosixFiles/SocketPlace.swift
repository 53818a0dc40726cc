package import AvatarCore
internal import Glibc

/// A Unix socket's path, and what lay there when the socket was made or handed over.
package struct SocketPlace: Sendable {
    package let path: String
    /// Whether the path is unlinked in the end: not where systemd made the socket.
    package let isOwned: Bool
    private let made: FileFacts?

    package init(path: String, isOwned: Bool) {
        self.path = path
        self.isOwned = isOwned
        made = try? FileFacts.lying(at: path)
    }

    package var folder: String { Self.split(path).folder }
    package var name: String { Self.split(path).name }

    /// Where the path leads now: clients reach the socket only while that is the very one that was made.
    package var standing: PathStanding {
        guard let made else { return .missing }
        return FileFacts.standing(of: path, device: made.device, inode: made.inode)
    }

    /// Unlinks the path, unless another socket has taken it since.
    package func unlinkIfOurs() { if isOwned, standing == .held { unsafe unlink(path) } }

    /// Makes room for a socket at a path: one of this user's that nobody listens on is taken away.
    ///
    /// Errors: EEXIST for anything that is no socket of this user's, EADDRINUSE where somebody answers.
    package static func clear(_ path: String, in folder: borrowing Folder) throws(PosixError) {
        let name = split(path).name
        guard let facts = try folder.facts(of: name) else { return }
        guard facts.kind == .other, facts.owner == geteuid() else { throw PosixError("bind", path: path, code: EEXIST) }
        switch try UnixSocket.probe(path) {
        case .answered: throw PosixError("bind", path: path, code: EADDRINUSE)
        case .abandoned: try folder.remove(name)
        case .missing: break
        }
    }

    package static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let folder = path[..<slash]
        return (folder.isEmpty ? "/" : String(folder), String(path[path.index(after: slash)...]))
    }
}

internal import AvatarCore
internal import Glibc
internal import PosixFiles

/// Tells when there may be a socket at a path again: the kernel says when something happens in its folder, or in the one above, where the
/// folder itself goes with the agent.
final class SocketReturns {
    private let changes: OpenFile
    /// How long to wait before each further look after something has happened: the socket's name is there a moment before somebody listens.
    private var looks: ArraySlice<Duration> = [.zero]

    /// Begins to listen; the first look is due at once, since the agent may be back by then.
    init(_ path: String) throws {
        let folder = Self.above(path)
        do throws(PosixError) { changes = try FolderChanges.open([folder, Self.above(folder)]) } catch {
            throw LocalError(description: "the return of the agent cannot be waited for: \(error)")
        }
    }

    private static func above(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Returns when it is worthwhile to look for the socket.
    func next() async throws {
        if let wait = looks.popFirst() { return try await Task.sleep(for: wait) }
        // A command has nothing else to do, so that its thread may wait here. Ctrl-C ends it.
        var ready = pollfd(fd: changes.descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&ready, 1, -1) < 0, errno == EINTR {}
        // What happened is of no interest; all of it is taken.
        var events = [UInt8](repeating: 0, count: 16 * 1024)
        while read(changes.descriptor, &events, events.count) > 0 {}
        looks = Limits.Bus.returnLooks[...]
    }
}

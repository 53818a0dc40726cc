internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import PosixFiles

/// A picture that comes through a pipe (`avatarctl upload -`).
enum StandardInput {
    /// What stands for it on the command line, and in messages.
    static let sign = "-"
    static let name = "standard input"

    /// Refuses what no picture can come from. To be called before anything else opens a file, which would be standard input where the
    /// program was started without one.
    static func check() throws {
        var facts = stat()
        // What the kernel made for this program itself, such as an epoll instance, has no type: it took the place of a closed input.
        guard fstat(STDIN_FILENO, &facts) == 0, facts.st_mode & S_IFMT != 0 else {
            throw LocalError(description: "\(name) is closed")
        }
        guard isatty(STDIN_FILENO) == 0 else {
            throw LocalError(description: "\(name) is a terminal: pipe a picture in, or name a file")
        }
        guard facts.st_mode & S_IFMT != S_IFDIR else { throw LocalError(description: "\(name) is a folder") }
    }

    /// Hands the picture over to the agent. The agent takes paths only, so the bytes lie in a file of their own (0600) beside the agent's socket,
    /// where both programs see the same, until the agent has copied them.
    ///
    /// - Parameter body: asks the agent to take the file, and calls what it is given as soon as the agent has it.
    static func handOver(
        to client: AgentClient, _ body: (_ path: String, _ isTaken: () -> Void) async throws -> Void
    ) async throws {
        let limit = try await client.status().figures["upload_bytes_max"].flatMap { Int(exactly: $0) }
        let bytes = try read(atMost: limit ?? Int(Limits.Picture.downloadBytesMax))
        let file = try HandedOverFile(bytes, in: folder(of: client.socketPath))
        defer { file.remove() }
        do {
            try await body(file.path) { file.remove() }
        } catch AgentError.notAnImage(file.path, let reason) {
            throw AgentError.notAnImage(path: name, reason: reason)
        } catch AgentError.tooLarge(file.path, let size, let limit) {
            throw AgentError.tooLarge(path: name, size: size, limit: limit)
        }
    }

    private static func read(atMost limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let got = Glibc.read(STDIN_FILENO, &chunk, chunk.count)
            if got < 0, errno == EINTR { continue }
            if got < 0 { throw LocalError(description: "\(name): \(String(cString: strerror(errno)))") }
            if got == 0 { break }
            bytes += chunk[..<got]
            guard bytes.count <= limit else {
                throw LocalError(
                    description: "\(name) has more than \(limit) bytes, which the agent's upload.bytesMax allows")
            }
        }
        guard !bytes.isEmpty else { throw LocalError(description: "\(name) is empty: no picture came") }
        return bytes
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// A file that another program reads once. It is removed when that is done, when this program is ended by a signal, and otherwise by the
/// next of its kind.
final class HandedOverFile {
    private static let prefix = ".upload-"
    /// A file that is as old as this and that no program holds was left behind. Seconds.
    private static let leftBehindAfter = 60

    let path: String
    /// Holds the lock by which the file is known to be in use.
    private let file: OpenFile
    private var isThere = true

    /// A file with these bytes in a folder.
    init(_ bytes: [UInt8], in folder: String) throws {
        Self.sweep(folder)
        let number = UInt64.random(in: .min ... .max)
        guard let real = realpath(folder, nil) else {
            throw LocalError(description: "\(folder): \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        guard let whole = String(validatingCString: real) else {
            throw LocalError(description: "\(folder): its whole path is not UTF-8")
        }
        path = whole + "/" + Self.prefix + String(number, radix: 16)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw LocalError(
                description: "the picture cannot be handed over as \(path): \(String(cString: strerror(errno)))")
        }
        file = OpenFile(adopting: descriptor)
        removedOnSignal.arm(path)
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        do {
            try file.write(bytes.span.bytes, at: 0)
        } catch {
            remove()
            throw LocalError(description: "the picture cannot be handed over: \(error)")
        }
    }

    /// Removes it, if it is there.
    func remove() {
        guard isThere else { return }
        isThere = false
        unlink(path)
        removedOnSignal.disarm()
    }

    deinit { remove() }

    /// Removes what programs that were killed have left.
    private static func sweep(_ path: String) {
        guard let folder = try? Folder(path: path) else { return }
        var left: [String] = []
        try? folder.forEachName { if $0.hasPrefix(prefix) { left.append($0) } }
        for name in left {
            guard let file = try? folder.openForReading(name), flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
                continue
            }
            var facts = stat()
            guard fstat(file.descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG,
                time(nil) - facts.st_mtim.tv_sec >= leftBehindAfter
            else { continue }
            _ = try? folder.remove(name)
        }
    }
}

/// The file that goes when a signal ends the program.
private let removedOnSignal = RemovedOnSignal()

private struct RemovedOnSignal {
    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    /// Read by the handler, which may call nothing that allocates (signal-safety(7)).
    nonisolated(unsafe) private static var path: UnsafeMutablePointer<CChar>?

    func arm(_ path: String) {
        Self.path = strdup(path)
        for number in Self.signals {
            signal(number) { number in
                if let path = RemovedOnSignal.path { unlink(path) }
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    func disarm() {
        for number in Self.signals { signal(number, SIG_DFL) }
        free(Self.path)
        Self.path = nil
    }
}

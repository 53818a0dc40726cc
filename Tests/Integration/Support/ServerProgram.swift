import BusTestSupport
import Foundation
import Synchronization

/// avatar-server with embedded stores in a folder of its own, on a free port of the loopback.
final class ServerProgram: Sendable {
    /// A user of the server.
    struct User: Sendable {
        let uid: Int64
        let tokenFile: String
    }

    /// Where its files lie: `<root>/<uid>/<name>`.
    let root: String
    private let folder: TemporaryFolder
    private let current = Mutex<(program: RunningProgram, port: Int)?>(nil)

    /// A server that does not run yet.
    init(in folder: TemporaryFolder) throws {
        self.folder = folder
        root = folder.file("srv")
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    private var environment: [String: String] { ["HOME": folder.path] }
    /// Where its stores lie, as arguments.
    var places: [String] { ["--storage-root", root, "--stores-sqlite-file", folder.file("srv.sqlite")] }

    /// Makes a user whose token lies in a file of mode 0600.
    func addUser(_ uid: Int64, name: String) async throws -> User {
        let file = folder.file("token-\(uid)")
        try write(Array("token-of-\(uid)-\(UUID().uuidString.prefix(8))\n".utf8), to: file)
        chmod(file, 0o600)
        let result = try await Program.run(
            Program.product("avatar-server"),
            ["user", "add", "--uid", "\(uid)", "--name", name, "--token-file", file] + places,
            environment: environment, in: folder)
        guard result.status == 0 else { throw RunningProgram.NotReady(description: result.errors) }
        return User(uid: uid, tokenFile: file)
    }

    /// Starts it, or starts it again; the port may be another one.
    func start(_ arguments: [String] = []) async throws {
        let portFile = folder.file("port-" + UUID().uuidString.prefix(8))
        let program = try RunningProgram(
            "avatar-server",
            ["serve", "--listen-host", "127.0.0.1", "--listen-port", "0", "--port-file", portFile] + places + arguments,
            environment: environment, in: folder)
        try await program.untilReady()
        let text = contents(portFile).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw RunningProgram.NotReady(description: "no port in \(portFile)")
        }
        current.withLock { $0 = (program, port) }
    }

    /// The running program.
    var program: RunningProgram {
        get throws {
            guard let program = current.withLock({ $0?.program }) else {
                throw RunningProgram.NotReady(description: "the server was not started")
            }
            return program
        }
    }

    /// The port of the last start; 1, where nobody listens, before the first.
    var port: Int { current.withLock { $0?.port } ?? 1 }

    /// Where a user's file lies.
    func path(_ user: User, _ name: String) -> String { "\(root)/\(user.uid)/\(name)" }

    /// Puts a picture where a user's own files lie, as if it had been uploaded once.
    func place(_ bytes: [UInt8], _ name: String, for user: User) throws {
        try FileManager.default.createDirectory(atPath: "\(root)/\(user.uid)", withIntermediateDirectories: true)
        try write(bytes, to: path(user, name))
    }

    /// The users as `avatar-server user list` prints them: uid → icon.
    func icons() async throws -> [Int64: String] {
        let result = try await Program.run(
            Program.product("avatar-server"), ["user", "list"] + places, environment: environment,
            in: folder)
        var icons: [Int64: String] = [:]
        for line in result.lines {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count >= 3, let uid = Int64(fields[0]), fields[2] != "-" else { continue }
            icons[uid] = String(fields[2])
        }
        return icons
    }
}

import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import Synchronization

/// avatard with a home of its own: cache, crops, state and socket under one folder.
final class AgentProgram: Sendable {
    /// Where everything of it lies.
    let home: String
    /// Talks to it over the label bus.
    let client: AgentClient
    private let folder: TemporaryFolder
    private let current = Mutex<RunningProgram?>(nil)

    /// An agent that does not run yet.
    init(_ name: String, in folder: TemporaryFolder) throws {
        self.folder = folder
        home = folder.file(name)
        try FileManager.default.createDirectory(
            atPath: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        client = AgentClient(socketPath: home + "/run/avatard/agent.sock")
        for made in [cache, crops, home + "/run"] {
            try FileManager.default.createDirectory(
                atPath: made, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
    }

    var cache: String { home + "/data/avatard/avatars" }
    var crops: String { home + "/data/avatard/crops" }
    var state: String { home + "/state/avatard" }
    var catalog: String { state + "/catalog.sqlite" }

    /// The variables that make it live in its home only.
    var environment: [String: String] {
        [
            "HOME": home, "XDG_DATA_HOME": home + "/data", "XDG_STATE_HOME": home + "/state",
            "XDG_CONFIG_HOME": home + "/config", "XDG_RUNTIME_DIR": home + "/run",
        ]
    }

    /// Starts it for a user at a port, and waits until it serves.
    @discardableResult
    func start(
        _ user: ServerProgram.User, port: Int, _ arguments: [String] = [], through wrapper: [String] = [],
        environment extra: [String: String] = [:]
    ) async throws -> RunningProgram {
        try await start(
            through: wrapper,
            [
                "--server-host", "127.0.0.1", "--server-port", "\(port)", "--identity-uid", "\(user.uid)",
                "--identity-token-file", user.tokenFile,
            ] + arguments, environment: extra)
    }

    /// Starts it with these arguments only, and waits until it serves.
    @discardableResult
    func start(
        through wrapper: [String] = [], _ arguments: [String], environment extra: [String: String] = [:]
    ) async throws -> RunningProgram {
        let program = try launch(["--log-level", "debug"] + arguments, through: wrapper, environment: extra)
        try await program.untilReady()
        return program
    }

    /// Starts it with these arguments only.
    func launch(
        _ arguments: [String], through wrapper: [String] = [], environment extra: [String: String] = [:]
    ) throws -> RunningProgram {
        let program = try RunningProgram(
            "avatard", arguments, through: wrapper, environment: environment.merging(extra) { $1 }, in: folder)
        current.withLock { $0 = program }
        return program
    }

    /// The running program.
    var program: RunningProgram {
        get throws {
            guard let program = current.withLock({ $0 }) else {
                throw RunningProgram.NotReady(description: "the agent was not started")
            }
            return program
        }
    }

    /// Fetches pictures and waits until each has come to an end, good or bad.
    func fetch(_ names: [String]) async throws {
        let client = client
        try await within(patience, "the pictures \(names)") {
            for try await _ in try await client.fetchProgress(names) {}
        }
    }

    /// Waits for a change of that kind of that name, from the beginning of the log on.
    @discardableResult
    func change(_ kind: ChangeKind, of name: String, after cursor: Int = 0) async throws -> Change {
        let client = client
        return try await within(patience, "\(kind) of \(name)") {
            for try await reply in try await client.watch(since: cursor) {
                for change in reply.changes where change.kind == kind && change.avatar.name == name { return change }
            }
            throw TimedOut(what: "\(kind) of \(name): the stream ended", waited: .zero)
        }
    }

    /// What a one-shot label of that name is told in the end.
    func finalState(_ name: String) async throws -> AvatarState {
        let client = client
        return try await within(patience, "an end of \(name)") {
            for try await reply in try await client.register([LabelRequest(label: "face", name: name)]) {
                for label in reply.labels where ![.pending, .paused].contains(label.avatar.state) {
                    return label.avatar.state
                }
            }
            throw TimedOut(what: "an end of \(name): the stream ended", waited: .zero)
        }
    }

    /// The last change's cursor.
    func cursor() async throws -> Int { try await client.changes().cursor }

    /// Every change by now of these kinds, as "kind name".
    func changes(_ kinds: ChangeKind..., after cursor: Int = 0) async throws -> [String] {
        var told: [String] = []
        var since = cursor
        while true {
            let reply = try await client.changes(since: since)
            guard let last = reply.changes.last else { return told }
            told += reply.changes.filter { kinds.contains($0.kind) }.map { "\($0.kind) \($0.avatar.name ?? "-")" }
            since = last.cursor
        }
    }

    /// A file at a final name of the cache.
    func cached(_ name: String) -> String { cache + "/" + name }
    /// A file in the upload folder.
    func crop(_ name: String) -> String { crops + "/" + name }
}

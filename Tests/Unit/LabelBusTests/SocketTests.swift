import AgentRuntime
import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import Logging
import PosixFiles
import ServiceLifecycle
import Testing

@Suite("The socket", .timeLimit(.minutes(1)))
struct SocketTests {
    private func permissions(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test("the folder is made with mode 0700 and the socket with 0600; both clear of the umask")
    func modes() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("run/agent.sock")
        let socket = try BusSocket.open(path: path, environment: [:])
        #expect(try permissions(folder.file("run")) == 0o700)
        #expect(try permissions(path) == 0o600)
        _ = consume socket
    }

    @Test("a second agent is refused while the first answers, and takes over a socket that nobody answers at")
    func probing() async throws {
        try await withBus { bus in
            #expect(throws: BusSocketError.inUse(path: bus.path)) {
                _ = try BusSocket.open(path: bus.path, environment: [:])
            }
            let status = try await AgentClient(socketPath: bus.path).status()
            #expect(status.version == "1.0")
        }
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        do { _ = try UnixSocket.listen(path, backlog: 1) }
        #expect(try UnixSocket.probe(path) == .abandoned)
        let socket = try BusSocket.open(path: path, environment: [:])
        #expect(try UnixSocket.probe(path) == .answered)
        _ = consume socket
    }

    @Test("what is no socket is left alone")
    func notASocket() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: BusSocketError.self) { _ = try BusSocket.open(path: path, environment: [:]) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test("a path that is too long for a socket is a clear error")
    func longPath() {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        #expect(throws: BusSocketError.self) { _ = try BusSocket.open(path: path, environment: [:]) }
    }

    @Test("a graceful shutdown closes the clients, tells the service, and unlinks the socket")
    func shutdown() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        let agent = ScriptedAgent()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let server = BusServer(
            socket: try BusSocket.open(path: path, environment: [:]), service: agent, info: ServiceInfo(version: "1"),
            logger: logger)
        let group = ServiceGroup(services: [server], logger: logger)
        let run = Task { try await group.run() }
        var replies = try await AgentClient(socketPath: path).watch().makeAsyncIterator()
        #expect(try await replies.next()?.cursor == 0)
        await group.triggerGracefulShutdown()
        try await run.value
        #expect(agent.hungUpStreams.count == 1)
        #expect(!FileManager.default.fileExists(atPath: path))
        await #expect(throws: AgentClientError.self) { _ = try await replies.next() }
    }

    @Test("more clients than the bound are told so, and closed; there is room again when one goes")
    func connectionBound() async throws {
        try await withBus(connectionsMax: 2) { bus in
            let first = try await RawClient(bus.path)
            let second = try await RawClient(bus.path)
            let getInfo = #"{"method":"org.varlink.service.GetInfo"}"#
            for client in [first, second] {
                try await client.send(getInfo)
                #expect(try await client.next()?.contains("vendor") == true)
            }
            let third = try await RawClient(bus.path)
            try await third.send(getInfo)
            #expect(
                try await third.next()
                    == #"{"error":"org.avatard.Agent.TooMany","parameters":{"what":"connections","limit":2}}"#)
            #expect(try await third.next() == nil)
            try await first.close()
            while bus.server.connectionCount > 1 { await Task.yield() }
            let fourth = try await RawClient(bus.path)
            try await fourth.send(getInfo)
            #expect(try await fourth.next()?.contains("vendor") == true)
        }
    }

    @Test(
        "a client of another user is answered PermissionDenied, and closed",
        .enabled(if: geteuid() == 0, "needs root, to become another user"))
    func otherUser() async throws {
        try await withBus { bus in
            // The modes would keep it out before the kernel is asked who it is.
            chmod(bus.folder.path, 0o755)
            chmod(bus.path, 0o666)
            // PyPI's client, from where that user can read it.
            let packages = try await Program.run(Program.packageFolder + "/scripts/python-env", in: bus.folder)
            try FileManager.default.copyItem(
                atPath: (packages.lines.last ?? "") + "/varlink", toPath: bus.folder.file("varlink"))
            let script = """
                import sys, varlink
                try:
                    varlink.Client("unix:" + sys.argv[1]).get_interfaces()
                except varlink.VarlinkError as problem:
                    print(problem.error(), problem.parameters())
                """
            let other = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
            let result = try await Program.run(
                "/usr/bin/setpriv", other + ["/usr/bin/python3", "-c", script, bus.path],
                environment: ["PYTHONPATH": bus.folder.path], in: bus.folder)
            #expect(result.output == "org.varlink.service.PermissionDenied {}\n", "\(result.errors)")
            #expect(bus.agent.calls.isEmpty)
        }
    }

    @Test(
        "clients leave descriptors for everything else",
        arguments: [(2048, 524_288, 2048), (2048, 1024, 704), (10, 1024, 10), (2048, 100, 1)])
    func descriptors(wanted: Int, limit: Int, connections: Int) {
        #expect(BusServer.connections(wanted: wanted, limit: limit) == connections)
    }

    @Test("the lock of a state folder is held by one process's owner at a time")
    func lock() throws {
        let folder = try TemporaryFolder()
        func isFree() throws -> Bool {
            switch try FileLock.take(folder.file("lock")) {
            case .some: true
            case .none: false
            }
        }
        do {
            let held = try FileLock.take(folder.file("lock"))
            #expect(try !isFree())
            _ = consume held
        }
        #expect(try isFree())
        #expect(try permissions(folder.file("lock")) == 0o600)
    }
}

@Suite("Socket activation")
struct ActivationTests {
    private static let table: [([String: String], Int32?)] = [
        ([:], nil),
        (["LISTEN_FDS": "1"], nil),
        (["LISTEN_FDS": "1", "LISTEN_PID": "8", "LISTEN_FDNAMES": "varlink"], nil),
        (["LISTEN_FDS": "0", "LISTEN_PID": "7", "LISTEN_FDNAMES": "varlink"], nil),
        (["LISTEN_FDS": "x", "LISTEN_PID": "7", "LISTEN_FDNAMES": "varlink"], nil),
        (["LISTEN_FDS": "1", "LISTEN_PID": "7", "LISTEN_FDNAMES": "varlink"], 3),
        (["LISTEN_FDS": "3", "LISTEN_PID": "7", "LISTEN_FDNAMES": "other::varlink"], 5),
    ]

    @Test("the socket called varlink is taken, when it was meant for this process", arguments: table)
    func choosing(environment: [String: String], descriptor: Int32?) throws {
        #expect(try SocketActivation.descriptor(in: environment, processID: 7) == descriptor)
    }

    @Test("sockets without the name are an error", arguments: ["", "other", "other:varlink"])
    func unnamed(names: String) {
        #expect(throws: BusSocketError.activationWithoutName) {
            try SocketActivation.descriptor(
                in: ["LISTEN_FDS": "1", "LISTEN_PID": "7", "LISTEN_FDNAMES": names], processID: 7)
        }
    }
}

/// With systemd's own tool.
@Suite("Activated by systemd", .timeLimit(.minutes(1)))
struct SystemdActivationTests {
    private static let tool = "/usr/bin/systemd-socket-activate"

    @Test(
        "the first call starts the agent, is answered by it, and the socket outlives it",
        .enabled(if: FileManager.default.isExecutableFile(atPath: tool), "needs systemd-socket-activate"))
    func activation() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.tool)
        process.arguments =
            ["--listen", path, "--fdname", "varlink"]
            + ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"].flatMap {
                ["--setenv", "\($0)=\(folder.path)"]
            } + [Program.product("avatard"), "--bus-socket", folder.file("unused.sock")]
        process.standardError = FileHandle(forWritingAtPath: "/dev/null")
        try process.run()
        while !FileManager.default.fileExists(atPath: path) { try await Task.sleep(for: .milliseconds(5)) }
        #expect(!FileManager.default.fileExists(atPath: folder.file("avatard")), "nothing runs before the first call")
        let status = try await AgentClient(socketPath: path).status()
        #expect(status.connection == "offline")
        #expect(FileManager.default.fileExists(atPath: folder.file("avatard/catalog.sqlite")))
        #expect(!FileManager.default.fileExists(atPath: folder.file("unused.sock")))
        // The tool has become the program.
        process.terminate()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(FileManager.default.fileExists(atPath: path))
    }
}

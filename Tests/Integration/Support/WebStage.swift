import BusTestSupport
import Foundation
import Synchronization

/// A server with its HTTP front over TLS and the users ada (1001) and bob (1002), a wire that can be cut, and an agent for ada.
final class WebStage: Sendable {
    let folder: TemporaryFolder
    let server: ServerProgram
    let wire: Wire
    let agent: AgentProgram
    let ada: ServerProgram.User
    let bob: ServerProgram.User
    /// The server's certificate, which nobody has signed but itself.
    let certificate: String
    private let port: Port

    /// Where the front listens now.
    private final class Port: Sendable {
        let current = Mutex(1)
    }

    private init(_ folder: TemporaryFolder) async throws {
        self.folder = folder
        certificate = folder.file("cert.pem")
        try await Self.makeCertificate(in: folder, for: "DNS:localhost,IP:127.0.0.1")
        server = try ServerProgram(in: folder)
        ada = try await server.addUser(1001, name: "ada")
        bob = try await server.addUser(1002, name: "bob")
        let port = Port()
        self.port = port
        wire = try await Wire { port.current.withLock { $0 } }
        agent = try AgentProgram("a", in: folder)
        try await startServer()
    }

    /// Sets everything up, starts the server, runs `body`, and ends every program.
    static func run(_ body: (WebStage) async throws -> Void) async throws {
        let stage = try await WebStage(try TemporaryFolder())
        do {
            try await body(stage)
        } catch {
            await stage.end()
            throw error
        }
        await stage.end()
    }

    static func makeCertificate(in folder: TemporaryFolder, for names: String) async throws {
        let made = try await Program.run(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-keyout", folder.file("key.pem"), "-out", folder.file("cert.pem"), "-subj", "/CN=localhost",
                "-addext", "subjectAltName=\(names)",
            ], environment: [:], in: folder)
        guard made.status == 0 else { throw RunningProgram.NotReady(description: made.errors) }
    }

    /// Starts the server, or starts it again on another port. `isPlain` is for a proxy in front of it.
    func startServer(_ arguments: [String] = [], isPlain: Bool = false) async throws {
        let secure = ["--http-tls-certificate-file", certificate, "--http-tls-key-file", folder.file("key.pem")]
        let portFile = folder.file("http-port-" + UUID().uuidString.prefix(8))
        let place = ["--http-listen-host", "127.0.0.1", "--http-listen-port", "0", "--http-port-file", portFile]
        try await server.start(place + (isPlain ? ["--http-plaintext", "true"] : secure) + arguments)
        lead(to: try boundPort(in: portFile))
    }

    /// Ends the server and starts it with other arguments.
    func restartServer(_ arguments: [String], isPlain: Bool = false) async throws {
        _ = try await server.program.terminate()
        try await startServer(arguments, isPlain: isPlain)
    }

    /// The port to which ``url`` leads.
    var frontPort: Int { port.current.withLock { $0 } }

    /// Whoever connects to ``url`` from now on comes to that port.
    func lead(to port: Int) { self.port.current.withLock { $0 = port } }

    /// The server by way of the wire.
    var url: String { "https://localhost:\(wire.port)" }

    /// Starts ada's agent over the wire.
    func startAgent(_ arguments: [String] = []) async throws {
        try await agent.start(Self.login(ada, url) + ["--server-ca-file", certificate] + arguments)
    }

    /// The flags of a login over HTTP.
    static func login(_ user: ServerProgram.User, _ url: String) -> [String] {
        ["--server-url", url, "--identity-uid", "\(user.uid)", "--identity-token-file", user.tokenFile]
    }

    /// Puts a picture over HTTP, as another program of bob's would.
    func put(_ bytes: [UInt8], _ name: String, by user: ServerProgram.User) async throws {
        let file = folder.file("put-" + UUID().uuidString.prefix(8))
        try write(bytes, to: file)
        let token = String(decoding: contents(user.tokenFile) ?? [], as: UTF8.self).trimmingCharacters(in: .newlines)
        let put = try await Program.run(
            "/usr/bin/curl",
            [
                "-sS", "--fail", "--cacert", certificate, "-u", "\(user.uid):\(token)", "-T", file,
                "\(url)/v1/users/\(user.uid)/avatars/\(name)",
            ], environment: [:], in: folder)
        guard put.status == 0 else { throw RunningProgram.NotReady(description: put.errors) }
    }

    private func end() async {
        if ProcessInfo.processInfo.environment["AVATARD_TEST_LOGS"] != nil {
            let lines = ((try? agent.program.log.lines) ?? []) + ((try? server.program.log.lines) ?? [])
            print(lines.joined(separator: "\n"))
        }
        try? await agent.program.killNow()
        try? await server.program.killNow()
        await wire.close()
    }
}

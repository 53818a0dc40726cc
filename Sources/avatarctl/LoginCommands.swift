import ArgumentParser
internal import AvatarAgentClient
internal import AvatarCore
internal import Glibc
internal import LabelBus
internal import PosixFiles

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Names the resource server and the user.",
        discussion: """
            The token is read from standard input, or from a file that nobody else can read; never from the command line, \
            which other users can see. The agent keeps it, and nothing ever prints it.

            The agent then asks the server whether it takes the user and the token. Exits with 1 when the server does not, and \
            with 4 when it cannot be reached; the login is kept in either case.
            """)

    @Option(help: "The base URL of a server that speaks HTTP: https://avatars.example.org, https://192.0.2.7:9443.")
    var url: String?

    @Option(
        help: "The host name or address of a server of the classic dialect, perhaps with its port: example.org:9090.")
    var host: String?

    @Option(help: "The server's TCP port, 9090 when --host does not say either.")
    var port: Int?

    @Option(help: "The user's number.")
    var uid: Int

    @Option(help: "The file that holds the token; otherwise it is read from standard input.", completion: .file())
    var tokenFile: String?

    @Flag(help: "Do not ask the server whether it takes the login.")
    var noVerify = false

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let server = try server()
        try await common.run { client in
            let token = try tokenFile.map(Token.read) ?? Token.readFromStandardInput()
            try await client.login(server: server, uid: uid, token: token)
            let address = server.url ?? HostPort.text(host: server.host, port: server.port)
            if noVerify { return common.done("user \(uid) at \(address), not verified") }
            let verified: VerifyReply
            do {
                verified = try await client.verify()
            } catch AgentError.methodNotFound {
                // An earlier agent cannot tell.
                return common.done("user \(uid) at \(address), not verified: the agent is of an earlier version")
            } catch let error as AgentError {
                Output.errorLine("avatarctl: user \(uid) at \(address) is kept as the login, but not verified")
                throw error
            }
            if common.json { return Output.line(verified) }
            Output.line("user \(verified.uid) at \(address): the server took the token (\(verified.dialect) protocol)")
        }
    }

    /// What `--url` names, or `--host` and `--port` together.
    private func server() throws -> Server {
        if let url {
            guard host == nil, port == nil else {
                throw ValidationError(
                    "--url names the server for HTTP, --host and --port for the classic dialect: give one of them")
            }
            do throws(ServerURL.Fault) {
                let read = try ServerURL(url)
                return Server(host: read.host, port: read.port, url: read.description)
            } catch {
                throw ValidationError("--url \"\(url)\" \(error)")
            }
        }
        guard let host else {
            throw ValidationError("name the server: --url https://… for HTTP, or --host for the classic dialect")
        }
        if let port, !(1...65_535).contains(port) { throw ValidationError("--port must be from 1 to 65535") }
        do throws(HostPortError) {
            let address = try HostPort(host)
            if let named = address.port, let port, named != port {
                throw HostPortError.otherPort(named, beside: port)
            }
            return Server(host: address.host, port: address.port ?? port ?? 9090)
        } catch {
            throw ValidationError("--host \"\(host)\" \(error)")
        }
    }
}

/// What whoever is not logged in is told to type.
enum LoginLine {
    static let toType = "avatarctl login --url https://HOST --uid UID, or --host HOST for the classic dialect"
}

struct Logout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the agent forget the server, the user and the token.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { client in
            try await client.logout()
            common.done("logged out")
        }
    }
}

/// Reads a token without showing it to anybody.
enum Token {
    /// From a file that only its owner can read.
    static func read(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw LocalError(description: "\(path): \(String(cString: strerror(errno)))")
        }
        let file = OpenFile(adopting: descriptor)
        let bytes: [UInt8]
        do {
            let facts = try file.facts()
            guard facts.kind == .regular else { throw LocalError(description: "\(path): is no file") }
            if facts.permissions & 0o077 != 0 {
                throw LocalError(description: "\(path): others can read it; chmod 600 \(path)")
            }
            bytes = try file.read(at: 0, count: TokenText.bytesMax)
        } catch let error as PosixError {
            throw LocalError(description: "\(path): \(error)")
        }
        return try check(bytes, from: path)
    }

    /// From standard input: one line; on a terminal, asked for without an echo.
    static func readFromStandardInput() throws -> String {
        guard isatty(STDIN_FILENO) == 1 else { return try check(firstLine(), from: "standard input") }
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else {
            throw LocalError(description: "the terminal cannot be read")
        }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        // Before it is asked for: what is typed in answer is neither shown nor thrown away.
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
        defer { tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) }
        Output.errorLine("Token (it is not shown):")
        return try check(firstLine(), from: "the terminal")
    }

    private static func firstLine() -> [UInt8] {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while bytes.count < TokenText.bytesMax {
            let got = Glibc.read(STDIN_FILENO, &byte, 1)
            if got < 0, errno == EINTR { continue }
            // A blank line before the token is no part of it.
            if got < 1 || (byte == UInt8(ascii: "\n") && (try? TokenText.token(in: bytes)) != nil) { break }
            bytes.append(byte)
        }
        return bytes
    }

    private static func check(_ bytes: [UInt8], from place: String) throws -> String {
        do throws(TokenText.Fault) {
            return try TokenText.token(in: bytes)
        } catch {
            throw LocalError(description: "\(place): \(error)")
        }
    }
}

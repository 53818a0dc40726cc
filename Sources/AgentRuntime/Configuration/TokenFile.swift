internal import AvatarCore
internal import PosixFiles

/// Where a token lies: the configured file, else systemd's credential, else the state directory.
package enum TokenFile {
    /// A token that cannot be used, and what to do.
    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
        /// Whether it is a login that was made over the bus: the agent runs without it, and another one mends it.
        var isOfKeptLogin = false
    }

    /// The name of the credential and, less its folder, of the file in the state directory (systemd.exec(5),
    /// LoadCredential).
    static let credential = "credential.token"

    /// A token and the file that it stands in.
    package struct Found: Hashable, Sendable {
        package let token: String
        package let path: String
    }

    /// The token, or nil when nobody has put one anywhere.
    package static func read(
        configured: String?, stateDirectory: String, environment: [String: String]
    ) throws(Fault) -> Found? {
        let places = places(configured: configured, stateDirectory: stateDirectory, environment: environment)
        for path in places {
            if let token = try read(path, isRequired: configured != nil) { return Found(token: token, path: path) }
        }
        return nil
    }

    /// Where the token may lie, the first place first.
    static func places(configured: String?, stateDirectory: String, environment: [String: String]) -> [String] {
        if let configured { return [configured] }
        let credentials = environment["CREDENTIALS_DIRECTORY"].map { [$0 + "/" + credential] } ?? []
        return credentials + [stateDirectory + "/token"]
    }

    /// One file: refused when others can read it, or when it holds no token.
    static func read(_ path: String, isRequired: Bool) throws(Fault) -> String? {
        let facts: FileFacts
        let bytes: [UInt8]
        do throws(PosixError) {
            let file = try OpenFile.open(path: path)
            facts = try file.facts()
            bytes = try file.read(at: 0, count: TokenText.bytesMax)
        } catch {
            if error.isMissing, !isRequired { return nil }
            throw Fault(description: "the token file cannot be read: \(error)")
        }
        guard facts.permissions & 0o077 == 0 else {
            throw Fault(description: "the token file \(path) can be read by others: chmod 600 \(path)")
        }
        do throws(TokenText.Fault) {
            return try TokenText.token(in: bytes)
        } catch {
            throw Fault(description: "the token file \(path) cannot be used: \(error)")
        }
    }
}

/// Where the configured user's token comes from, to be read again when it may be another one.
struct TokenSource: Sendable {
    private let server: ServerAddress
    private let uid: UserID
    private let configured: String?
    private let stateDirectory: String
    private let environment: [String: String]

    /// Nil where the configuration names no server or no user.
    init?(_ settings: AgentSettings, environment: [String: String]) {
        guard let server = settings.server, let uid = settings.uid else { return nil }
        self.server = server
        self.uid = uid
        self.environment = environment
        configured = settings.tokenFile
        stateDirectory = settings.stateDirectory
    }

    /// The files in which the token may lie.
    var places: [String] {
        TokenFile.places(configured: configured, stateDirectory: stateDirectory, environment: environment)
    }

    /// The configured user with the token as it lies there now; nil where there is none.
    func account() throws(TokenFile.Fault) -> Account? {
        let found = try TokenFile.read(
            configured: configured, stateDirectory: stateDirectory, environment: environment)
        return found.map { Account(server: server, uid: uid, token: $0.token, tokenFile: $0.path) }
    }
}

internal import AvatarCore

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

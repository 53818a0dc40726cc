import AgentRuntime
import AvatarCore
import Foundation
import ProgramSupport
import ServerRuntime
import Testing

/// Configuration that was read again against the one in force, key by key.
@Suite struct ReloadTests {
    /// Another value than the default for each key.
    private static let agentValues: [AgentKey: String] = [
        .serverURL: "https://example.org:443", .serverCAFile: "/ca", .serverAllowPlaintext: "true",
        .serverPin: String(repeating: "ab", count: 32), .serverHost: "example.org", .serverPort: "1",
        .serverClassicChunkBytes: "1024", .identityUID: "7",
        .identityTokenFile: "/t", .cacheDirectory: "/c", .cacheBytesMax: "5", .cacheRecheckAfter: "60",
        .uploadDirectory: "/u", .uploadIgnore: "*.new, old?",
        .uploadBytesMax: "6", .picturesTypes: "bmp,png", .stateDirectory: "/st", .busSocket: "/b",
        .storageSync: "none", .logLevel: "debug", .logFormat: "json",
    ]

    private func agent(_ values: [AgentKey: String]) async throws -> AgentSettings {
        try AgentSettings(
            LayeredConfiguration(flags: values, environment: ProcessEnvironment([:]), file: nil),
            BaseDirectories(
                ProcessEnvironment(["XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"])))
    }

    private func server(_ values: [ServerKey: String]) async throws -> ServerSettings {
        try ServerSettings(
            LayeredConfiguration(flags: values, environment: ProcessEnvironment([:]), file: nil))
    }

    @Test(arguments: AgentKey.allCases)
    func ofTheAgentAChangeIsSeenAndTakenOverOrWaits(_ key: AgentKey) async throws {
        guard let value = Self.agentValues[key] else {
            // `auto` and `classic` mean the same.
            #expect(key == .serverDialect)
            return
        }
        let running = try await agent([:])
        let new = try await agent([key: value])
        let changes = running.changes(to: new)
        #expect(changes.map(\.key) == [key])
        #expect(changes.first?.after == value)
        let left = running.taking(new).changes(to: new)
        #expect(left.map(\.key) == (key.isReloadable ? [] : [key]))
        #expect(new.changes(to: new).isEmpty)
    }

    @Test(arguments: ServerKey.allCases)
    func ofTheServerAChangeIsSeenAndTakenOverOrWaits(_ key: ServerKey) async throws {
        let values: [ServerKey: String] = [
            .storageRoot: "/x", .storageSync: "none", .storesKind: "cluster", .storesSQLiteFile: "/x",
            .redisSocket: "/x", .mysqlSocket: "/x", .classicChunkBytes: "1024", .classicBodyBytesMax: "5000",
            .classicOpenUpload: "true", .logLevel: "debug", .logFormat: "json", .listenHost: "::1", .metricsHost: "::1",
            .listenPort: "1", .redisPort: "1", .mysqlPort: "1", .metricsPort: "1", .uploadBytesMax: "1",
            .quotaBytesPerUser: "1", .httpListenHost: "::1", .httpListenPort: "1", .httpListenSocket: "/x",
            .httpListenSocketMode: "0600", .httpTLSCertificateFile: "/x",
            .httpTLSKeyFile: "/x", .httpPlaintext: "true", .httpPublicAvatars: "true",
            .httpCORSOrigins: "https://a.example",
        ]
        let value = values[key] ?? "other"
        // Neither of the two is of use alone.
        let isTLS = key == .httpTLSCertificateFile || key == .httpTLSKeyFile
        let before: [ServerKey: String] =
            isTLS
            ? [.httpTLSCertificateFile: "/cert", .httpTLSKeyFile: "/key"]
            : key == .httpListenSocket ? [.httpPlaintext: "true"] : [:]
        let running = try await server(before)
        let new = try await server(before.merging([key: value]) { $1 })
        #expect(running.changes(to: new).map(\.key) == [key])
        let left = running.taking(new).changes(to: new)
        #expect(left.map(\.key) == (key.isReloadable ? [] : [key]))
    }

    @Test func aChangeIsSaidInOneSentence() {
        #expect(
            "\(ConfigurationChange(AgentKey.logLevel, before: "info", after: "debug"))"
                == "log.level is debug now, and was info")
        #expect(
            "\(ConfigurationChange(AgentKey.cacheDirectory, before: "/a", after: "/b"))"
                == "cache.directory is /b now, and was /a: it takes effect after a restart")
        let secret = "\(ConfigurationChange(ServerKey.redisPassword, before: "old", after: "new"))"
        #expect(secret == "redis.password has changed: it takes effect after a restart")
    }

    // MARK: Who is logged in

    private func account(_ uid: Int64, _ token: String = "t", host: String = "a") throws -> Account {
        Account(server: ServerAddress(host: host, port: 1), uid: try #require(UserID(uid)), token: token)
    }

    @Test func aNewTokenOfTheSameUserIsTaken() throws {
        guard
            case .logsIn = LoginStep.after(
                current: try account(1), configured: try account(1, "new"), keysChanged: false)
        else { return #expect(Bool(false), "the new token is not taken") }
    }

    @Test func whoHasLoggedOutStaysSoUntilAnAccountIsConfigured() throws {
        guard case .stays = LoginStep.after(current: nil, configured: try account(1), keysChanged: false) else {
            return #expect(Bool(false), "logged in by a reload that changed nothing")
        }
        guard case .logsIn = LoginStep.after(current: nil, configured: try account(1), keysChanged: true) else {
            return #expect(Bool(false), "the configured account is not taken")
        }
    }

    @Test func anAccountThatIsConfiguredNoLongerIsLoggedOut() throws {
        guard case .logsOut = LoginStep.after(current: try account(1), configured: nil, keysChanged: true) else {
            return #expect(Bool(false), "still logged in")
        }
        guard case .stays = LoginStep.after(current: try account(1), configured: nil, keysChanged: false) else {
            return #expect(Bool(false), "logged out by a reload that changed nothing")
        }
    }

    @Test func theSameAccountIsLeftAlone() throws {
        guard case .stays = LoginStep.after(current: try account(1), configured: try account(1), keysChanged: true)
        else { return #expect(Bool(false), "logged in again") }
    }
}

import AgentRuntime
import ArgumentParser
import AvatarCore
import Foundation
import Logging
import ProgramSupport
import ServiceLifecycle

/// The agent's main: reads the configuration, runs the agent, ends it on SIGTERM and SIGINT.
@main
struct AvatardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "avatard",
        abstract: "Keeps a chat user's avatar folder right: fetches, uploads, and tells labels.",
        discussion: """
            Every option is also a key of the YAML file (server.host) and an environment variable (AVATARD_SERVER_HOST); \
            options win over the environment, that over the file. See avatard(1).
            """,
        version: Version.current)

    @Option(help: "The YAML file; $XDG_CONFIG_HOME/avatard/avatard.yaml when that is there.") var config: String?
    @Option(help: "Print every key, its value and where that comes from, as text or json, and end.")
    var showConfig: ConfigurationReport.Form?
    @Option(help: "The resource server's base URL, for HTTP: https://avatars.example.org.") var serverUrl: String?
    @Option(help: "The resource server's host, for the classic dialect.") var serverHost: String?
    @Option(help: "The resource server's port (9090).") var serverPort: String?
    @Option(help: "auto or classic.") var serverDialect: String?
    @Option(help: "Bytes of an upload's chunk (2048).") var serverClassicChunkBytes: String?
    @Option(help: "A file of certificates (PEM) to trust instead of the system's.") var serverCaFile: String?
    @Option(help: "SHA-256 of the public key in the server's certificate, to trust instead of an issuer.")
    var serverPin: String?
    @Option(help: "true: speak without encryption to a server anywhere.") var serverAllowPlaintext: String?
    @Option(help: "The user's number.") var identityUid: String?
    @Option(help: "The file that holds the token, mode 0600.") var identityTokenFile: String?
    @Option(help: "The cache folder.") var cacheDirectory: String?
    @Option(help: "Bytes that the cache may hold; 0 for no bound.") var cacheBytesMax: String?
    @Option(help: "Seconds until a shown picture is asked for again; 0 for never.") var cacheRecheckAfter: String?
    @Option(help: "The folder whose pictures are uploaded.") var uploadDirectory: String?
    @Option(help: "Picture formats taken (png,jpeg,webp,bmp,gif,avif).") var picturesTypes: String?
    @Option(help: "The largest picture uploaded, bytes.") var uploadBytesMax: String?
    @Option(help: "Names of files that are no avatars: patterns with commas between them.") var uploadIgnore: String?
    @Option(help: "The folder of the catalog.") var stateDirectory: String?
    @Option(help: "The label bus's socket.") var busSocket: String?
    @Option(help: "full or none: how much a commit waits for the disk.") var storageSync: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel: String?
    @Option(help: "text or json: how a line of the log looks.") var logFormat: String?

    private var flags: [AgentKey: String] {
        let given: [AgentKey: String?] = [
            .serverURL: serverUrl, .serverCAFile: serverCaFile, .serverPin: serverPin,
            .serverAllowPlaintext: serverAllowPlaintext, .serverHost: serverHost, .serverPort: serverPort,
            .serverDialect: serverDialect,
            .serverClassicChunkBytes: serverClassicChunkBytes, .identityUID: identityUid,
            .identityTokenFile: identityTokenFile, .cacheDirectory: cacheDirectory, .cacheBytesMax: cacheBytesMax,
            .cacheRecheckAfter: cacheRecheckAfter,
            .uploadDirectory: uploadDirectory, .uploadBytesMax: uploadBytesMax, .uploadIgnore: uploadIgnore,
            .picturesTypes: picturesTypes, .stateDirectory: stateDirectory,
            .busSocket: busSocket, .storageSync: storageSync, .logLevel: logLevel,
            .logFormat: logFormat,
        ]
        return given.compactMapValues(\.self)
    }

    /// What the program exits with after a wrong command line, as avatarctl does; ArgumentParser's own status for it is 64.
    private static let usageStatus: Int32 = 2

    /// Begins the program; SIGHUP ends it at no time.
    static func main() {
        HangUpSignal.hold()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch  where exitCode(for: error) == .validationFailure {
            FileHandle.standardError.write(Data((fullMessage(for: error) + "\n").utf8))
            Foundation.exit(usageStatus)
        } catch {
            exit(withError: error)
        }
    }

    func run() throws {
        try SingleThreadExecutor.run { try await serve() }
    }

    private func serve() async throws {
        do {
            try ProcessEnvironment.checkCommandLine()
            let environment = ProcessEnvironment.current()
            let directories = BaseDirectories(environment)
            let file: @Sendable () throws(ConfigurationError) -> String? = { () throws(ConfigurationError) in
                if let config { return config }
                return try directories.configurationFile("avatard/avatard.yaml")
            }
            let layers: @Sendable () throws(ConfigurationError) -> LayeredConfiguration<AgentKey> = {
                () throws(ConfigurationError) in
                LayeredConfiguration(flags: flags, environment: environment, file: try file())
            }
            let read: @Sendable () throws(ConfigurationError) -> AgentSettings = {
                () throws(ConfigurationError) in
                try AgentSettings(try layers(), directories)
            }
            let settings = try read()
            if let showConfig {
                for line in try ConfigurationReport(try layers(), settings).lines(showConfig) { print(line) }
                return
            }
            let log = ProgramLog(level: settings.logLevel, form: settings.logFormat, environment: environment)
            let logger = log.logger("avatard")
            for word in directories.ignored { logger.warning("\(word)") }
            let agent = Agent(settings: settings, environment: environment, log: log, readAgain: read)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [.init(service: agent, successTerminationBehavior: .gracefullyShutdownGroup)],
                    logger: logger))
            let requests = EndSignal.occurrences()
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { for await _ in requests { await group.triggerGracefulShutdown() } }
                defer { tasks.cancelAll() }
                try await group.run()
            }
        } catch {
            let lines = (error as? ConfigurationError)?.faults.map(\.description) ?? [ErrorWords.text(error)]
            FileHandle.standardError.write(Data(lines.map { "avatard: \($0)\n" }.joined().utf8))
            throw ExitCode(Self.status(of: error))
        }
    }

    private static func status(of error: any Error) -> Int32 {
        switch error {
        case let error as ConfigurationError: error.isOfCommandLine ? usageStatus : 78
        case is Agent.EndFault: Agent.EndFault.exitStatus
        default: 1
        }
    }
}

extension ConfigurationReport.Form: ExpressibleByArgument {}

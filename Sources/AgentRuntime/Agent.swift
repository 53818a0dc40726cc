internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Foundation
internal import LabelBus
package import Logging
internal import NIOCore
internal import NIOPosix
internal import PosixFiles
internal import ProgramSupport
internal import ServiceLifecycle
internal import Synchronization
internal import TransferMachines

/// The agent: its driver, its disk thread, its folder watch and its bus, started together and stopped in reverse.
package final class Agent: Service {
    /// Something without which the agent cannot run, and what to do about it.
    package struct StartFault: Error, CustomStringConvertible {
        package let description: String
    }

    /// What this agent is, for `Status` and `org.varlink.service.GetInfo`.
    package static let version = "0.1.0"

    private let settings: AgentSettings
    private let environment: [String: String]
    private let logger: Logger

    /// An agent with settings that were read and checked.
    package init(settings: AgentSettings, environment: [String: String], logger: Logger) {
        self.settings = settings
        self.environment = environment
        self.logger = logger
    }

    /// Runs until the service group shuts down; throws ``StartFault`` and the like when it cannot begin.
    package func run() async throws {
        _ = try Folder.make(path: settings.stateDirectory)
        guard let lock = try FileLock.take(settings.stateDirectory + "/lock") else {
            throw StartFault(
                description: "another agent runs on \(settings.stateDirectory): systemctl --user status avatard")
        }
        try await run(holding: lock)
    }

    private func run(holding lock: consuming FileLock) async throws {
        let notices = ServiceManager(environment: environment)
        let logins = LoginStore(
            stateDirectory: settings.stateDirectory, classicChunkBytes: settings.classicChunkBytes)
        let account: Account?
        var loginFault: TokenFile.Fault?
        do throws(TokenFile.Fault) {
            account = try self.account(logins)
        } catch {
            // A kept login that cannot be used is mended by a new one, over the bus.
            guard error.isOfKeptLogin else { throw error }
            logger.warning("nobody is logged in", metadata: ["detail": "\(error)"])
            (account, loginFault) = (nil, error)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let core = try AgentCore(
            settings: settings, logins: logins, tokens: TokenSource(settings, environment: environment),
            loop: group.next(), logger: logger)
        try await core.begin(account, fault: loginFault?.description)
        let bus = BusServer(
            socket: try BusSocket.open(path: settings.busSocket), service: core,
            info: ServiceInfo(version: Self.version), logger: logger,
            group: group)
        let network = NetworkWatch(on: group.next()) { core.networkChanged() }
        notices.ready()
        logger.info(
            "the agent runs",
            metadata: ["cache": "\(settings.cacheDirectory)", "crops": "\(settings.uploadDirectory)"])
        let outcome: Result<Void, any Error>
        do {
            try await bus.run()
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        notices.stopping()
        await network.stop()
        try await core.stop()
        try await group.shutdownGracefully()
        _ = consume lock
        try outcome.get()
    }

    /// Who is logged in at the start: flags and environment, then what was kept of a login, then the file.
    private func account(_ logins: LoginStore) throws(TokenFile.Fault) -> Account? {
        if !settings.isServerPinned, let kept = try logins.load() { return kept }
        guard let tokens = TokenSource(settings, environment: environment) else { return nil }
        let account = try tokens.account()
        if account == nil {
            logger.warning(
                "no token: put it into the state directory, or log in",
                metadata: ["file": "\(settings.stateDirectory)/token", "command": "avatarctl login"])
        }
        return account
    }
}

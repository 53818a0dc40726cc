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

    /// Why the agent ended by itself: a start anew finds things as they are now, which going on would not.
    package struct EndFault: Error, CustomStringConvertible {
        /// What the process exits with (sysexits.h, EX_TEMPFAIL): systemd starts it anew.
        package static let exitStatus: Int32 = 75

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
        // Before anything else: it holds the locks.
        let home = try StateHome(settings: settings)
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
        let end = EndReason()
        let core = try AgentCore(
            settings: settings, logins: logins, tokens: TokenSource(settings, environment: environment), home: home,
            loop: group.next(), logger: logger, end: end.give)
        try await core.begin(account, fault: loginFault?.description)
        let bus = BusServer(
            socket: try BusSocket.open(path: settings.busSocket), service: core,
            info: ServiceInfo(version: Self.version), logger: logger,
            group: group)
        core.serve(on: bus)
        end.onReason { bus.stop() }
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
        try outcome.get()
        if let reason = end.reason { throw EndFault(description: reason) }
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

/// Where the word that the agent cannot go on waits for the end of its bus.
private final class EndReason: Sendable {
    private struct State {
        var reason: String?
        var stop: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var reason: String? { state.withLock { $0.reason } }

    /// The agent ends, with the first reason that was given.
    func give(_ reason: String) {
        let stop = state.withLock { state in
            state.reason = state.reason ?? reason
            return state.stop
        }
        stop?()
    }

    /// Names what ends the agent, and does it when a reason is there already.
    func onReason(_ stop: @escaping @Sendable () -> Void) {
        let isDue = state.withLock { state in
            state.stop = stop
            return state.reason != nil
        }
        if isDue { stop() }
    }
}

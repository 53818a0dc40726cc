internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Foundation
internal import LabelBus
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import PosixFiles
package import ProgramSupport
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

    private let settings: AgentSettings
    private let environment: ProcessEnvironment
    private let log: ProgramLog
    private let logger: Logger
    private let readAgain: @Sendable () throws(ConfigurationError) -> AgentSettings

    /// An agent with settings that were read and checked.
    ///
    /// - Parameter readAgain: reads the configuration anew, on SIGHUP.
    package init(
        settings: AgentSettings, environment: ProcessEnvironment, log: ProgramLog,
        readAgain: @escaping @Sendable () throws(ConfigurationError) -> AgentSettings
    ) {
        self.settings = settings
        self.environment = environment
        self.log = log
        self.readAgain = readAgain
        logger = log.logger("avatard")
    }

    /// Runs until the service group shuts down; throws ``StartFault`` and the like when it cannot begin.
    package func run() async throws {
        // Before anything else: it holds the locks.
        let home = try StateHome(settings: settings)
        try ConfiguredFolder.crops.make(settings)
        let notices = ServiceManager(environment: environment.variables)
        let logins = LoginStore(stateDirectory: settings.stateDirectory)
        let account: Account?
        var loginFault: TokenFile.Fault?
        do throws(TokenFile.Fault) {
            account = try self.account(logins, settings)
        } catch {
            // A kept login that cannot be used is mended by a new one, over the bus.
            guard error.isOfKeptLogin else { throw error }
            logger.warning("nobody is logged in", metadata: ["detail": "\(error)"])
            (account, loginFault) = (nil, error)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let end = EndReason()
        let core = try AgentCore(
            settings: settings, logins: logins, environment: environment, home: home,
            loop: group.next(), logger: logger, end: end.give)
        try await core.begin(account, fault: loginFault?.description)
        let bus = BusServer(
            socket: try BusSocket.open(path: settings.busSocket), service: core,
            info: ServiceInfo(version: Version.current), logger: logger,
            group: group)
        core.serve(on: bus)
        end.onReason { bus.stop() }
        let network = NetworkWatch(on: group.next()) { core.networkChanged() }
        notices.ready()
        let watchdog = core.watchdog(of: notices)
        logger.info(
            "the agent runs",
            metadata: ["cache": "\(settings.cacheDirectory)", "crops": "\(settings.uploadDirectory)"])
        let outcome: Result<Void, any Error>
        do {
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { await self.reloadOnHangUps(core, logins, notices) }
                defer { tasks.cancelAll() }
                try await bus.run()
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        notices.stopping()
        watchdog?.stop()
        await network.stop()
        try await core.stop()
        try await group.shutdownGracefully()
        try outcome.get()
        if let reason = end.reason { throw EndFault(description: reason) }
    }

    /// Who is logged in at the start: flags and environment, then what was kept of a login, then the file.
    private func account(_ logins: LoginStore, _ settings: AgentSettings) throws(TokenFile.Fault) -> Account? {
        if !settings.isServerPinned, let kept = try logins.load(settings.manners) {
            return kept
        }
        guard let tokens = TokenSource(settings, environment: environment.variables) else { return nil }
        let account = try tokens.account()
        if account == nil {
            logger.warning(
                "no token: put it into the state directory, or log in",
                metadata: ["file": "\(settings.stateDirectory)/token", "command": "avatarctl login"])
        }
        return account
    }

    // MARK: Configuration that is read again

    /// Reads the configuration again whenever SIGHUP comes, until the task is cancelled.
    private func reloadOnHangUps(_ core: AgentCore, _ logins: LoginStore, _ notices: ServiceManager) async {
        for await _ in HangUpSignal.occurrences() {
            notices.reloading()
            do {
                let new = try readAgain()
                let changes = try await core.reload(new) { [self] settings in try account(logins, settings) }
                log.set(level: new.logLevel, form: new.logFormat)
                for change in changes {
                    logger.log(level: change.key.isReloadable ? .info : .warning, "configuration: \(change)")
                }
                if changes.isEmpty { logger.info("the configuration was read again: nothing has changed") }
            } catch {
                logger.error("the configuration was not taken over", metadata: ["detail": "\(error)"])
                core.configurationFailed("\(error)")
            }
            notices.ready()
        }
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

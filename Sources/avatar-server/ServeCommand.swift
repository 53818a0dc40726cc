import ArgumentParser
import AvatarCore
import Foundation
import HTTPFront
import Logging
import NIOCore
import ProgramSupport
import ServerRuntime
import ServiceLifecycle

/// `avatar-server serve`
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Listens and serves until SIGTERM or SIGINT.")

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "Write READY=1 to this descriptor once connections are accepted, and close it.")
    var readyFd: Int32?
    @Option(help: "Write the bound port into this file once connections are accepted.")
    var portFile: String?
    @Option(help: "Write the bound port of HTTP into this file, before connections are accepted.")
    var httpPortFile: String?

    func run() throws {
        // Not on Swift's default executor, which would wake an idle server once a second.
        try SingleThreadExecutor.run { try await serve() }
    }

    private func serve() async throws {
        let settings = try options.settings()
        let log = ProgramLog(level: settings.logLevel, form: settings.logFormat, environment: .current())
        do {
            try await serve(settings, log)
        } catch let error as StoreError {
            Failure.say("\(error)")
            throw Failure.unavailable
        } catch let error where !(error is ExitCode) {
            // A port that is taken, a port file that cannot be written, and what nobody foresaw.
            Failure.say(ErrorWords.text(error))
            throw Failure.unavailable
        }
    }

    private func serve(_ settings: ServerSettings, _ log: ProgramLog) async throws {
        let logger = log.logger("avatar-server")
        let manager = ServiceManager(environment: ProcessEnvironment.current().variables)
        let notice = ReadyNotice(
            descriptor: readyFd, manager: manager, portFile: portFile)
        let limit = DescriptorLimit.raise()
        let descriptors = DescriptorBudget(limit: limit, servesHTTP: settings.http.isOn)
        let stores = try openStores(settings, descriptors)
        let readiness = Readiness(notice, fronts: settings.http.isOn ? 2 : 1)
        let server = AvatarServer(settings, stores: stores, descriptors: descriptors, logger: logger) { address in
            logger.info(
                "listening",
                metadata: [
                    "address": "\(address.ipAddress ?? settings.listenHost)", "port": "\(address.port ?? 0)",
                    "stores": "\(settings.storesKind.rawValue)", "sync": "\(settings.storageSync.rawValue)",
                    "connections at most": "\(descriptors.connections)",
                ])
            try readiness.listening(classicPort: address.port ?? 0)
        }
        let front =
            settings.http.isOn ? try front(settings, server, readiness, descriptors.httpConnections, logger) : nil
        let services: [any Service] = [server] + (front.map { [$0] } ?? [])
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services.map { .init(service: $0, successTerminationBehavior: .gracefullyShutdownGroup) },
                logger: logger))
        let requests = EndSignal.occurrences()
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { for await _ in requests { await group.triggerGracefulShutdown() } }
            tasks.addTask { await reloadOnHangUps(server, front, manager, log) }
            defer { tasks.cancelAll() }
            try await group.run()
        }
        notice.stopping()
        logger.info("stopped")
    }

    private func front(
        _ settings: ServerSettings, _ server: AvatarServer, _ readiness: Readiness, _ connectionsMax: Int,
        _ logger: Logger
    ) throws -> HTTPFront {
        let portFile = httpPortFile
        return try HTTPFront(
            settings.http, service: server.avatars, version: Version.current,
            connectionsMax: connectionsMax, logger: logger
        ) { port in
            logger.info(
                "listening for HTTP",
                metadata: settings.http.socket.map { ["socket": "\($0)", "tls": "false"] }
                    ?? ["address": "\(settings.http.host)", "port": "\(port)", "tls": "\(settings.http.tls != nil)"])
            do {
                if let portFile {
                    try Data("\(port)\n".utf8).write(to: URL(fileURLWithPath: portFile), options: .atomic)
                }
                try readiness.listening(classicPort: nil)
            } catch {
                logger.error("cannot tell that HTTP is ready", metadata: ["detail": "\(ErrorWords.text(error))"])
            }
        }
    }

    /// Reads configuration and certificate again whenever SIGHUP comes, until the task is cancelled.
    private func reloadOnHangUps(
        _ server: AvatarServer, _ front: HTTPFront?, _ manager: ServiceManager, _ log: ProgramLog
    ) async {
        let logger = log.logger("avatar-server")
        for await _ in HangUpSignal.occurrences() {
            manager.reloading()
            do throws(ConfigurationError) {
                let new = try options.read()
                let changes = server.reload(new)
                log.set(level: new.logLevel, form: new.logFormat)
                for change in changes {
                    logger.log(level: change.key.isReloadable ? .info : .warning, "configuration: \(change)")
                }
                if changes.isEmpty { logger.info("the configuration was read again: nothing has changed") }
            } catch {
                logger.error("the configuration was not taken over", metadata: ["detail": "\(error)"])
            }
            front?.readCertificateAgain()
            manager.ready()
        }
    }
}

import ArgumentParser
import Foundation
import Logging
import NIOCore
import ProgramSupport
import ServerRuntime
import ServiceLifecycle
import UnixSignals

/// `avatar-server serve`
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Listens and serves until SIGTERM or SIGINT.")

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "Write READY=1 to this descriptor once connections are accepted, and close it.")
    var readyFd: Int32?
    @Option(help: "Write the bound port into this file once connections are accepted.")
    var portFile: String?

    func run() async throws {
        let settings = try await options.settings()
        var logger = Logger(label: "avatar-server", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = Logger.Level(rawValue: settings.logLevel) ?? .info
        do {
            try await serve(settings, logger)
        } catch let error as StoreError {
            Failure.say("\(error)")
            throw Failure.unavailable
        } catch let error as IOError {
            Failure.say(
                "cannot listen on \(settings.listenHost):\(settings.listenPort): \(String(cString: strerror(error.errnoCode)))"
            )
            throw Failure.unavailable
        }
    }

    private func serve(_ settings: ServerSettings, _ logger: Logger) async throws {
        let notice = ReadyNotice(
            descriptor: readyFd, manager: ServiceManager(environment: ProcessInfo.processInfo.environment),
            portFile: portFile)
        let descriptors = DescriptorBudget(limit: DescriptorLimit.raise())
        let stores = try openStores(settings, descriptors)
        let server = AvatarServer(settings, stores: stores, descriptors: descriptors, logger: logger) { address in
            logger.info(
                "listening",
                metadata: [
                    "address": "\(address.ipAddress ?? settings.listenHost)", "port": "\(address.port ?? 0)",
                    "stores": "\(settings.storesKind.rawValue)", "sync": "\(settings.storageSync.rawValue)",
                    "connections at most": "\(descriptors.connections)",
                ])
            try notice.listening(on: address.port ?? 0)
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: server, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
        notice.stopping()
        logger.info("stopped")
    }
}

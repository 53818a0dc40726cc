internal import AvatarCore
internal import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import PosixFiles
internal import ProgramSupport
package import ServerRuntime
internal import ServiceLifecycle

/// The HTTP front of a server: HTTP/1.1 and HTTP/2 over TLS on one port, or HTTP/1.1 without TLS for a proxy in front.
package struct HTTPFront: Service {
    private let application: Application<FrontResponder>
    private let settings: ServerSettings.HTTP
    private let feed: ChangeFeed
    private let certificate: ServedCertificate?
    private let socket: FrontSocket?

    /// - Parameters:
    ///   - connectionsMax: connections that are open at once.
    ///   - heartbeat: shorter in tests.
    ///   - bounds: narrower in tests.
    ///   - whenListening: called once with the bound port, which is 0 for a Unix socket.
    package init(
        _ settings: ServerSettings.HTTP, service: AvatarService, version: String,
        connectionsMax: Int = Limits.HTTP.connectionsMax, heartbeat: Duration = Limits.Changes.heartbeat,
        bounds: ExchangeBounds = ExchangeBounds(), logger: Logger,
        whenListening: @escaping @Sendable (Int) -> Void
    ) throws {
        self.settings = settings
        do {
            certificate = try settings.tls.map { try ServedCertificate($0, logger: logger) }
        } catch let fault as CertificatePair.Fault {
            throw ListenFault("\(fault)")
        }
        let certificate = certificate
        let socket = settings.socket.map { FrontSocket($0, mode: settings.socketMode) }
        self.socket = socket
        feed = ChangeFeed(service, heartbeat: heartbeat, logger: logger)
        let responder = FrontResponder(
            service: service, settings: settings, version: version, gate: LoginGate(), feed: feed,
            uploadGate: UploadGate(), logger: logger)
        let quiet = LibraryLog.logger(logger)
        var connection = HTTP1Channel.Configuration(idleTimeout: .seconds(Limits.HTTP.idleSeconds))
        connection.httpDecoder = .init(
            maxHeaderFieldSize: Limits.HTTP.headBytesMax, maxHeaderListSize: Limits.HTTP.headBytesMax,
            maxHeaderFieldCount: Limits.HTTP.headFieldsMax)
        let http1 = connection
        let server: HTTPServerBuilder
        if let certificate {
            server = HTTPServerBuilder {
                let plain = PlainChannel(HTTP1Channel(responder: $0, configuration: http1), bounds)
                return OnItsEventLoop(connection: SecureChannel(certificate, plain))
            }
        } else {
            server = HTTPServerBuilder {
                OnItsEventLoop(connection: PlainChannel(HTTP1Channel(responder: $0, configuration: http1), bounds))
            }
        }
        application = Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: socket.map { .unixDomainSocket(path: $0.path) }
                    ?? .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: MaximumAvailableConnections(connectionsMax, logger: quiet)),
            onServerRunning: { channel in
                do throws(PosixError) {
                    try socket?.opened()
                } catch {
                    logger.error(
                        "a proxy may not connect", metadata: ["detail": "\(error); see http.listen.socketMode"])
                }
                whenListening(channel.localAddress?.port ?? 0)
            }, logger: quiet)
    }

    /// Reads certificate and key again, as after a change of their files.
    package func readCertificateAgain() { certificate?.readAgain(isAsked: true) }

    package func run() async throws {
        try socket?.makeRoom()
        defer { socket?.remove() }
        do {
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { try await application.run() }
                tasks.addTask { await feed.run() }
                if let certificate { tasks.addTask { await certificate.follow() } }
                tasks.addTask {
                    try await gracefulShutdown()
                    // Streams end now. Answers under way get this long to end; then their connections are closed.
                    feed.end()
                    try await Task.sleep(for: Limits.Server.stopGrace)
                }
                try await tasks.next()
                tasks.cancelAll()
            }
        } catch is CancellationError {
            // Whoever cancels knows.
        } catch let error as IOError {
            guard let socket else { throw ListenFault(host: settings.host, port: settings.port, error) }
            throw ListenFault("cannot listen on \(socket.path): \(ErrorWords.text(error))")
        }
    }
}

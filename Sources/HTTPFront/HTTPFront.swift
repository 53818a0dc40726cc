internal import AvatarCore
internal import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOHTTP2
internal import NIOSSL
internal import PosixFiles
package import ServerRuntime
internal import ServiceLifecycle

/// The HTTP front of a server: HTTP/1.1 and HTTP/2 over TLS on one port, or HTTP/1.1 without TLS for a proxy in front.
package struct HTTPFront: Service {
    private let application: Application<FrontResponder>
    private let settings: ServerSettings.HTTP
    private let feed: ChangeFeed

    /// - Parameters:
    ///   - connectionsMax: connections that are open at once.
    ///   - heartbeat: shorter in tests.
    ///   - whenListening: called once with the bound port.
    package init(
        _ settings: ServerSettings.HTTP, service: AvatarService, version: String,
        connectionsMax: Int = Limits.HTTP.connectionsMax, heartbeat: Duration = Limits.Changes.heartbeat,
        logger: Logger,
        whenListening: @escaping @Sendable (Int) -> Void
    ) throws {
        self.settings = settings
        feed = ChangeFeed(service, heartbeat: heartbeat, logger: logger)
        let responder = FrontResponder(
            service: service, settings: settings, version: version, gate: LoginGate(), feed: feed,
            uploadGate: UploadGate(), logger: logger)
        // Hummingbird tells of its start, which ours does in our own words.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        var connection = HTTP1Channel.Configuration(idleTimeout: .seconds(Limits.HTTP.idleSeconds))
        connection.httpDecoder = .init(
            maxHeaderFieldSize: Limits.HTTP.headBytesMax, maxHeaderListSize: Limits.HTTP.headBytesMax,
            maxHeaderFieldCount: Limits.HTTP.headFieldsMax)
        let http1 = connection
        let server: HTTPServerBuilder
        if let files = settings.tls {
            let tls = try Self.tls(files)
            server = HTTPServerBuilder {
                SecureChannel(tls, HTTP1Channel(responder: $0, configuration: http1))
            }
        } else {
            server = .http1(configuration: http1)
        }
        application = Application(
            responder: responder, server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: MaximumAvailableConnections(connectionsMax, logger: quiet)),
            onServerRunning: { channel in whenListening(channel.localAddress?.port ?? 0) }, logger: quiet)
    }

    private static func tls(_ files: ServerSettings.HTTP.TLS) throws(ListenFault) -> NIOSSLContext {
        // What the library throws says neither which file nor what to do.
        func step<Value>(_ fault: String, _ body: () throws -> Value) throws(ListenFault) -> Value {
            do { return try body() } catch { throw ListenFault(fault) }
        }
        for (key, path) in [
            ("http.tls.certificateFile", files.certificateFile), ("http.tls.keyFile", files.keyFile),
        ] {
            do throws(PosixError) { _ = try OpenFile.open(path: path) } catch {
                throw ListenFault("\(key) cannot be read: \(error)")
            }
        }
        let chain = try step("http.tls.certificateFile: \(files.certificateFile) has no certificates in PEM") {
            try NIOSSLCertificate.fromPEMFile(files.certificateFile).map { NIOSSLCertificateSource.certificate($0) }
        }
        guard !chain.isEmpty else {
            throw ListenFault("http.tls.certificateFile: \(files.certificateFile) has no certificate")
        }
        let key = try step("http.tls.keyFile: \(files.keyFile) has no private key in PEM") {
            try NIOSSLPrivateKey(file: files.keyFile, format: .pem)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = NIOHTTP2SupportedALPNProtocols
        // Refuses a key that is not the certificate's now, and not with the first connection.
        return try step(
            "http.tls.keyFile: \(files.keyFile) is not the key of the certificate in \(files.certificateFile)"
        ) { try NIOSSLContext(configuration: configuration) }
    }

    package func run() async throws {
        do {
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { try await application.run() }
                tasks.addTask { await feed.run() }
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
            throw ListenFault(host: settings.host, port: settings.port, error)
        }
    }
}

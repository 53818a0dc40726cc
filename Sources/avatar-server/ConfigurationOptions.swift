import ArgumentParser
import Foundation
import ProgramSupport
import ServerRuntime

/// `--config` and one flag for every key.
struct ConfigurationOptions: ParsableArguments {
    static let defaultFile = "/etc/avatar-server/avatar-server.yaml"

    @Option(help: "The YAML file; \(defaultFile) when that is there.")
    var config: String?

    @Option(help: "Address to listen on, perhaps with its port: 0.0.0.0, [::]:9090.") var listenHost: String?
    @Option(help: "Port to listen on; 0 for any free one.") var listenPort: String?
    @Option(help: "Folder of the files.") var storageRoot: String?
    @Option(help: "full or none.") var storageSync: String?
    @Option(help: "embedded or cluster.") var storesKind: String?
    @Option(help: "The embedded stores' database.") var storesSqliteFile: String?
    @Option(help: "Redis host.") var redisHost: String?
    @Option(help: "Redis port.") var redisPort: String?
    @Option(help: "Redis Unix socket, instead of host and port.") var redisSocket: String?
    @Option(help: "Redis password; better in the file or the environment.") var redisPassword: String?
    @Option(help: "MariaDB or MySQL host.") var mysqlHost: String?
    @Option(help: "MariaDB or MySQL port.") var mysqlPort: String?
    @Option(help: "MariaDB or MySQL Unix socket, instead of host and port.") var mysqlSocket: String?
    @Option(help: "MariaDB or MySQL user.") var mysqlUser: String?
    @Option(help: "MariaDB or MySQL password; better in the file or the environment.") var mysqlPassword: String?
    @Option(help: "MariaDB or MySQL schema.") var mysqlSchema: String?
    @Option(help: "Bytes of a download's chunk.") var classicChunkBytes: String?
    @Option(help: "Largest request body.") var classicBodyBytesMax: String?
    @Option(help: "Whether 1003, which shows no token, is answered.") var classicOpenUpload: String?
    @Option(help: "Largest file taken.") var uploadBytesMax: String?
    @Option(help: "Largest sum of one user's files; 0 for no bound.") var quotaBytesPerUser: String?
    @Option(help: "Address for HTTP, perhaps with its port.") var httpListenHost: String?
    @Option(help: "Port for HTTP; 0 for any free one.") var httpListenPort: String?
    @Option(help: "Unix socket for HTTP without TLS, instead of host and port.") var httpListenSocket: String?
    @Option(help: "Octal mode of that socket.") var httpListenSocketMode: String?
    @Option(help: "Certificate and its chain, PEM: turns HTTPS on.") var httpTlsCertificateFile: String?
    @Option(help: "The certificate's key, PEM.") var httpTlsKeyFile: String?
    @Option(help: "HTTP without TLS, for a proxy on this machine.") var httpPlaintext: String?
    @Option(help: "Whether current avatars need no login over HTTP.") var httpPublicAvatars: String?
    @Option(help: "Origins of web pages that may read answers over HTTP.") var httpCorsOrigins: String?
    @Option(help: "Loopback address for Prometheus, perhaps with its port.") var metricsHost: String?
    @Option(help: "Loopback port for Prometheus; 0 for none.") var metricsPort: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel: String?
    @Option(help: "text or json: how a line of the log looks.") var logFormat: String?

    private var flags: [ServerKey: String] {
        let given: [ServerKey: String?] = [
            .listenHost: listenHost, .listenPort: listenPort, .storageRoot: storageRoot, .storageSync: storageSync,
            .storesKind: storesKind, .storesSQLiteFile: storesSqliteFile, .redisHost: redisHost,
            .redisPort: redisPort, .redisSocket: redisSocket, .redisPassword: redisPassword, .mysqlHost: mysqlHost,
            .mysqlPort: mysqlPort, .mysqlSocket: mysqlSocket, .mysqlUser: mysqlUser, .mysqlPassword: mysqlPassword,
            .mysqlSchema: mysqlSchema, .classicChunkBytes: classicChunkBytes,
            .classicBodyBytesMax: classicBodyBytesMax, .classicOpenUpload: classicOpenUpload,
            .uploadBytesMax: uploadBytesMax, .quotaBytesPerUser: quotaBytesPerUser, .metricsHost: metricsHost,
            .httpListenHost: httpListenHost, .httpListenPort: httpListenPort,
            .httpListenSocket: httpListenSocket, .httpListenSocketMode: httpListenSocketMode,
            .httpTLSCertificateFile: httpTlsCertificateFile,
            .httpTLSKeyFile: httpTlsKeyFile, .httpPlaintext: httpPlaintext, .httpPublicAvatars: httpPublicAvatars,
            .httpCORSOrigins: httpCorsOrigins,
            .metricsPort: metricsPort, .logLevel: logLevel, .logFormat: logFormat,
        ]
        return given.compactMapValues { $0 }
    }

    /// The checked settings. When values make no sense, the program ends and names each key, the place and the reason.
    func settings() throws -> ServerSettings {
        do throws(ConfigurationError) {
            try ProcessEnvironment.checkCommandLine()
            return try read()
        } catch {
            for fault in error.faults { Failure.say("\(fault)") }
            throw error.isOfCommandLine ? Failure.usage : Failure.configuration
        }
    }

    /// What flags, environment and file say now.
    func read() throws(ConfigurationError) -> ServerSettings {
        let file = config ?? (FileManager.default.fileExists(atPath: Self.defaultFile) ? Self.defaultFile : nil)
        return try ServerSettings(
            LayeredConfiguration<ServerKey>(flags: flags, environment: .current(), file: file))
    }
}

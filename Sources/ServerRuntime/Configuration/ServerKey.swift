internal import ProgramSupport

/// Every key of the configuration, as it stands in the YAML file. `--listen-host` and `AVATAR_SERVER_LISTEN_HOST` are the
/// same key as `listen.host`.
package enum ServerKey: String, ConfigurationKey {
    package static let variablePrefix = "AVATAR_SERVER_"

    case listenHost = "listen.host"
    case listenPort = "listen.port"
    case storageRoot = "storage.root"
    case storageSync = "storage.sync"
    case storesKind = "stores.kind"
    case storesSQLiteFile = "stores.sqliteFile"
    case redisHost = "redis.host"
    case redisPort = "redis.port"
    case redisSocket = "redis.socket"
    case redisPassword = "redis.password"
    case mysqlHost = "mysql.host"
    case mysqlPort = "mysql.port"
    case mysqlSocket = "mysql.socket"
    case mysqlUser = "mysql.user"
    case mysqlPassword = "mysql.password"
    case mysqlSchema = "mysql.schema"
    case classicChunkBytes = "classic.chunkBytes"
    case classicBodyBytesMax = "classic.bodyBytesMax"
    case classicOpenUpload = "classic.openUpload"
    case uploadBytesMax = "upload.bytesMax"
    case quotaBytesPerUser = "quota.bytesPerUser"
    case httpListenHost = "http.listen.host"
    case httpListenPort = "http.listen.port"
    case httpListenSocket = "http.listen.socket"
    case httpListenSocketMode = "http.listen.socketMode"
    case httpTLSCertificateFile = "http.tls.certificateFile"
    case httpTLSKeyFile = "http.tls.keyFile"
    case httpPlaintext = "http.plaintext"
    case httpPublicAvatars = "http.publicAvatars"
    case httpCORSOrigins = "http.corsOrigins"
    case metricsHost = "metrics.host"
    case metricsPort = "metrics.port"
    case logLevel = "log.level"
    case logFormat = "log.format"

    /// Whether messages must not show the value.
    package var isSecret: Bool { self == .redisPassword || self == .mysqlPassword }

    /// Sockets, stores and the sizes that a client counts on for a whole transfer belong to one run.
    package var isReloadable: Bool {
        switch self {
        case .classicOpenUpload, .uploadBytesMax, .quotaBytesPerUser, .logLevel, .logFormat: true
        case .listenHost, .listenPort, .storageRoot, .storageSync, .storesKind, .storesSQLiteFile, .redisHost,
            .redisPort, .redisSocket, .redisPassword, .mysqlHost, .mysqlPort, .mysqlSocket, .mysqlUser, .mysqlPassword,
            .mysqlSchema, .classicChunkBytes, .classicBodyBytesMax, .httpListenHost, .httpListenPort,
            .httpListenSocket, .httpListenSocketMode, .httpTLSCertificateFile, .httpTLSKeyFile,
            .httpPlaintext, .httpPublicAvatars, .httpCORSOrigins, .metricsHost, .metricsPort:
            false
        }
    }
}

/// Every key of the configuration, as it stands in the YAML file. `--listen-host` and `AVATAR_SERVER_LISTEN_HOST` are the
/// same key as `listen.host`.
package enum ServerKey: String, CaseIterable, Sendable {
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
    case metricsPort = "metrics.port"
    case logLevel = "log.level"

    /// Whether the value is never to be shown.
    package var isSecret: Bool { self == .redisPassword || self == .mysqlPassword }

    /// The words of the key, as both of the forms below spell them.
    private var words: [String] {
        rawValue.split(separator: ".").flatMap { part -> [String] in
            // sqliteFile is two words; chunkBytes too.
            var words: [String] = [""]
            for character in part {
                if character.isUppercase { words.append("") }
                words[words.count - 1].append(contentsOf: character.lowercased())
            }
            return words
        }
    }

    /// The environment variable without its prefix: `CLASSIC_CHUNK_BYTES`.
    package var variable: String { words.joined(separator: "_").uppercased() }
    /// The flag without its dashes: `classic-chunk-bytes`.
    package var flag: String { words.joined(separator: "-") }
}

/// A key that cannot be, or a value that makes no sense: which, where, and why.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    package let key: String
    /// The file, or "the environment", or "a flag".
    package let source: String
    package let reason: String

    package init(key: String, source: String, reason: String) {
        self.key = key
        self.source = source
        self.reason = reason
    }

    package var description: String { "\(source): \(key): \(reason)" }
}

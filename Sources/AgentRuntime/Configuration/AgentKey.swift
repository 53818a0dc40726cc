internal import ProgramSupport

/// Every key of the agent's configuration, as it stands in the YAML file.
package enum AgentKey: String, ConfigurationKey {
    case serverURL = "server.url"
    case serverHost = "server.host"
    case serverPort = "server.port"
    case serverDialect = "server.dialect"
    case serverClassicChunkBytes = "server.classicChunkBytes"
    case serverCAFile = "server.caFile"
    case serverPin = "server.pin"
    case serverAllowPlaintext = "server.allowPlaintext"
    case identityUID = "identity.uid"
    case identityTokenFile = "identity.tokenFile"
    case cacheDirectory = "cache.directory"
    case cacheBytesMax = "cache.bytesMax"
    case cacheRecheckAfter = "cache.recheckAfter"
    case uploadDirectory = "upload.directory"
    case uploadBytesMax = "upload.bytesMax"
    case picturesTypes = "pictures.types"
    case uploadIgnore = "upload.ignore"
    case stateDirectory = "state.directory"
    case busSocket = "bus.socket"
    case storageSync = "storage.sync"
    case logLevel = "log.level"
    case logFormat = "log.format"

    package static let variablePrefix = "AVATARD_"
    package var isSecret: Bool { false }

    /// Folders, socket and lock belong to one run, and so do the formats: what was refused for its format is only looked at anew by a start.
    /// Everything else is asked for whenever it is used.
    package var isReloadable: Bool {
        switch self {
        case .cacheDirectory, .cacheRecheckAfter, .uploadDirectory, .uploadIgnore, .picturesTypes, .stateDirectory,
            .busSocket,
            .storageSync:
            false
        case .serverURL, .serverHost, .serverPort, .serverDialect, .serverClassicChunkBytes, .serverCAFile, .serverPin,
            .serverAllowPlaintext, .identityUID, .identityTokenFile, .cacheBytesMax, .uploadBytesMax, .logLevel,
            .logFormat:
            true
        }
    }

    /// Whether the key says who logs in where.
    package var isOfAccount: Bool {
        switch self {
        case .serverURL, .serverHost, .serverPort, .serverClassicChunkBytes, .serverCAFile, .serverPin,
            .serverAllowPlaintext, .identityUID, .identityTokenFile:
            true
        default: false
        }
    }
}

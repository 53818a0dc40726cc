internal import ProgramSupport

/// Every key of the agent's configuration, as it stands in the YAML file.
package enum AgentKey: String, ConfigurationKey {
    case serverHost = "server.host"
    case serverPort = "server.port"
    case serverDialect = "server.dialect"
    case serverClassicChunkBytes = "server.classicChunkBytes"
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

    package static let variablePrefix = "AVATARD_"
    package var isSecret: Bool { false }
}

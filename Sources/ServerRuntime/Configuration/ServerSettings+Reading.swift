internal import AvatarCore
package import ProgramSupport

extension ServerSettings {
    /// Reads and checks every key. A key that the configuration does not have keeps its default.
    package init(_ configuration: LayeredConfiguration<ServerKey>) throws(ConfigurationError) {
        self.init()
        let values = ConfigurationValues(configuration)
        try values.text(.listenHost) { listenHost = $0 }
        try values.number(.listenPort, in: 0...65_535) { listenPort = $0 }
        try values.path(.storageRoot) { storageRoot = $0 }
        try values.choice(.storageSync) { storageSync = $0 }
        try values.choice(.storesKind) { storesKind = $0 }
        try values.path(.storesSQLiteFile) { sqliteFile = $0 }
        try values.number(.classicChunkBytes, in: Limits.Wire.classicChunkBytes) { classicChunkBytes = $0 }
        try values.number(.classicBodyBytesMax, in: Limits.Wire.classicBodyBytesSeed...Limits.Server.bodyBytesMax) {
            classicBodyBytesMax = $0
        }
        try values.flag(.classicOpenUpload) { classicOpenUpload = $0 }
        try values.number(.uploadBytesMax, in: 1...Int(Limits.Picture.downloadBytesMax)) { uploadBytesMax = Int64($0) }
        try values.number(.quotaBytesPerUser, in: 0...Int.max) { quotaBytesPerUser = $0 == 0 ? nil : Int64($0) }
        try values.number(.metricsPort, in: 0...65_535) { metricsPort = $0 == 0 ? nil : $0 }
        try values.text(.logLevel, oneOf: ["trace", "debug", "info", "notice", "warning", "error", "critical"]) {
            logLevel = $0
        }
        try readStores(values)
    }

    private mutating func readStores(_ values: ConfigurationValues<ServerKey>) throws(ConfigurationError) {
        try values.text(.redisHost) { redis.host = $0 }
        try values.number(.redisPort, in: 1...65_535) { redis.port = $0 }
        try values.path(.redisSocket) { redis.socket = $0 }
        try values.text(.redisPassword) { redis.password = $0 }
        try values.text(.mysqlHost) { mysql.host = $0 }
        try values.number(.mysqlPort, in: 1...65_535) { mysql.port = $0 }
        try values.path(.mysqlSocket) { mysql.socket = $0 }
        try values.text(.mysqlUser) { mysql.user = $0 }
        try values.text(.mysqlPassword) { mysql.password = $0 }
        try values.text(.mysqlSchema) { mysql.schema = $0 }
    }
}

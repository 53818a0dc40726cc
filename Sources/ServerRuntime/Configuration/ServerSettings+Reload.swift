internal import AvatarCore
package import ProgramSupport

// Configuration that was read again against the one in force.
extension ServerSettings {
    /// The keys whose values would be others; which of them take effect at once is the key's to say.
    package func changes(to new: ServerSettings) -> [ConfigurationChange<ServerKey>] {
        ConfigurationChange.all(from: { text(of: $0) }, to: { new.text(of: $0) })
    }

    /// What is in force after `new` was read: of what takes effect after a restart, the values of this run stay.
    package func taking(_ new: ServerSettings) -> ServerSettings {
        var taken = self
        taken.classicOpenUpload = new.classicOpenUpload
        taken.uploadBytesMax = new.uploadBytesMax
        taken.quotaBytesPerUser = new.quotaBytesPerUser
        taken.logLevel = new.logLevel
        taken.logFormat = new.logFormat
        return taken
    }

    private func text(of key: ServerKey) -> String {
        switch key {
        case .listenHost: listenHost
        case .listenPort: "\(listenPort)"
        case .storageRoot: storageRoot
        case .storageSync: storageSync.rawValue
        case .storesKind: storesKind.rawValue
        case .storesSQLiteFile: sqliteFile
        case .redisHost: redis.host
        case .redisPort: "\(redis.port)"
        case .redisSocket: redis.socket ?? ""
        case .redisPassword: redis.password ?? ""
        case .mysqlHost: mysql.host
        case .mysqlPort: "\(mysql.port)"
        case .mysqlSocket: mysql.socket ?? ""
        case .mysqlUser: mysql.user
        case .mysqlPassword: mysql.password ?? ""
        case .mysqlSchema: mysql.schema
        case .classicChunkBytes: "\(classicChunkBytes)"
        case .classicBodyBytesMax: "\(classicBodyBytesMax)"
        case .classicOpenUpload: "\(classicOpenUpload)"
        case .uploadBytesMax: "\(uploadBytesMax)"
        case .quotaBytesPerUser: "\(quotaBytesPerUser ?? 0)"
        case .httpListenHost: http.host
        case .httpListenPort: "\(http.port)"
        case .httpListenSocket: http.socket ?? ""
        case .httpListenSocketMode: "0" + String(http.socketMode, radix: 8)
        case .httpTLSCertificateFile: http.tls?.certificateFile ?? ""
        case .httpTLSKeyFile: http.tls?.keyFile ?? ""
        case .httpPlaintext: "\(http.isPlaintext)"
        case .httpPublicAvatars: "\(http.publicAvatars)"
        case .httpCORSOrigins: http.corsOrigins.map(\.string).sorted().joined(separator: ",")
        case .metricsHost: metricsHost
        case .metricsPort: "\(metricsPort ?? 0)"
        case .logLevel: logLevel
        case .logFormat: logFormat.rawValue
        }
    }
}

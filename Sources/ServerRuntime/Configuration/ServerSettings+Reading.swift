internal import AvatarCore
package import ProgramSupport

extension ServerSettings {
    /// Reads and checks every key. A key that the configuration does not have keeps its default.
    package init(_ configuration: LayeredConfiguration<ServerKey>) throws(ConfigurationError) {
        self.init()
        let values = ConfigurationValues(configuration)
        try values.address(
            .listenHost, .listenPort, ports: 0...65_535, host: { listenHost = $0 }, port: { listenPort = $0 })
        try values.path(.storageRoot) { storageRoot = $0 }
        try values.choice(.storageSync) { storageSync = $0 }
        try values.choice(.storesKind) { storesKind = $0 }
        try values.path(.storesSQLiteFile) { sqliteFile = $0 }
        try values.number(.classicChunkBytes, in: Limits.Wire.classicChunkBytes) { classicChunkBytes = $0 }
        try values.number(.classicBodyBytesMax, in: Limits.Wire.classicBodyBytesSeed...Limits.Server.bodyBytesMax) {
            classicBodyBytesMax = $0
        }
        try values.flag(.classicOpenUpload) { classicOpenUpload = $0 }
        try values.bytes(.uploadBytesMax, in: 1...Int(Limits.Picture.downloadBytesMax)) { uploadBytesMax = Int64($0) }
        try values.bytes(.quotaBytesPerUser, in: 0...Int.max) { quotaBytesPerUser = $0 == 0 ? nil : Int64($0) }
        try values.address(
            .metricsHost, .metricsPort, ports: 0...65_535, host: { metricsHost = $0 },
            port: { metricsPort = $0 == 0 ? nil : $0 })
        guard Self.isLoopback(metricsHost) else {
            throw ConfigurationError(
                key: ServerKey.metricsHost.rawValue, source: try configuration.value(of: .metricsHost)?.source ?? "",
                reason: "\"\(metricsHost)\" must be an address of this machine's loopback, such as 127.0.0.1 or [::1]")
        }
        try values.text(.logLevel, oneOf: ProgramLog.levels) { logLevel = $0 }
        try values.choice(.logFormat) { logFormat = $0 }
        try readStores(values)
        try readHTTP(values, configuration)
    }

    private mutating func readHTTP(
        _ values: ConfigurationValues<ServerKey>, _ configuration: LayeredConfiguration<ServerKey>
    ) throws(ConfigurationError) {
        try values.address(
            .httpListenHost, .httpListenPort, ports: 0...65_535, host: { http.host = $0 }, port: { http.port = $0 })
        var (certificate, key) = (String?.none, String?.none)
        try values.path(.httpTLSCertificateFile) { certificate = $0 }
        try values.path(.httpTLSKeyFile) { key = $0 }
        try values.flag(.httpPlaintext) { http.isPlaintext = $0 }
        try values.flag(.httpPublicAvatars) { http.publicAvatars = $0 }
        try values.words(.httpCORSOrigins, unless: Self.originFault) {
            http.corsOrigins = Set($0.map { ExactString($0) })
        }
        if let certificate, let key { http.tls = .init(certificateFile: certificate, keyFile: key) }
        func fault(_ key: ServerKey, _ reason: String) throws(ConfigurationError) -> ConfigurationError {
            ConfigurationError(
                key: key.rawValue, source: try configuration.value(of: key)?.source ?? "the configuration",
                reason: reason)
        }
        if (certificate == nil) != (key == nil) {
            throw try fault(
                certificate == nil ? .httpTLSKeyFile : .httpTLSCertificateFile,
                "http.tls.certificateFile and http.tls.keyFile are only of use together")
        }
        guard http.isPlaintext else { return }
        if http.tls != nil { throw try fault(.httpPlaintext, "cannot be true where there is a certificate") }
        guard Self.isLoopback(http.host) else {
            throw try fault(
                .httpPlaintext,
                "is only for a proxy on this machine: http.listen.host must be of the loopback, such as 127.0.0.1")
        }
    }

    /// Why a word is no origin as browsers write it (RFC 6454, 6.2); nil when it is one.
    private static func originFault(_ word: String) -> String? {
        let host = word.hasPrefix("https://") ? word.dropFirst(8) : word.hasPrefix("http://") ? word.dropFirst(7) : ""
        let isOrigin = !host.isEmpty && !host.contains { "/?#@*".contains($0) } && word == word.lowercased()
        return isOrigin ? nil : "is no origin, such as https://chat.example.org or http://localhost:8080"
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    private mutating func readStores(_ values: ConfigurationValues<ServerKey>) throws(ConfigurationError) {
        try values.address(.redisHost, .redisPort, host: { redis.host = $0 }, port: { redis.port = $0 })
        try values.path(.redisSocket) { redis.socket = $0 }
        try values.text(.redisPassword) { redis.password = $0 }
        try values.address(.mysqlHost, .mysqlPort, host: { mysql.host = $0 }, port: { mysql.port = $0 })
        try values.path(.mysqlSocket) { mysql.socket = $0 }
        try values.text(.mysqlUser) { mysql.user = $0 }
        try values.text(.mysqlPassword) { mysql.password = $0 }
        try values.text(.mysqlSchema) { mysql.schema = $0 }
    }
}

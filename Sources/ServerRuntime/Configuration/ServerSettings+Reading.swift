internal import AvatarCore
internal import PosixFiles
package import ProgramSupport

extension ServerSettings {
    /// Reads and checks every key. A key that the configuration does not have keeps its default.
    package init(_ configuration: LayeredConfiguration<ServerKey>) throws(ConfigurationError) {
        self.init()
        var values = ConfigurationValues(configuration)
        values.address(
            .listenHost, .listenPort, ports: 0...65_535, host: { listenHost = $0 }, port: { listenPort = $0 })
        values.path(.storageRoot) { storageRoot = $0 }
        values.choice(.storageSync) { storageSync = $0 }
        values.choice(.storesKind) { storesKind = $0 }
        values.path(.storesSQLiteFile) { sqliteFile = $0 }
        values.number(.classicChunkBytes, in: Limits.Wire.classicChunkBytes) { classicChunkBytes = $0 }
        values.number(.classicBodyBytesMax, in: Limits.Wire.classicBodyBytesSeed...Limits.Server.bodyBytesMax) {
            classicBodyBytesMax = $0
        }
        values.flag(.classicOpenUpload) { classicOpenUpload = $0 }
        values.bytes(.uploadBytesMax, in: 1...Int(Limits.Picture.downloadBytesMax)) { uploadBytesMax = Int64($0) }
        values.bytes(.quotaBytesPerUser, in: 0...Int.max) { quotaBytesPerUser = $0 == 0 ? nil : Int64($0) }
        values.address(
            .metricsHost, .metricsPort, ports: 0...65_535, host: { metricsHost = $0 },
            port: { metricsPort = $0 == 0 ? nil : $0 })
        if !Self.isLoopback(metricsHost) {
            values.refuse(
                .metricsHost,
                "\"\(metricsHost)\" must be an address of this machine's loopback, such as 127.0.0.1 or [::1]")
        }
        values.text(.logLevel, oneOf: ProgramLog.levels) { logLevel = $0 }
        values.choice(.logFormat) { logFormat = $0 }
        readStores(&values)
        readHTTP(&values)
        try values.finish()
    }

    private mutating func readHTTP(_ values: inout ConfigurationValues<ServerKey>) {
        var modeFault: String?
        values.address(
            .httpListenHost, .httpListenPort, ports: 0...65_535, host: { http.host = $0 }, port: { http.port = $0 })
        values.path(.httpListenSocket) { http.socket = $0 }
        values.text(.httpListenSocketMode) { mode in
            // Whoever may connect must be able to write; nothing of a socket is ever executed.
            guard let bits = UInt32(mode, radix: 8), bits & ~0o666 == 0, bits & 0o600 == 0o600 else {
                modeFault = "\"\(mode)\" must be an octal mode in quotes, such as \"0660\", with 6 for the owner"
                return
            }
            http.socketMode = bits
        }
        if let modeFault { values.refuse(.httpListenSocketMode, modeFault) }
        var (certificate, key) = (String?.none, String?.none)
        values.path(.httpTLSCertificateFile) { certificate = $0 }
        values.path(.httpTLSKeyFile) { key = $0 }
        values.flag(.httpPlaintext) { http.isPlaintext = $0 }
        values.flag(.httpPublicAvatars) { http.publicAvatars = $0 }
        values.words(.httpCORSOrigins, unless: Self.originFault) {
            http.corsOrigins = Set($0.map { ExactString($0) })
        }
        if let certificate, let key { http.tls = .init(certificateFile: certificate, keyFile: key) }
        if (certificate == nil) != (key == nil) {
            values.refuse(
                certificate == nil ? .httpTLSKeyFile : .httpTLSCertificateFile,
                "http.tls.certificateFile and http.tls.keyFile are only of use together")
        }
        if http.socket != nil, !http.isPlaintext {
            values.refuse(.httpListenSocket, "is only for a proxy on this machine: http.plaintext must be true")
        }
        if let socket = http.socket, socket.utf8.count > UnixSocket.pathBytesMax {
            values.refuse(
                .httpListenSocket,
                "has more than \(UnixSocket.pathBytesMax) bytes, which is as long as a socket's path may be")
        }
        guard http.isPlaintext else { return }
        if http.tls != nil { values.refuse(.httpPlaintext, "cannot be true where there is a certificate") }
        if http.socket == nil, !Self.isLoopback(http.host) {
            values.refuse(
                .httpPlaintext,
                "is only for a proxy on this machine: http.listen.host must be of the loopback, such as 127.0.0.1, or http.listen.socket a path"
            )
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

    private mutating func readStores(_ values: inout ConfigurationValues<ServerKey>) {
        values.address(.redisHost, .redisPort, host: { redis.host = $0 }, port: { redis.port = $0 })
        values.path(.redisSocket) { redis.socket = $0 }
        values.text(.redisPassword) { redis.password = $0 }
        values.address(.mysqlHost, .mysqlPort, host: { mysql.host = $0 }, port: { mysql.port = $0 })
        values.path(.mysqlSocket) { mysql.socket = $0 }
        values.text(.mysqlUser) { mysql.user = $0 }
        values.text(.mysqlPassword) { mysql.password = $0 }
        values.text(.mysqlSchema) { mysql.schema = $0 }
    }
}

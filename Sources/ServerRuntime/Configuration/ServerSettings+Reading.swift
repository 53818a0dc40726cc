internal import AvatarCore

extension ServerSettings {
    /// Reads and checks every key; what is not there keeps its default.
    package init(_ configuration: ServerConfiguration) throws(ConfigurationError) {
        self.init()
        let values = ServerValues(configuration)
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

    private mutating func readStores(_ values: ServerValues) throws(ConfigurationError) {
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

/// Turns what the layers say into values, or into an error that says which key, where, and why. An empty value counts as none.
private struct ServerValues {
    private let configuration: ServerConfiguration

    init(_ configuration: ServerConfiguration) { self.configuration = configuration }

    func text(
        _ key: ServerKey, oneOf words: [String]? = nil, _ take: (String) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        if let words, !words.contains(value.text) {
            throw fault(key, value, "must be one of \(words.joined(separator: ", "))")
        }
        take(value.text)
    }

    func path(_ key: ServerKey, _ take: (String) -> Void) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard value.text.hasPrefix("/") else { throw fault(key, value, "must be an absolute path") }
        take(value.text)
    }

    func number(
        _ key: ServerKey, in range: ClosedRange<Int>, _ take: (Int) -> Void
    ) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard let number = Int(value.text) else { throw fault(key, value, "must be a whole number") }
        guard range.contains(number) else {
            throw fault(key, value, "must lie from \(range.lowerBound) to \(range.upperBound)")
        }
        take(number)
    }

    func flag(_ key: ServerKey, _ take: (Bool) -> Void) throws(ConfigurationError) {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        switch value.text {
        case "true", "yes", "on", "1": take(true)
        case "false", "no", "off", "0": take(false)
        default: throw fault(key, value, "must be true or false")
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: ServerKey, _ take: (Choice) -> Void
    ) throws(ConfigurationError) where Choice.RawValue == String {
        guard let value = try configuration.value(of: key), !value.text.isEmpty else { return }
        guard let choice = Choice(rawValue: value.text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw fault(key, value, "must be one of \(words)")
        }
        take(choice)
    }

    private func fault(
        _ key: ServerKey, _ value: (text: String, source: String), _ reason: String
    ) -> ConfigurationError {
        let shown = key.isSecret ? "the value" : "\"\(value.text)\""
        return ConfigurationError(key: key.rawValue, source: value.source, reason: "\(shown) \(reason)")
    }
}

package import AvatarCache
package import AvatarCore
package import ProgramSupport
internal import TransferMachines

/// Everything the agent can be told, with its defaults (docs/architecture.md, "Configuration").
package struct AgentSettings: Sendable {
    /// Nil until somebody names a server.
    package var serverHost: String?
    package var serverPort = 9090
    package var classicChunkBytes = Limits.Wire.classicChunkBytesDefault
    package var uid: UserID?
    /// Where the token lies; nil for the places of ``TokenFile``.
    package var tokenFile: String?
    package var cacheDirectory: String
    /// Nil for no bound.
    package var cacheBytesMax: Int64?
    /// How long a picture is shown before the server is asked for it again; nil for ever.
    package var recheckAfter: Duration? = Limits.Download.recheckAfter
    package var uploadDirectory: String
    package var uploadBytesMax = Limits.Picture.uploadBytesMaxDefault
    /// The picture formats that are taken, as crops and from others.
    package var pictureTypes = ImageFormat.usual
    /// Names of files in the upload folder that are no avatars.
    package var uploadIgnore = NamePatterns.standard
    package var stateDirectory: String
    package var busSocket: String
    package var sync = SyncLevel.full
    package var logLevel = "info"
    /// Whether flags or environment name the server or the user: then a login over the bus does not change them.
    package var isServerPinned = false

    /// The defaults of the XDG base directories.
    ///
    /// - Throws: when neither XDG_RUNTIME_DIR nor HOME says where things lie.
    package init(environment: [String: String]) throws(ConfigurationError) {
        let data = try Self.directory("XDG_DATA_HOME", else: ".local/share", environment)
        let state = try Self.directory("XDG_STATE_HOME", else: ".local/state", environment)
        cacheDirectory = data + "/avatard/avatars"
        uploadDirectory = data + "/avatard/crops"
        stateDirectory = state + "/avatard"
        let runtime = environment["XDG_RUNTIME_DIR"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        busSocket = (runtime ?? state) + "/avatard/agent.sock"
    }

    private static func directory(
        _ variable: String, else fallback: String, _ environment: [String: String]
    ) throws(ConfigurationError) -> String {
        // The base directory specification: a path that is not absolute is to be ignored.
        if let path = environment[variable], path.hasPrefix("/") { return path }
        guard let home = environment["HOME"], home.hasPrefix("/") else {
            throw ConfigurationError(
                key: variable, source: "the environment", reason: "is not set, and HOME does not say where else to look"
            )
        }
        return home + "/" + fallback
    }

    /// Reads and checks every key; what is not there keeps its default.
    package mutating func read(_ layers: LayeredConfiguration<AgentKey>) throws(ConfigurationError) {
        let values = ConfigurationValues(layers)
        try values.text(.serverHost) { serverHost = $0 }
        try values.number(.serverPort, in: 1...65_535) { serverPort = $0 }
        // Only the classic dialect is spoken yet: `auto` means classic.
        try values.text(.serverDialect, oneOf: ["auto", "classic"]) { _ in }
        try values.number(.serverClassicChunkBytes, in: Limits.Wire.classicChunkBytes) { classicChunkBytes = $0 }
        try values.number(.identityUID, in: 1...Int.max) { uid = UserID(Int64($0)) }
        try values.path(.identityTokenFile) { tokenFile = $0 }
        try values.path(.cacheDirectory) { cacheDirectory = Self.trimmed($0) }
        try values.number(.cacheBytesMax, in: 0...Int.max) { cacheBytesMax = $0 == 0 ? nil : Int64($0) }
        try values.number(.cacheRecheckAfter, in: 0...Limits.Download.recheckSecondsMax) {
            recheckAfter = $0 == 0 ? nil : .seconds($0)
        }
        try values.path(.uploadDirectory) { uploadDirectory = Self.trimmed($0) }
        try values.number(.uploadBytesMax, in: 1...Int(Limits.Picture.downloadBytesMax)) { uploadBytesMax = Int64($0) }
        try values.choices(.picturesTypes) { pictureTypes = $0 }
        try readIgnored(values, layers)
        try values.path(.stateDirectory) { stateDirectory = Self.trimmed($0) }
        try values.path(.busSocket) { busSocket = $0 }
        try values.text(.storageSync, oneOf: ["full", "none"]) { sync = $0 == "none" ? .none : .full }
        try values.text(.logLevel, oneOf: ["trace", "debug", "info", "notice", "warning", "error", "critical"]) {
            logLevel = $0
        }
        for key in [AgentKey.serverHost, .serverPort, .identityUID] {
            if let source = try layers.value(of: key)?.source,
                source == "the command line" || source == "the environment"
            {
                isServerPinned = true
            }
        }
    }

    private mutating func readIgnored(
        _ values: ConfigurationValues<AgentKey>, _ layers: LayeredConfiguration<AgentKey>
    ) throws(ConfigurationError) {
        var list: String?
        try values.text(.uploadIgnore) { list = $0 }
        guard let list else { return }
        do throws(NamePatterns.Fault) {
            uploadIgnore = try NamePatterns(list: list)
        } catch {
            let source = try layers.value(of: .uploadIgnore)?.source ?? ""
            throw ConfigurationError(key: AgentKey.uploadIgnore.rawValue, source: source, reason: error.description)
        }
    }

    /// A path without the slashes at its end, so that equal folders are equal texts.
    private static func trimmed(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// The paths, for words that a person reads.
    var places: PlaceNames {
        PlaceNames(crops: uploadDirectory, cache: cacheDirectory, state: stateDirectory, bus: busSocket)
    }

    /// Whether one folder is cache and upload folder at once, which is asked for by giving both the same path. Then writes are watched
    /// too: without one between them the kernel makes one event of two closes (inotify(7)).
    package var isShared: Bool { cacheDirectory == uploadDirectory }

    /// The server, once it is named.
    package var server: ServerAddress? {
        serverHost.map { ServerAddress(host: $0, port: serverPort, classicChunkBytes: classicChunkBytes) }
    }
}

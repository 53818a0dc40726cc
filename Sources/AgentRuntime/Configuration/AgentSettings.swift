package import AvatarCache
package import AvatarCore
package import ProgramSupport
internal import TransferMachines

/// Everything the agent can be told, with its defaults (docs/architecture.md, "Configuration").
package struct AgentSettings: Sendable {
    /// Nil until somebody names a server.
    package var serverHost: String?
    package var serverPort = 9090
    /// The server's base URL, where it is spoken to in HTTP; never beside ``serverHost``.
    package var serverURL: ServerURL?
    package var manners = ServerManners()
    package var uid: UserID?
    /// Where the token lies; nil for the places of ``TokenFile``.
    package var tokenFile: String?
    package var cacheDirectory = ""
    /// Nil for no bound.
    package var cacheBytesMax: Int64?
    /// How long a picture is shown before the server is asked for it again; nil for ever.
    package var recheckAfter: Duration? = Limits.Download.recheckAfter
    package var uploadDirectory = ""
    package var uploadBytesMax = Limits.Picture.uploadBytesMaxDefault
    /// The picture formats that are taken, as crops and from others.
    package var pictureTypes = ImageFormat.usual
    /// Names of files in the upload folder that are no avatars.
    package var uploadIgnore = NamePatterns.standard
    package var stateDirectory = ""
    package var busSocket = ""
    package var sync = SyncLevel.full
    package var logLevel = "info"
    package var logFormat = ProgramLog.Form.text
    /// Whether flags or environment name the server or the user: then a login over the bus does not change them.
    package var isServerPinned = false

    /// Reads and checks every key. A folder that no key names lies where the base directories say, which are only asked for it then.
    package init(
        _ layers: LayeredConfiguration<AgentKey>, _ directories: BaseDirectories
    ) throws(ConfigurationError) {
        var values = ConfigurationValues(layers)
        read(&values)
        values.collect { () throws(ConfigurationError) in
            if cacheDirectory.isEmpty { cacheDirectory = try directories.path(.data) + "/avatard/avatars" }
            if uploadDirectory.isEmpty { uploadDirectory = try directories.path(.data) + "/avatard/crops" }
        }
        values.collect { () throws(ConfigurationError) in
            if stateDirectory.isEmpty { stateDirectory = try directories.path(.state) + "/avatard" }
            if busSocket.isEmpty { busSocket = try directories.busSocket() }
        }
        try values.finish()
        // A key with a fault was thrown by now.
        for key in [AgentKey.serverURL, .serverHost, .serverPort, .identityUID] {
            switch try layers.value(of: key)?.source {
            case .commandLine, .environment: isServerPinned = true
            case .file, nil: break
            }
        }
    }

    private mutating func read(_ values: inout ConfigurationValues<AgentKey>) {
        values.address(.serverHost, .serverPort, host: { serverHost = $0 }, port: { serverPort = $0 })
        readURL(&values)
        // The classic dialect is the only one for a server that is named by its host: `auto` means classic.
        values.text(.serverDialect, oneOf: ["auto", "classic"]) { _ in }
        values.number(.serverClassicChunkBytes, in: Limits.Wire.classicChunkBytes) { manners.classicChunkBytes = $0 }
        values.path(.serverCAFile) { manners.caFile = $0 }
        readPin(&values)
        values.flag(.serverAllowPlaintext) { manners.allowsPlaintext = $0 }
        values.number(.identityUID, in: 1...Int.max) { uid = UserID(Int64($0)) }
        values.path(.identityTokenFile) { tokenFile = $0 }
        values.path(.cacheDirectory) { cacheDirectory = Self.trimmed($0) }
        values.bytes(.cacheBytesMax, in: 0...Int.max) { cacheBytesMax = $0 == 0 ? nil : Int64($0) }
        values.number(.cacheRecheckAfter, in: 0...Limits.Download.recheckSecondsMax) {
            recheckAfter = $0 == 0 ? nil : .seconds($0)
        }
        values.path(.uploadDirectory) { uploadDirectory = Self.trimmed($0) }
        values.bytes(.uploadBytesMax, in: 1...Int(Limits.Picture.downloadBytesMax)) { uploadBytesMax = Int64($0) }
        values.choices(.picturesTypes) { pictureTypes = $0 }
        readIgnored(&values)
        values.path(.stateDirectory) { stateDirectory = Self.trimmed($0) }
        values.path(.busSocket) { busSocket = $0 }
        values.text(.storageSync, oneOf: ["full", "none"]) { sync = $0 == "none" ? .none : .full }
        values.text(.logLevel, oneOf: ProgramLog.levels) {
            logLevel = $0
        }
        values.choice(.logFormat) { logFormat = $0 }
    }

    /// The base URL. A server that is named both ways in one layer is a fault; else the stronger layer wins.
    private mutating func readURL(_ values: inout ConfigurationValues<AgentKey>) {
        let both =
            "server.url and server.host both name a server: keep server.url for HTTP, or server.host for the classic dialect"
        guard values.chosen(.serverURL, or: .serverHost, both) == .serverURL else { return }
        var text = ""
        values.text(.serverURL) { text = $0 }
        do throws(ServerURL.Fault) {
            serverURL = try ServerURL(text)
            serverHost = nil
        } catch {
            values.refuse(.serverURL, "\"\(text)\" \(error)")
        }
    }

    private mutating func readPin(_ values: inout ConfigurationValues<AgentKey>) {
        var text: String?
        values.text(.serverPin) { text = $0 }
        guard let text else { return }
        manners.pin = SHA256Digest(hex: text.lowercased())
        guard manners.pin == nil else { return }
        values.refuse(
            .serverPin, "\"\(text)\" must be the SHA-256 of the server's public key, 64 hexadecimal digits")
    }

    private mutating func readIgnored(_ values: inout ConfigurationValues<AgentKey>) {
        var list: String?
        values.text(.uploadIgnore) { list = $0 }
        guard let list else { return }
        do throws(NamePatterns.Fault) {
            uploadIgnore = try NamePatterns(list: list)
        } catch {
            values.refuse(.uploadIgnore, error.description)
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
        if let serverURL { return ServerAddress(url: serverURL, manners: manners) }
        return serverHost.map { ServerAddress(host: $0, port: serverPort, manners: manners) }
    }
}

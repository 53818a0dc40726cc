internal import AvatarCache
internal import AvatarCore
internal import Foundation
package import ProgramSupport

/// Every key of the agent's configuration, the value that holds, and who says so (`avatard --show-config`). A token never stands in it:
/// no key holds one.
package struct ConfigurationReport: Sendable {
    /// How it is printed.
    package enum Form: String, CaseIterable, Sendable { case text, json }

    /// Who says what a key's value is.
    fileprivate enum Source: Sendable {
        case standard
        case file(String, line: Int?)
        case environment(variable: String)
        case commandLine(flag: String)
        /// A login over the bus, which is kept in a file.
        case login(String)
    }

    fileprivate struct Row: Sendable {
        let key: AgentKey
        var value: String
        var source: Source
    }

    private var rows: [Row] = []
    /// What a person should know beside it.
    private var remarks: [String] = []

    /// Reads the layers, and the login that was made over the bus.
    package init(
        _ layers: LayeredConfiguration<AgentKey>, _ settings: AgentSettings
    ) throws(ConfigurationError) {
        for key in AgentKey.allCases {
            let said = try layers.value(of: key, asList: true)
            guard let said, !said.text.isEmpty else {
                rows.append(Row(key: key, value: settings.standardText(of: key), source: .standard))
                continue
            }
            rows.append(Row(key: key, value: said.text, source: Source(said.source)))
        }
        takePortOfHost(settings.serverPort)
        guard !settings.isServerPinned else { return }
        do throws(TokenFile.Fault) {
            let logins = LoginStore(stateDirectory: settings.stateDirectory)
            guard let kept = try logins.load(settings.manners) else { return }
            let source = Source.login(logins.path)
            if let url = kept.server.url {
                change(.serverURL, to: url.description, by: source)
                change(.serverHost, to: "", by: source)
            } else {
                change(.serverURL, to: "", by: source)
                change(.serverHost, to: kept.server.host, by: source)
                change(.serverPort, to: "\(kept.server.port)", by: source)
            }
            change(.identityUID, to: "\(kept.uid.value)", by: source)
        } catch {
            remarks.append(error.description)
        }
    }

    private mutating func change(_ key: AgentKey, to value: String, by source: Source) {
        guard let index = rows.firstIndex(where: { $0.key == key }) else { return }
        rows[index].value = value
        rows[index].source = source
    }

    /// A port may stand in the text of the host, and win over the port's own key or do without it.
    private mutating func takePortOfHost(_ port: Int) {
        guard let host = rows.first(where: { $0.key == .serverHost }), let named = try? HostPort(host.value).port,
            named == port, let own = rows.first(where: { $0.key == .serverPort })
        else { return }
        if case .standard = own.source {} else if own.value == "\(port)" { return }
        change(.serverPort, to: "\(port)", by: host.source)
    }

    /// The lines to print: a table, or an object for each key.
    package func lines(_ form: Form) -> [String] {
        switch form {
        case .json: return rows.map { String(decoding: $0.json, as: UTF8.self) }
        case .text:
            let cells = rows.map { ($0.key.rawValue, $0.value.isEmpty ? "-" : $0.value, $0.source.text) }
            let keys = cells.map(\.0.count).max() ?? 0
            let values = min(cells.map(\.1.count).max() ?? 0, 40)
            return cells.map { key, value, source in
                key.padding(to: keys) + "  " + value.padding(to: values) + "  " + source
            } + remarks.map { "note: \($0)" }
        }
    }
}

extension ConfigurationReport.Row {
    fileprivate var json: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("key", key.rawValue)
            writer.field("value", value)
            writer.field("source", source.word)
            switch source {
            case .standard: break
            case .file(let path, let line):
                writer.field("file", path)
                writer.field("line", line)
            case .environment(let variable): writer.field("variable", variable)
            case .commandLine(let flag): writer.field("flag", flag)
            case .login(let path): writer.field("file", path)
            }
            writer.field("reloadable", key.isReloadable)
        }
        return writer.bytes
    }
}

extension ConfigurationReport.Source {
    fileprivate init(_ source: ConfigurationSource) {
        switch source {
        case .commandLine(let flag): self = .commandLine(flag: flag)
        case .environment(let variable): self = .environment(variable: variable)
        case .file(let path, let line): self = .file(path, line: line)
        }
    }

    fileprivate var word: String {
        switch self {
        case .standard: "default"
        case .file: "file"
        case .environment: "environment"
        case .commandLine: "flag"
        case .login: "login"
        }
    }

    fileprivate var text: String {
        switch self {
        case .standard: "default"
        case .file(let path, let line): line.map { "\(path):\($0)" } ?? path
        case .environment(let variable): variable
        case .commandLine(let flag): flag
        case .login(let path): "login (\(path))"
        }
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

extension AgentSettings {
    /// The value of a key that nobody has said anything about, as it would be written.
    fileprivate func standardText(of key: AgentKey) -> String {
        switch key {
        case .serverURL: serverURL?.description ?? ""
        case .serverCAFile: manners.caFile ?? ""
        case .serverPin: manners.pin?.hex ?? ""
        case .serverAllowPlaintext: manners.allowsPlaintext ? "true" : "false"
        case .serverHost: serverHost ?? ""
        case .serverPort: "\(serverPort)"
        case .serverDialect: "auto"
        case .serverClassicChunkBytes: "\(manners.classicChunkBytes)"
        case .identityUID: uid.map { "\($0.value)" } ?? ""
        case .identityTokenFile: stateDirectory + "/token"
        case .cacheDirectory: cacheDirectory
        case .cacheBytesMax: "\(cacheBytesMax ?? 0)"
        case .cacheRecheckAfter: "\(recheckAfter?.components.seconds ?? 0)"
        case .uploadDirectory: uploadDirectory
        case .uploadBytesMax: "\(uploadBytesMax)"
        case .uploadIgnore: uploadIgnore.list
        case .picturesTypes:
            ImageFormat.allCases.filter { pictureTypes.contains($0) }.map(\.rawValue).joined(separator: ",")
        case .stateDirectory: stateDirectory
        case .busSocket: busSocket
        case .storageSync: sync.rawValue
        case .logLevel: logLevel
        case .logFormat: logFormat.rawValue
        }
    }
}

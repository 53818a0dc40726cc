internal import AvatarCore
internal import Configuration
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// What the configuration says of a key.
package struct ConfigurationValue: Hashable, Sendable {
    package let text: String
    /// Which layer says so: the file's path, "the environment" or "the command line".
    package let source: String
    /// The layer's number: the lower, the stronger.
    package let rank: Int
}

/// A program's configuration, read in layers: flags, then environment, then the YAML file; what none of them says
/// keeps its default.
package struct LayeredConfiguration<Key: ConfigurationKey>: Sendable {
    private let layers: [(source: String, provider: any ConfigProvider)]

    /// What is done about keys that `Key` does not have.
    package enum UnknownKeys: Sendable {
        case areErrors
        /// The program reads a few keys of another program's configuration.
        case areOthers
    }

    /// - Parameters:
    ///   - flags: what the command line says, by key.
    ///   - environment: the process's; variables without `Key.variablePrefix` are not looked at.
    ///   - file: the YAML file; nil for none.
    package init(
        flags: [Key: String], environment: ProcessEnvironment, file: String?, unknownKeys: UnknownKeys = .areErrors
    ) async throws(ConfigurationError) {
        let flagValues = flags.map { flag in
            (
                AbsoluteConfigKey(flag.key.rawValue.split(separator: ".").map(String.init)),
                ConfigValue(.string(flag.value), isSecret: flag.key.isSecret)
            )
        }
        let variables = try Self.variables(environment, unknownKeys)
        var layers: [(source: String, provider: any ConfigProvider)] = [
            (
                "the command line",
                InMemoryProvider(values: Dictionary(flagValues, uniquingKeysWith: { first, _ in first }))
            ),
            ("the environment", EnvironmentVariablesProvider(environmentVariables: variables)),
        ]
        if let file, let provider = try await Self.provider(file, unknownKeys) { layers.append((file, provider)) }
        self.layers = layers
    }

    /// What the first layer that has the key says, and which one that is.
    ///
    /// - Parameter asList: whether a YAML list says the same as its words with commas between them.
    package func value(of key: Key, asList: Bool = false) throws(ConfigurationError) -> ConfigurationValue? {
        for (rank, layer) in layers.enumerated() {
            if let text = try Self.text(of: key.rawValue, in: layer.provider, layer.source, asList: asList) {
                return ConfigurationValue(text: text, source: layer.source, rank: rank)
            }
        }
        return nil
    }

    private static func text(
        of key: String, in provider: any ConfigProvider, _ source: String, asList: Bool = false
    ) throws(ConfigurationError) -> String? {
        let absolute = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
        do {
            guard case .string(let text) = try provider.value(forKey: absolute, type: .string).value?.content
            else { return nil }
            return text
        } catch {
            if asList,
                case .stringArray(let words)? = try? provider.value(forKey: absolute, type: .stringArray).value?.content
            {
                return words.joined(separator: ",")
            }
            throw ConfigurationError(key: key, source: source, reason: "needs one plain value" + Self.bracketsHint)
        }
    }

    private static var bracketsHint: String {
        "; one that begins with [ or { needs quotes, such as \"[::1]:9090\""
    }

    private static func variables(
        _ environment: ProcessEnvironment, _ unknownKeys: UnknownKeys
    ) throws(ConfigurationError) -> [String: String] {
        let known = Set(Key.allCases.map(\.variable))
        var variables: [String: String] = [:]
        for name in environment.names(from: Key.variablePrefix) {
            let short = String(name.dropFirst(Key.variablePrefix.count))
            guard known.contains(short) else {
                if unknownKeys == .areOthers { continue }
                throw ConfigurationError(
                    key: name, source: "the environment", reason: unknown(short, among: Key.allCases.map(\.variable)))
            }
            variables[short] = try environment.text(name) ?? ""
        }
        return variables
    }

    /// The file's text, and whether it says anything, comments aside.
    private static func text(ofFile file: String) throws(ConfigurationError) -> (text: String, says: Bool) {
        let descriptor = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(file) }
        defer { close(descriptor) }
        var data: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let got = Glibc.read(descriptor, &chunk, chunk.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw unreadable(file) }
            if got == 0 { break }
            data += chunk[..<got]
            guard data.count <= Limits.Configuration.fileBytesMax else {
                throw ConfigurationError(
                    key: "the file", source: file,
                    reason: "has more than \(Limits.Configuration.fileBytesMax) bytes, which no configuration needs")
            }
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw ConfigurationError(key: "the file", source: file, reason: "is not UTF-8: save it as UTF-8")
        }
        let says = text.split(whereSeparator: \.isNewline).contains { line in
            let content = line.drop(while: \.isWhitespace)
            return !content.isEmpty && !content.hasPrefix("#") && content != "---"
        }
        return (text, says)
    }

    private static func unreadable(_ file: String) -> ConfigurationError {
        ConfigurationError(
            key: "the file", source: file, reason: "cannot be read: \(String(cString: strerror(errno)))")
    }

    /// Nil for a file that says nothing, comments aside.
    private static func provider(
        _ file: String, _ unknownKeys: UnknownKeys
    ) async throws(ConfigurationError) -> FileProvider<YAMLSnapshot>? {
        let (text, says) = try Self.text(ofFile: file)
        guard says else { return nil }
        // The library asks of each key whether it is a secret: that is where the misspelt ones are seen.
        let keys = KeyCollector()
        let provider: FileProvider<YAMLSnapshot>
        do {
            provider = try await FileProvider<YAMLSnapshot>(
                parsingOptions: YAMLSnapshot.ParsingOptions(
                    secretsSpecifier: .dynamic { key, _ in
                        keys.add(key)
                        return true
                    }),
                filePath: FilePath(file))
        } catch {
            let hint = text.contains(/:[ \t]+[\[{]/) ? bracketsHint : ""
            throw ConfigurationError(key: "the file", source: file, reason: "is no YAML: \(error)\(hint)")
        }
        let known = Key.allCases.map(\.rawValue)
        for key in keys.sorted where unknownKeys == .areErrors && !known.contains(key) {
            // A section with nothing in it.
            if known.contains(where: { $0.hasPrefix(key + ".") }), try Self.text(of: key, in: provider, file) == "" {
                continue
            }
            throw ConfigurationError(key: key, source: file, reason: unknown(key, among: known))
        }
        return provider
    }

    private static func unknown(_ key: String, among known: [String]) -> String {
        let near = known.min { distance($0, key) < distance($1, key) }
        return "there is no such key" + (near.map { distance($0, key) <= 3 ? "; is \($0) meant?" : "" } ?? "")
    }

    /// Levenshtein's, without regard to case.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right.lowercased())
        var row = Array(0...right.count)
        for (i, character) in left.lowercased().enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let substituted = diagonal + (character == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[right.count]
    }
}

private final class KeyCollector: Sendable {
    private let keys = Mutex<Set<String>>([])
    func add(_ key: String) { keys.withLock { _ = $0.insert(key) } }
    var sorted: [String] { keys.withLock { $0.sorted() } }
}

internal import Configuration
internal import Foundation
internal import Synchronization
internal import SystemPackage

/// A program's configuration, read in layers: flags, then environment, then the YAML file; what none of them says
/// keeps its default.
package struct LayeredConfiguration<Key: ConfigurationKey>: Sendable {
    private let layers: [(source: String, provider: any ConfigProvider)]

    /// - Parameters:
    ///   - flags: what the command line says, by key.
    ///   - environment: the process's; variables without `Key.variablePrefix` are not looked at.
    ///   - file: the YAML file; nil for none.
    package init(
        flags: [Key: String], environment: [String: String], file: String?
    ) async throws(ConfigurationError) {
        let flagValues = flags.map { flag in
            (
                AbsoluteConfigKey(flag.key.rawValue.split(separator: ".").map(String.init)),
                ConfigValue(.string(flag.value), isSecret: flag.key.isSecret)
            )
        }
        let variables = try Self.variables(environment)
        var layers: [(source: String, provider: any ConfigProvider)] = [
            (
                "the command line",
                InMemoryProvider(values: Dictionary(flagValues, uniquingKeysWith: { first, _ in first }))
            ),
            ("the environment", EnvironmentVariablesProvider(environmentVariables: variables)),
        ]
        if let file, let provider = try await Self.provider(file) { layers.append((file, provider)) }
        self.layers = layers
    }

    /// What the first layer that has the key says, and which one that is.
    package func value(of key: Key) throws(ConfigurationError) -> (text: String, source: String)? {
        for layer in layers {
            if let text = try Self.text(of: key.rawValue, in: layer.provider, layer.source) {
                return (text, layer.source)
            }
        }
        return nil
    }

    private static func text(
        of key: String, in provider: any ConfigProvider, _ source: String
    ) throws(ConfigurationError) -> String? {
        do {
            let absolute = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
            guard case .string(let text) = try provider.value(forKey: absolute, type: .string).value?.content
            else { return nil }
            return text
        } catch {
            // A YAML list says the same as its words with commas between them.
            let absolute = AbsoluteConfigKey(key.split(separator: ".").map(String.init))
            if case .stringArray(let words)? = try? provider.value(forKey: absolute, type: .stringArray).value?.content
            {
                return words.joined(separator: ",")
            }
            throw ConfigurationError(key: key, source: source, reason: "needs one plain value")
        }
    }

    private static func variables(_ environment: [String: String]) throws(ConfigurationError) -> [String: String] {
        let known = Set(Key.allCases.map(\.variable))
        var variables: [String: String] = [:]
        for (name, value) in environment where name.hasPrefix(Key.variablePrefix) {
            let short = String(name.dropFirst(Key.variablePrefix.count))
            guard known.contains(short) else {
                throw ConfigurationError(
                    key: name, source: "the environment", reason: unknown(short, among: Key.allCases.map(\.variable)))
            }
            variables[short] = value
        }
        return variables
    }

    /// Nil for a file that says nothing, comments aside.
    private static func provider(_ file: String) async throws(ConfigurationError) -> FileProvider<YAMLSnapshot>? {
        // The library asks of each key whether it is a secret: that is where the misspelt ones are seen.
        let keys = KeyCollector()
        let provider: FileProvider<YAMLSnapshot>
        do {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            let says = text.split(whereSeparator: \.isNewline).contains { line in
                let content = line.drop(while: \.isWhitespace)
                return !content.isEmpty && !content.hasPrefix("#") && content != "---"
            }
            guard says else { return nil }
            provider = try await FileProvider<YAMLSnapshot>(
                parsingOptions: YAMLSnapshot.ParsingOptions(
                    secretsSpecifier: .dynamic { key, _ in
                        keys.add(key)
                        return true
                    }),
                filePath: FilePath(file))
        } catch let error as CocoaError {
            throw ConfigurationError(key: "the file", source: file, reason: error.localizedDescription)
        } catch {
            throw ConfigurationError(key: "the file", source: file, reason: "is no YAML: \(error)")
        }
        let known = Key.allCases.map(\.rawValue)
        for key in keys.sorted where !known.contains(key) {
            // A section with nothing in it.
            if known.contains(where: { $0.hasPrefix(key + ".") }), try text(of: key, in: provider, file) == "" {
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

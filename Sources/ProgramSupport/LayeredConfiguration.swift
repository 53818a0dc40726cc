internal import Configuration

/// What the configuration says of a key.
package struct ConfigurationValue: Hashable, Sendable {
    package let text: String
    /// Which layer says so, and where in it.
    package let source: ConfigurationSource
    /// The layer's number: the lower, the stronger.
    package let rank: Int
}

/// A program's configuration, read in layers: flags, then environment, then the YAML file; what none of them says
/// keeps its default.
package struct LayeredConfiguration<Key: ConfigurationKey>: Sendable {
    private let layers: [(source: @Sendable (Key) -> ConfigurationSource, values: any ConfigSnapshot)]

    /// What is wrong with the layers themselves: a file that cannot be read, keys that `Key` does not have, variables that are no text.
    /// ``ConfigurationValues`` adds what is wrong with the values.
    package let faults: [ConfigurationFault]

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
    ) {
        let flagValues = flags.map { flag in
            (
                AbsoluteConfigKey(flag.key.rawValue.split(separator: ".").map(String.init)),
                ConfigValue(.string(flag.value), isSecret: flag.key.isSecret)
            )
        }
        let given = InMemoryProvider(values: Dictionary(flagValues, uniquingKeysWith: { first, _ in first }))
        let (variables, unknownVariables) = Self.variables(environment, unknownKeys)
        var faults = unknownVariables
        var layers: [(source: @Sendable (Key) -> ConfigurationSource, values: any ConfigSnapshot)] = [
            ({ .commandLine("--\($0.flag)") }, given.snapshot()),
            (
                { .environment(Key.variablePrefix + $0.variable) },
                EnvironmentVariablesProvider(environmentVariables: variables).snapshot()
            ),
        ]
        do throws(ConfigurationError) {
            if let path = file {
                let file = try ConfigurationFile(path: path) { name in
                    Key.allCases.contains { $0.rawValue.hasPrefix(name + ".") }
                }
                if unknownKeys == .areErrors { faults += Self.unfit(in: file) }
                if let values = file.values {
                    layers.append(({ .file(path, line: file.line(of: $0.rawValue)) }, values))
                }
            }
        } catch {
            faults += error.faults
        }
        self.layers = layers
        self.faults = faults
    }

    /// What the first layer that has the key says, and which one that is.
    ///
    /// - Parameter asList: whether a YAML list says the same as its words with commas between them.
    package func value(of key: Key, asList: Bool = false) throws(ConfigurationError) -> ConfigurationValue? {
        for (rank, layer) in layers.enumerated() {
            if let text = try Self.text(of: key, in: layer.values, layer.source(key), asList: asList) {
                return ConfigurationValue(text: text, source: layer.source(key), rank: rank)
            }
        }
        return nil
    }

    /// Where the key stands, for a fault that several keys have together; its flag where it stands nowhere.
    package func source(of key: Key) -> ConfigurationSource {
        (try? value(of: key))?.source ?? .commandLine("--\(key.flag)")
    }

    private static func text(
        of key: Key, in values: any ConfigSnapshot, _ source: ConfigurationSource, asList: Bool
    ) throws(ConfigurationError) -> String? {
        let absolute = AbsoluteConfigKey(key.rawValue.split(separator: ".").map(String.init))
        do {
            guard case .string(let text) = try values.value(forKey: absolute, type: .string).value?.content
            else { return nil }
            return text
        } catch {
            if asList,
                case .stringArray(let words)? = try? values.value(forKey: absolute, type: .stringArray).value?.content
            {
                return words.joined(separator: ",")
            }
            throw ConfigurationError(
                key: key.rawValue, source: source, reason: needsPlainValue)
        }
    }

    private static var needsPlainValue: String { "needs one plain value" + LayeredConfigurationHint.brackets }

    // MARK: Keys that there are not

    private static func variables(
        _ environment: ProcessEnvironment, _ unknownKeys: UnknownKeys
    ) -> (known: [String: String], faults: [ConfigurationFault]) {
        let known = Set(Key.allCases.map(\.variable))
        var variables: [String: String] = [:]
        var faults: [ConfigurationFault] = []
        for name in environment.names(from: Key.variablePrefix) {
            let short = String(name.dropFirst(Key.variablePrefix.count))
            guard known.contains(short) else {
                if unknownKeys == .areOthers { continue }
                let all = Key.allCases.map { Key.variablePrefix + $0.variable }
                faults.append(
                    ConfigurationFault(key: nil, source: .environment(name), reason: unknown(name, among: all)))
                continue
            }
            do throws(ConfigurationError) {
                variables[short] = try environment.text(name) ?? ""
            } catch {
                faults += error.faults
            }
        }
        return (variables, faults)
    }

    private static func unfit(in file: ConfigurationFile) -> [ConfigurationFault] {
        let known = Key.allCases.map(\.rawValue)
        let sections = Set(known.flatMap { key in key.indices(of: ".").map { String(key[..<$0]) } })
        return file.entries.compactMap { entry in
            guard !known.contains(entry.key) else {
                return entry.isSection
                    ? ConfigurationFault(
                        key: entry.key, source: .file(file.path, line: entry.line), reason: needsPlainValue) : nil
            }
            // A section with nothing in it.
            if sections.contains(entry.key), entry.text?.isEmpty == true { return nil }
            let candidates = known + (entry.isSection ? Array(sections) : [])
            return ConfigurationFault(
                key: entry.key, source: .file(file.path, line: entry.line),
                reason: unknown(entry.key, among: candidates))
        }
    }

    private static func unknown(_ key: String, among known: [String]) -> String {
        let near = known.sorted().min { distance($0, key) < distance($1, key) }
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

extension String {
    fileprivate func indices(of character: Character) -> [Index] { indices.filter { self[$0] == character } }
}

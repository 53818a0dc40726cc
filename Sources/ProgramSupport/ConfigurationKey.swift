/// Every key of a program's configuration, spelt as in its YAML file. `--listen-host` and `PREFIX_LISTEN_HOST` are the same key as
/// `listen.host`.
package protocol ConfigurationKey: RawRepresentable<String>, CaseIterable, Hashable, Sendable {
    /// What stands before every environment variable: `AVATARD_`.
    static var variablePrefix: String { get }
    /// Whether the value is never to be shown.
    var isSecret: Bool { get }
    /// Whether a program that runs takes another value over at once, when its configuration is read again.
    var isReloadable: Bool { get }
}

extension ConfigurationKey {
    /// The words of the key, as both of the forms below spell them.
    private var words: [String] {
        rawValue.split(separator: ".").flatMap { part -> [String] in
            // sqliteFile is two words; chunkBytes too.
            var words: [String] = [""]
            for character in part {
                if character.isUppercase { words.append("") }
                words[words.count - 1].append(contentsOf: character.lowercased())
            }
            return words
        }
    }

    /// The environment variable without its prefix: `CLASSIC_CHUNK_BYTES`.
    package var variable: String { words.joined(separator: "_").uppercased() }
    /// The flag without its dashes: `classic-chunk-bytes`.
    package var flag: String { words.joined(separator: "-") }
}

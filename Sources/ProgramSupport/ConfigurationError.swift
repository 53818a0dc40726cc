/// Where a value of the configuration, or a mistake in it, stands.
package enum ConfigurationSource: Hashable, Sendable, CustomStringConvertible {
    /// A flag, with its dashes, or another argument.
    case commandLine(String)
    /// A variable, by its whole name.
    case environment(String)
    /// A file's path, and the line, from 1; nil for the whole file.
    case file(String, line: Int?)

    /// As a person looks for it: `--server-port`, `the environment variable AVATARD_SERVER_PORT`, `/home/ada/avatard.yaml:7`.
    package var description: String {
        switch self {
        case .commandLine(let argument): argument
        case .environment(let variable): "the environment variable \(variable)"
        case .file(let path, let line): path + (line.map { ":\($0)" } ?? "")
        }
    }
}

/// One thing that is wrong with a configuration: a key that cannot be, or a value that makes no sense.
package struct ConfigurationFault: Hashable, Sendable, CustomStringConvertible {
    /// The key; nil where the source says all, as the variable HOME does.
    package let key: String?
    package let source: ConfigurationSource
    package let reason: String

    package init(key: String?, source: ConfigurationSource, reason: String) {
        self.key = key
        self.source = source
        self.reason = reason
    }

    /// `PLACE: KEY: REASON`
    package var description: String { "\(source): " + (key.map { "\($0): " } ?? "") + reason }
}

/// Everything that is wrong with a configuration, so that it is mended in one go.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// In the order of the layers and keys; never empty.
    package let faults: [ConfigurationFault]

    /// One fault.
    package init(key: String?, source: ConfigurationSource, reason: String) {
        faults = [ConfigurationFault(key: key, source: source, reason: reason)]
    }

    /// Several; nil for none.
    package init?(_ faults: [ConfigurationFault]) {
        guard !faults.isEmpty else { return nil }
        self.faults = faults
    }

    /// All faults in one line, as a log has it.
    package var description: String { faults.map(\.description).joined(separator: "; ") }

    /// Whether the command line is at fault, which makes it a usage error. With other faults beside it is one too: a person sits there.
    package var isOfCommandLine: Bool {
        faults.contains { fault in
            if case .commandLine = fault.source { return true }
            return false
        }
    }
}

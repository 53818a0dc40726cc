internal import ProgramSupport

/// Where the agent's socket lies: `--socket`, else what the agent's own configuration says, else its default (avatarctl(1), "FILES").
enum AgentSocket {
    /// What is read of the agent's configuration; the other keys are the agent's business.
    private enum Key: String, ConfigurationKey {
        case busSocket = "bus.socket"

        static let variablePrefix = "AVATARD_"
        var isSecret: Bool { false }
        var isReloadable: Bool { false }
    }

    /// - Parameter flag: what `--socket` says; nothing else is looked at then.
    static func path(flag: String?) throws(ConfigurationError) -> String {
        if let flag { return flag }
        let environment = ProcessEnvironment.current()
        let directories = BaseDirectories(environment)
        if let named = try named(environment, file: nil) { return named }
        if let file = try directories.configurationFile("avatard/avatard.yaml"),
            let named = try named(environment, file: file)
        {
            return named
        }
        return try directories.busSocket()
    }

    private static func named(
        _ environment: ProcessEnvironment, file: String?
    ) throws(ConfigurationError) -> String? {
        var values = ConfigurationValues(
            LayeredConfiguration<Key>(flags: [:], environment: environment, file: file, unknownKeys: .areOthers))
        var path: String?
        values.path(.busSocket) { path = $0 }
        try values.finish()
        return path
    }
}

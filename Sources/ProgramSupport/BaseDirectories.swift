internal import AvatarCore
internal import Glibc

/// Where a person's files lie, by the XDG base directory specification. HOME is only looked at when it is needed.
package struct BaseDirectories: Sendable {
    /// One of the specification's folders.
    package enum Kind: CaseIterable, Sendable {
        case data
        case state
        case config

        /// The variable that names it.
        package var variable: String {
            switch self {
            case .data: "XDG_DATA_HOME"
            case .state: "XDG_STATE_HOME"
            case .config: "XDG_CONFIG_HOME"
            }
        }

        /// Where it lies below HOME when the variable does not say.
        package var belowHome: String {
            switch self {
            case .data: ".local/share"
            case .state: ".local/state"
            case .config: ".config"
            }
        }
    }

    private static let runtimeVariable = "XDG_RUNTIME_DIR"
    private let environment: ProcessEnvironment
    private let user: UInt32
    private let isFolder: @Sendable (String) -> Bool

    /// The folders that the environment names.
    ///
    /// - Parameter isFolder: whether a folder lies at a path.
    package init(
        _ environment: ProcessEnvironment, user: UInt32 = geteuid(),
        isFolder: @escaping @Sendable (String) -> Bool = BaseDirectories.isFolder
    ) {
        self.environment = environment
        self.user = user
        self.isFolder = isFolder
    }

    /// Where a kind of files lies.
    package func path(_ kind: Kind) throws(ConfigurationError) -> String {
        if let path = try absolute(kind.variable) { return path }
        return try home(for: kind.variable) + "/" + kind.belowHome
    }

    /// Where the label bus's socket lies when `bus.socket` does not say.
    package func busSocket() throws(ConfigurationError) -> String {
        let runtime = try absolute(Self.runtimeVariable)
        if let path = BusSocketPath.inRuntimeFolder(runtime, user: user, isFolder: isFolder) { return path }
        return BusSocketPath.inStateFolder(try path(.state))
    }

    /// The file that is read when no other is named: nil where there is none, or where nothing says where it would lie.
    package func configurationFile(_ name: String) throws(ConfigurationError) -> String? {
        if try absolute(Kind.config.variable) == nil {
            guard let home = try environment.text("HOME"), home.hasPrefix("/"), isFolder(home) else { return nil }
        }
        let path = try path(.config) + "/" + name
        return access(path, F_OK) == 0 ? path : nil
    }

    /// A word about each variable that is set and not used: the specification wants relative paths ignored.
    package var ignored: [String] {
        (Kind.allCases.map(\.variable) + [Self.runtimeVariable]).compactMap { name in
            guard let value = environment.variables[name], !value.isEmpty, !value.hasPrefix("/") else { return nil }
            return "\(name) is \"\(value)\", which is no absolute path, and is ignored"
        }
    }

    private func absolute(_ variable: String) throws(ConfigurationError) -> String? {
        guard let path = try environment.text(variable), path.hasPrefix("/") else { return nil }
        var trimmed = path[...]
        while trimmed.utf8.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        return String(trimmed)
    }

    private func home(for variable: String) throws(ConfigurationError) -> String {
        func fault(_ reason: String) -> ConfigurationError {
            ConfigurationError(
                key: nil, source: .environment("HOME"),
                reason:
                    "\(reason), and \(variable) does not say where else to look: set one of them to the absolute path of a folder"
            )
        }
        guard let home = try environment.text("HOME") else {
            throw fault(environment.variables["HOME"] == nil ? "is not set" : "is empty")
        }
        guard let path = try absolute("HOME") else { throw fault("is \"\(home)\", which is no absolute path") }
        guard isFolder(path) else { throw fault("is \(path), where there is no folder") }
        return path == "/" ? "" : path
    }

    /// Whether a folder lies at the path, or behind a symlink there.
    package static func isFolder(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }
}

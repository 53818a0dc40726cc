/// What holds of every file under Sources. A violation says where, what, and what to do.
enum Rules {
    static func violations(in sources: [SwiftSource]) -> [String] {
        sources.flatMap { imports(of: $0) + purity(of: $0) + crashes(of: $0) + identity(of: $0) + leftovers(of: $0) }
    }

    // MARK: Who may import whom

    /// Dependencies point one way: mains → runtimes and adapters → machines and codecs → AvatarCore. Adapters never import
    /// each other, and the agent's side never imports the server's.
    static let mayImport: [String: Set<String>] = [
        "CInotifyTools": [], "CCrypto": [], "CLinux": [], "CHiredis": [], "CMariaDB": [],
        "AvatarCore": [],
        "TransferMachines": ["AvatarCore"],
        "WireProtocol": ["AvatarCore"],
        "LabelBus": ["AvatarCore"],
        "PosixFiles": ["AvatarCore", "CLinux", "CCrypto"],
        "ProgramSupport": ["AvatarCore", "PosixFiles"],
        "AvatarCache": ["AvatarCore", "PosixFiles"],
        "FolderWatch": ["AvatarCore", "PosixFiles", "CInotifyTools"],
        "AvatarAgentClient": ["AvatarCore", "LabelBus", "PosixFiles"],
        "AgentRuntime": [
            "AvatarCore", "TransferMachines", "WireProtocol", "LabelBus", "AvatarCache", "FolderWatch", "PosixFiles",
            "ProgramSupport",
        ],
        "ServerRuntime": [
            "AvatarCore", "TransferMachines", "WireProtocol", "PosixFiles", "ProgramSupport",
        ],
        "ServerStores": [
            "ServerRuntime", "TransferMachines", "AvatarCore", "PosixFiles", "CHiredis", "CMariaDB",
        ],
        "HTTPFront": ["ServerRuntime", "TransferMachines", "AvatarCore", "PosixFiles", "ProgramSupport"],
        "avatard": ["AgentRuntime", "AvatarCore", "ProgramSupport"],
        "avatarctl": ["AvatarAgentClient", "LabelBus", "AvatarCore", "PosixFiles", "ProgramSupport"],
        "avatar-server": [
            "ServerRuntime", "ServerStores", "HTTPFront", "TransferMachines", "AvatarCore", "PosixFiles",
            "ProgramSupport",
        ],
    ]

    /// Targets that decide and never do: no IO, no clock, no randomness of their own; of modules from outside only these.
    static let pureTargets: [String: Set<String>] = [
        "AvatarCore": [],
        "TransferMachines": ["DequeModule", "HeapModule"],
    ]

    /// Codecs turn bytes into values in memory: of modules from outside only these.
    static let codecs: [String: Set<String>] = [
        "WireProtocol": ["NIOCore"],
        "LabelBus": ["NIOCore", "DequeModule", "Synchronization"],
    ]

    static func imports(of source: SwiftSource) -> [String] {
        guard let allowed = mayImport[source.target] else {
            return ["\(source.path): the target \(source.target) has no row in Rules.mayImport; give it its place"]
        }
        let fromOutside = pureTargets[source.target] ?? codecs[source.target]
        return source.imports.compactMap { module, line in
            if mayImport[module] != nil {
                return allowed.contains(module) || module == source.target
                    ? nil : "\(source.path):\(line): \(source.target) may not import \(module)"
            }
            guard let fromOutside, !fromOutside.contains(module), module != "Swift" else { return nil }
            return "\(source.path):\(line): \(source.target) may not import \(module): it does no IO"
        }
    }

    // MARK: What pure targets never call

    static func purity(of source: SwiftSource) -> [String] {
        guard pureTargets[source.target] != nil else { return [] }
        let forbidden: [(pattern: Regex<Substring>, why: String)] = [
            (
                /\b(?:ContinuousClock|SuspendingClock|Date|DispatchTime)\s*[.(]/,
                "reads a clock; take `now` as an argument"
            ),
            (/\b(?:clock_gettime|gettimeofday)\b/, "reads a clock; take `now` as an argument"),
            (/\bSystemRandomNumberGenerator\b/, "draws randomness of its own; take a generator as an argument"),
            (/\.(?:randomElement|shuffled|shuffle)\(\)/, "draws randomness of its own; use the form with `using:`"),
        ]
        var found = forbidden.flatMap { rule in matches(of: rule.pattern, in: source).map { ($0, rule.why) } }
        for match in source.code.matches(of: /(?:\bself)?\.now\b/) where !match.output.hasPrefix("self") {
            found.append((source.line(of: match.range.lowerBound), "reads a clock; take `now` as an argument"))
        }
        for match in source.code.matches(of: /\.random\(/)
        where !isGivenGenerator(source.code[match.range.upperBound...]) {
            found.append(
                (source.line(of: match.range.lowerBound), "draws randomness of its own; use the form with `using:`"))
        }
        return found.map { "\(source.path):\($0): \($1)" }
    }

    /// Whether the call whose arguments begin here has one that is labelled `using`.
    private static func isGivenGenerator(_ arguments: Substring) -> Bool {
        var depth = 1
        let end = arguments.firstIndex { character in
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            return depth == 0
        }
        return arguments[..<(end ?? arguments.endIndex)].contains(/\busing\s*:/)
    }

    // MARK: What nobody calls

    static func crashes(of source: SwiftSource) -> [String] {
        let forbidden: [(pattern: Regex<Substring>, why: String)] = [
            (/\bfatalError\s*\(/, "ends the process; throw an error"),
            (/\bpreconditionFailure\s*\(/, "ends the process; throw an error"),
            (/\btry!/, "ends the process; throw an error"),
            (/\bas!/, "ends the process on another type; use `as?`"),
            (/\b(?:usleep|nanosleep)\s*\(|\bThread\.sleep\b/, "blocks; wait for the event"),
        ]
        return forbidden.flatMap { rule in
            matches(of: rule.pattern, in: source).map { "\(source.path):\($0): \(rule.why)" }
        }
    }

    private static func matches(of pattern: Regex<Substring>, in source: SwiftSource) -> [Int] {
        source.code.matches(of: pattern).map { source.line(of: $0.range.lowerBound) }
    }

    // MARK: What compares text from outside

    /// Files whose sets and dictionaries are keyed by text of this program's own, or of its environment.
    static let ownTextKeys: Set<String> = [
        "Sources/AgentRuntime/Agent.swift", "Sources/AgentRuntime/Bus/BusSocket.swift",
        "Sources/AgentRuntime/Bus/SocketActivation.swift", "Sources/AgentRuntime/Configuration/AgentSettings.swift",
        "Sources/AgentRuntime/Configuration/TokenFile.swift", "Sources/LabelBus/Calls/Replies.swift",
        "Sources/LabelBus/Wire/BusObject.swift", "Sources/ProgramSupport/LayeredConfiguration.swift",
        "Sources/ProgramSupport/ProcessEnvironment.swift", "Sources/ProgramSupport/ProgramLog.swift",
        "Sources/ProgramSupport/ServiceManager.swift", "Sources/ServerStores/Cluster/ClusterAvatars.swift",
        "Sources/ServerStores/Cluster/ClusterProgress.swift",
        "Sources/ServerStores/Cluster/MariaDBConnection.swift",
        "Sources/avatard/AvatardCommand.swift",
    ]

    /// `String` takes "é" for "e" with an accent behind it; names, labels and tokens are only equal when their bytes are.
    static func identity(of source: SwiftSource) -> [String] {
        guard !ownTextKeys.contains(source.path) else { return [] }
        return matches(of: /\bSet<String>|\bDictionary<String,|\[String\s*:/, in: source).map {
            "\(source.path):\($0): is keyed by String, which compares by Unicode equivalence; use ExactString"
        }
    }

    // MARK: What does not stay

    static func leftovers(of source: SwiftSource) -> [String] {
        source.path.hasSuffix("/Placeholder.swift")
            ? ["\(source.path): a placeholder; targets come with their work"] : []
    }
}

internal import AvatarCore
internal import ProgramSupport

/// Where the agent's files lie, as its configuration file and the environment say; flags that it was started with nobody else knows.
struct AgentPlaces {
    private enum Key: String, ConfigurationKey {
        case cacheDirectory = "cache.directory"
        case cacheBytesMax = "cache.bytesMax"
        case uploadDirectory = "upload.directory"
        case stateDirectory = "state.directory"

        static let variablePrefix = "AVATARD_"
        var isSecret: Bool { false }
        var isReloadable: Bool { false }
    }

    /// The configuration could be read, from these places.
    var finding = Finding(what: "the configuration can be read")
    /// Nil where the configuration does not say.
    var cache: String?
    var cacheBytesMax: Int64?
    var upload: String?
    var state: String?

    /// What the configuration says now.
    static func current() -> AgentPlaces {
        var places = AgentPlaces()
        let environment = ProcessEnvironment.current()
        do throws(ConfigurationError) {
            try places.read(environment)
        } catch {
            places.finding.problem = error.description
            places.finding.remedy = "put it right, then: systemctl --user restart avatard"
        }
        return places
    }

    private mutating func read(_ environment: ProcessEnvironment) throws(ConfigurationError) {
        let directories = BaseDirectories(environment)
        let file = try directories.configurationFile("avatard/avatard.yaml")
        finding.detail = file ?? "there is no file, and none is needed"
        var values = ConfigurationValues(
            LayeredConfiguration<Key>(flags: [:], environment: environment, file: file, unknownKeys: .areOthers))
        values.path(.cacheDirectory) { cache = $0 }
        values.path(.uploadDirectory) { upload = $0 }
        values.path(.stateDirectory) { state = $0 }
        values.bytes(.cacheBytesMax, in: 0...Int.max) { cacheBytesMax = $0 == 0 ? nil : Int64($0) }
        try values.finish()
        if cache == nil { cache = try directories.path(.data) + "/avatard/avatars" }
        if upload == nil { upload = try directories.path(.data) + "/avatard/crops" }
        if state == nil { state = try directories.path(.state) + "/avatard" }
    }
}

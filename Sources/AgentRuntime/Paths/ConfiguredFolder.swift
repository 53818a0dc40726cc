internal import PosixFiles

/// One of the folders that the configuration names.
enum ConfiguredFolder: String {
    case state
    case cache
    case crops = "upload"

    /// Opens the folder, made where it is missing, with those above it (mode 0700). Where it cannot be had, the fault says where it is
    /// configured.
    @discardableResult
    func make(_ settings: AgentSettings) throws(Agent.StartFault) -> Folder {
        let path = path(settings)
        do throws(PosixError) {
            return try Folder.make(path: path)
        } catch {
            throw Agent.StartFault(
                description:
                    "the \(rawValue) folder \(path) cannot be opened or made: \(error); \(places) says where it lies")
        }
    }

    private func path(_ settings: AgentSettings) -> String {
        switch self {
        case .state: settings.stateDirectory
        case .cache: settings.cacheDirectory
        case .crops: settings.uploadDirectory
        }
    }

    /// The key, and the variable that counts without it.
    private var places: String {
        switch self {
        case .state: "state.directory or XDG_STATE_HOME"
        case .cache: "cache.directory or XDG_DATA_HOME"
        case .crops: "upload.directory or XDG_DATA_HOME"
        }
    }
}

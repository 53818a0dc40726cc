internal import AvatarCache
internal import AvatarCore
package import ProgramSupport

// Configuration that was read again against the one in force.
extension AgentSettings {
    /// The keys whose values would be others; which of them take effect at once is the key's to say.
    package func changes(to new: AgentSettings) -> [ConfigurationChange<AgentKey>] {
        ConfigurationChange.all(from: { text(of: $0) }, to: { new.text(of: $0) })
    }

    /// What is in force after `new` was read: of what takes effect after a restart, the values of this run stay.
    package func taking(_ new: AgentSettings) -> AgentSettings {
        var taken = new
        taken.cacheDirectory = cacheDirectory
        taken.uploadDirectory = uploadDirectory
        taken.recheckAfter = recheckAfter
        taken.uploadIgnore = uploadIgnore
        taken.pictureTypes = pictureTypes
        taken.stateDirectory = stateDirectory
        taken.busSocket = busSocket
        taken.sync = sync
        return taken
    }

    private func text(of key: AgentKey) -> String {
        switch key {
        case .serverURL: serverURL?.description ?? ""
        case .serverHost: serverHost ?? ""
        case .serverPort: "\(serverPort)"
        case .serverDialect: ""
        case .serverClassicChunkBytes: "\(manners.classicChunkBytes)"
        case .serverCAFile: manners.caFile ?? ""
        case .serverPin: manners.pin?.hex ?? ""
        case .serverAllowPlaintext: manners.allowsPlaintext ? "true" : "false"
        case .identityUID: uid.map { "\($0)" } ?? ""
        case .identityTokenFile: tokenFile ?? ""
        case .cacheDirectory: cacheDirectory
        case .cacheBytesMax: "\(cacheBytesMax ?? 0)"
        case .cacheRecheckAfter: "\(recheckAfter?.components.seconds ?? 0)"
        case .uploadDirectory: uploadDirectory
        case .uploadIgnore: uploadIgnore.list
        case .uploadBytesMax: "\(uploadBytesMax)"
        case .picturesTypes: pictureTypes.map(\.rawValue).sorted().joined(separator: ",")
        case .stateDirectory: stateDirectory
        case .busSocket: busSocket
        case .storageSync: sync == .full ? "full" : "none"
        case .logLevel: logLevel
        case .logFormat: logFormat.rawValue
        }
    }
}

/// Who is to be logged in after the configuration was read again.
package enum LoginStep: Sendable {
    case stays
    case logsIn(Account)
    case logsOut

    /// - Parameters:
    ///   - current: who is logged in now.
    ///   - configured: who would be after a start.
    ///   - keysChanged: whether a key of the account has another value. Without that only a new token of the same user counts: whoever has
    ///     logged out stays so.
    package static func after(
        current: Account?, configured: Account?, keysChanged: Bool
    ) -> LoginStep {
        guard let configured else { return keysChanged && current != nil ? .logsOut : .stays }
        guard let current else { return keysChanged ? .logsIn(configured) : .stays }
        if current.isSame(as: configured) { return .stays }
        let isSameUser = current.uid == configured.uid && current.server.key == configured.server.key
        return keysChanged || isSameUser ? .logsIn(configured) : .stays
    }
}

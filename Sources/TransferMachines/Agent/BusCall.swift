package import AvatarCore

/// A call of a subscriber, with names and labels found valid.
package enum BusCall: Hashable, Sendable {
    case register([LabelRequest], keep: Bool, heartbeat: Bool, more: Bool, token: ExactString)
    case adjust(
        subscription: ExactString, add: [LabelRequest], remove: [ExactString], visible: [ExactString],
        hidden: [ExactString])
    /// `again` to ask the server also for pictures that are there.
    case fetch([AvatarName], visibility: Visibility, again: Bool, more: Bool)
    case upload(path: String, more: Bool)
    case get(LabelRequest.Target)
    case explain(LabelRequest.Target)
    case list(state: AvatarView.State?, after: AvatarName?, limit: Int)
    case watch(epoch: String?, since: Int64?, heartbeat: Bool, more: Bool)
    case pause(Direction?)
    case resume(Direction?)
    case forget(AvatarName)
    case dismiss(AvatarName)
    case check(look: Bool)
    case verify

    /// Whether the call is a reason to compare the folders' paths with what is held of them: whoever registers relies on paths, and
    /// `avatarctl sync` and `doctor` check to have the agent look.
    package var looksAtFolders: Bool {
        switch self {
        case .register, .check, .upload: true
        case .fetch(_, _, _, let more): more
        default: false
        }
    }
}

/// What a subscriber is told.
package enum BusOutput: Hashable, Sendable {
    case labels(LabelRegistry.Output)
    case avatar(StreamID, AvatarView, continues: Bool)
    case accepted(StreamID, Int, AvatarView?, continues: Bool)
    case page(StreamID, [AvatarView], next: String?)
    case changes(StreamID, epoch: String, cursor: Int64, reset: Bool, [AvatarChange], continues: Bool)
    /// Of `Explain`: what was done about a picture, and last how it is now.
    case explanation(StreamID, [ActivityLog.Step])
    case checked(StreamID, FolderCheck)
    /// Of `Verify`: the server takes the login.
    case verified(StreamID)
    case done(StreamID)
    case failed(StreamID, BusFault)
}

/// An event with the picture as it is now.
package struct AvatarChange: Hashable, Sendable {
    package let event: AvatarEvent
    package let avatar: AvatarView

    package var cursor: Int64 { event.cursor }
    package var kind: AvatarEvent.Kind { event.kind }
}

/// Why a call failed; `docs/label-bus.md` has the errors that a client reads.
package enum BusFault: Hashable, Sendable {
    case notLoggedIn
    case serverRefused(code: Int, reason: String)
    case unknownAvatar(String)
    case notAnImage(path: String, reason: String)
    case tooLarge(path: String, size: Int64, limit: Int64)
    case tooMany(what: String, limit: Int)
    case unknownSubscription(String)
    case expectedMore
    case storage(String)
    /// The server cannot be reached, or does not answer.
    case unreachable(String)
}

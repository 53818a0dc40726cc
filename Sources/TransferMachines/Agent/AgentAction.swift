internal import AvatarCore

/// What the agent's machine wants done, in this order.
package enum AgentAction: Hashable, Sendable {
    case connect(Int)
    case disconnect(Int)
    case send(ServerRequest)
    case disk(DiskCommand)
    case bus(BusOutput)
    /// For the log.
    case note(Note)
    /// Watch a folder that was lost; `FolderChange.back` or `.lost` tells how that went.
    case attach(WatchedFolder)
    /// Read the token again where it comes from, and log in when it is another one; the same one is tried again only when a person asks
    /// (`isAsked`).
    case readToken(isAsked: Bool)
    /// Make the label bus's socket anew at its path; `AgentInput.busBound` tells how that went.
    case bindBus
    /// The agent cannot go on: it ends with these words, and is started anew.
    case end(reason: String)
}

/// A line for the log.
package struct Note: Hashable, Sendable {
    /// How much it matters.
    package enum Level: Hashable, Sendable {
        case debug
        case info
        case warning
    }

    package let level: Level
    package let what: String
    /// The picture that the line is about, if it is about one.
    package let name: String?
    package let detail: String?

    init(_ level: Level, _ what: String, name: String? = nil, detail: String? = nil) {
        self.level = level
        self.what = what
        self.name = name
        self.detail = detail
    }
}

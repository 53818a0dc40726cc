internal import AvatarCore

/// What the agent's machine wants done, in this order.
package enum AgentAction: Hashable, Sendable {
    case connect(Int)
    case disconnect(Int)
    case send(ServerRequest)
    /// Ask the server about itself; `AgentInput.replies` has the answer.
    case ask(ServerQuestion)
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

/// What the server is asked about itself.
package enum ServerQuestion: Hashable, Sendable {
    /// Whether an avatar server listens there at all: 1001, which every classic server answers and no other program does.
    case whoIsThere
    /// Whether it takes user and token: 1033 for ``unusedName``. Every classic server looks at the token first, and finds no such file.
    case isTokenTaken

    /// A name that no client gives a picture.
    package static let unusedName = "avatard-verifies-login"
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

package import AvatarCore

/// What reaches the agent's machine, one at a time.
package enum AgentInput: Hashable, Sendable {
    /// A user is logged in at a server; a second login replaces the first.
    case login(Login)
    case logout
    /// The kept login cannot be used, so that nobody is logged in.
    case loginUnusable(reason: String)
    /// The configuration was read again.
    case configurationRead(ConfigurationFacts)
    /// The token's file was read again: the token in it cannot be used.
    case tokenUnusable(reason: String)
    case connection(ConnectionEvent)
    /// What came with one read from the connection, in order.
    case replies([ServerReply])
    case disk(DiskResult)
    case folder(FolderChange)
    /// One of the paths that are held may lead elsewhere: something on the way to it moved, or a mount changed.
    case pathsMayDiffer
    /// What came of ``AgentAction/bindBus``: nil when clients can connect again, or why not.
    case busBound(failure: String?)
    case bus(StreamID, BusCall)
    /// The stream's client is gone, or the client's queue was full.
    case hungUp(StreamID)
    /// An address or a route changed: a server that did not answer may answer now.
    case networkChanged
    /// A deadline may have passed.
    case tick
}

/// What came of reading the configuration again.
package struct ConfigurationFacts: Hashable, Sendable {
    /// Why nothing of it is in force, in words for a person; nil when all of it is, as far as that goes without a restart.
    package var fault: String?
    /// The keys whose new values wait for a restart.
    package var waiting: [String]
    /// Whether files of the upload folder that were too large may be pictures now.
    package var mayTakeLargerCrops: Bool

    /// Configuration that was read without a fault, unless there is one.
    package init(fault: String? = nil, waiting: [String] = [], mayTakeLargerCrops: Bool = false) {
        self.fault = fault
        self.waiting = waiting
        self.mayTakeLargerCrops = mayTakeLargerCrops
    }
}

/// Who is logged in, and how the server is spoken to.
package struct Login: Hashable, Sendable {
    /// The way that requests take to the server.
    package enum Way: Hashable, Sendable {
        /// The classic dialect. The server does not tell its chunk size for uploads, in bytes: the configuration does.
        case classic(uploadChunkBytes: Int64)
        /// HTTP (`docs/http.md`).
        case http
    }

    /// Tells servers apart: host and port.
    package let server: String
    package let uid: UserID
    package let way: Way
    /// The file from which the driver has the token, and reads it again; nil for a login over the bus.
    package let tokenFile: ExactString?

    /// A login with all that the machine needs; the token stays with the driver.
    package init(server: String, uid: UserID, way: Way, tokenFile: String? = nil) {
        self.server = server
        self.uid = uid
        self.way = way
        self.tokenFile = tokenFile.map { ExactString($0) }
    }

    /// What a person can do about a token that is not accepted.
    var remedyForToken: String {
        guard let tokenFile else { return "avatarctl login with a fresh token" }
        return
            "put the user's new token into \(tokenFile): it is read again as soon as the file changes, and by avatarctl sync"
    }

    /// Tells accounts apart: `host:port/uid`.
    package var account: String { "\(server)/\(uid)" }
}

/// What became of a connection; the number is the one of `connect`.
package enum ConnectionEvent: Hashable, Sendable {
    case opened(Int)
    case closed(Int, cause: String)
}

/// Which of the two folders.
package enum WatchedFolder: String, Hashable, Sendable {
    case crops
    case cache
}

/// What the watch saw.
package enum FolderChange: Hashable, Sendable {
    /// A file was closed after writing, or moved in.
    case settled(WatchedFolder, AvatarName)
    /// A name appeared: a writer has made a file, or a link, a symlink or a folder was put there. Or the last writer of a file that had
    /// appeared is done.
    case appeared(WatchedFolder, AvatarName)
    /// A file's mode, owner, times or other attributes were changed.
    case touched(WatchedFolder, AvatarName)
    /// A file was given this name within the folder.
    case renamed(WatchedFolder, AvatarName)
    /// A file was removed or moved away.
    case gone(WatchedFolder, AvatarName)
    /// A file was closed after writing, or moved in, under a name that no avatar may have.
    case unnameable(WatchedFolder, AvatarNameError)
    /// What lay under a name that no avatar may have was removed or moved away.
    case unnameableGone(WatchedFolder, AvatarNameError)
    /// The kernel dropped events: both folders are to be compared with the catalog.
    case overflow
    /// The folder itself is gone, or cannot be watched.
    case lost(WatchedFolder, reason: String, remedy: String?)
    /// The folder cannot be opened, so nothing in it can be read or written.
    case unopened(WatchedFolder, reason: String)
    /// The folder is watched again.
    case back(WatchedFolder)
}

/// A path of the configuration of which the agent holds something open.
package enum HeldPath: Hashable, Sendable {
    case folder(WatchedFolder)
    /// The state folder with its lock and the catalog.
    case state
    /// The label bus's socket.
    case bus
}

/// The paths of the configuration, for words that a person reads.
package struct PlaceNames: Hashable, Sendable {
    package let crops: String
    package let cache: String
    package let state: String
    package let bus: String

    package init(crops: String, cache: String, state: String, bus: String) {
        self.crops = crops
        self.cache = cache
        self.state = state
        self.bus = bus
    }

    /// The words without paths.
    package static let unnamed = PlaceNames(crops: "", cache: "", state: "", bus: "")

    func path(of place: HeldPath) -> String {
        switch place {
        case .folder(.crops): crops
        case .folder(.cache): cache
        case .state: state
        case .bus: bus
        }
    }
}

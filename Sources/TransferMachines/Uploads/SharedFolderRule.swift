package import AvatarCore

/// The stricter part of ``CropRule``, for one folder that is cache and upload folder at once: a chat client that writes its own
/// downloads there must not turn a friend's picture into the user's avatar.
///
/// The rule cannot tell apart a friend's picture that another program writes in one piece under a name of which the agent has never
/// heard: two folders are the safe setting.
package enum SharedFolderRule {
    /// What is known of a complete picture that was closed in, or moved into, the folder.
    package struct Candidate: Hashable, Sendable {
        /// Name, inode and digest are those of an intent row or of the agent's own file.
        package var isOwnWrite = false
        /// A label, a fetch or a transfer under way is for this name.
        package var isWanted = false
        /// The agent fetched a picture of this name, which is not the user's own icon: the name is somebody else's, unless the picture is known
        /// to be the user's.
        package var wasFetched = false
        /// Whose picture the name is known to be, where the server tells owners.
        package var owner: UserID?
        /// The user of this agent; nil when nobody is logged in.
        package var user: UserID?
        /// How often the same inode was closed before as an incomplete picture: somebody appends to it, chunk by chunk.
        package var incompleteCloses: Int64 = 0
        /// Closes of the name that were heard since it was last examined, the events that were still on their way included
        /// (``SharedFolderCloses``).
        package var closesHeard: Int64 = 1
        /// Whether a close was heard; not so for what was found at start or after an overflow.
        package var wasSeen: Bool { closesHeard > 0 }

        package init() {}
    }

    /// Why a picture is not taken for a crop.
    package enum Refusal: String, Hashable, Sendable, CaseIterable {
        case ownWrite = "own-write"
        case wanted
        case anotherUsers = "another-users"
        case appended
        case unseen
    }

    /// Nil when nothing speaks against the picture being the user's next avatar.
    package static func refusal(of candidate: Candidate) -> Refusal? {
        if candidate.isOwnWrite { return .ownWrite }
        if candidate.isWanted { return .wanted }
        if candidate.wasFetched, candidate.owner == nil { return .anotherUsers }
        if let owner = candidate.owner, owner != candidate.user { return .anotherUsers }
        if candidate.incompleteCloses > 0 || candidate.closesHeard > 1 { return .appended }
        if !candidate.wasSeen { return .unseen }
        return nil
    }
}

/// Counts how often each file of a shared folder is closed between two examinations.
///
/// A client that appends chunk by chunk may have written its last chunk before the agent examines the file after the first close. The
/// picture is whole then, and only the number of closes tells that it was appended to. The agent therefore asks for the count after it
/// has examined the file and flushed the watch: by then all closes of a whole picture have been counted.
package struct SharedFolderCloses: Hashable, Sendable {
    private var counts: [AvatarName: Int64] = [:]

    package init() {}

    /// A file was closed after writing, or moved in.
    package mutating func closed(_ name: AvatarName, times: Int64 = 1) {
        guard times > 0 else { return }
        // Past the bound a new name is not counted; `closes(of:)` answers 2 for it.
        guard counts.count < Limits.Watch.closesMax || counts[name] != nil else { return }
        counts[name, default: 0] += times
    }

    /// The agent has examined the file, or somebody has deleted it or moved it away: the next close is counted as the first.
    package mutating func begin(_ name: AvatarName) { counts[name] = nil }

    /// How many closes of the file were counted since ``begin(_:)``; 2 for a name that found no room.
    package func closes(of name: AvatarName) -> Int64 {
        counts[name] ?? (counts.count < Limits.Watch.closesMax ? 0 : 2)
    }
}

/// The stricter rule for one folder that is cache and upload folder at once (DESIGN.md, "Two folders"): a chat client that writes its own
/// downloads there must not turn a friend's picture into the user's avatar.
///
/// What it cannot tell apart is a friend's picture that another program writes in one piece under a name that nobody here has heard
/// of: two folders are the safe setting.
package enum SharedFolderRule {
    /// What is known of a complete picture that was closed in, or moved into, the folder.
    package struct Candidate: Hashable, Sendable {
        /// Name, inode and digest are those of an intent row or of the agent's own file.
        package var isOwnWrite = false
        /// A label, a fetch or a transfer under way is for this name.
        package var isWanted = false
        /// Whose picture the name is known to be.
        package var owner: UserID?
        /// The user of this agent; nil when nobody is logged in.
        package var user: UserID?
        /// How often the same inode was closed before as an incomplete picture: somebody appends to it, chunk by chunk.
        package var incompleteCloses: Int64 = 0
        /// The close was seen; false for what was found at start or after an overflow.
        package var wasSeen = true

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

    /// Nil when the picture is the user's next avatar.
    package static func refusal(of candidate: Candidate) -> Refusal? {
        if candidate.isOwnWrite { return .ownWrite }
        if candidate.isWanted { return .wanted }
        if let owner = candidate.owner, owner != candidate.user { return .anotherUsers }
        if candidate.incompleteCloses > 0 { return .appended }
        if !candidate.wasSeen { return .unseen }
        return nil
    }
}

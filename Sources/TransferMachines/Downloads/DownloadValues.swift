internal import AvatarCore

// What is said and known of downloads.
extension Downloads {
    /// What the rest of the machine has to do.
    enum Action: Hashable, Sendable {
        case send(ServerRequest)
        case disk(DiskCommand)
        case log(ActivityLog.Entry)
        /// The name is to be got onto its way again, if it is still wanted.
        case due(AvatarName)
        /// The picture came to a state that counts as an end: labels and calls are told.
        case concluded(AvatarName)
        /// More of the picture came, so many bytes.
        case received(AvatarName, bytes: Int)
        case startedOver
        /// The server said something sensible of the picture.
        case answered(AvatarName)
        /// The picture that was there stays as it is: calls that had it asked for again are told, and why where no new one came.
        case kept(AvatarName, reason: String?)
        /// Perhaps nobody needs what is known of the name any more.
        case unneeded(AvatarName)
        case loginRefused(LoginRefusal)
        case stray(String)
        /// The server has no picture of this name.
        case notThere(AvatarName)
    }

    /// A place on the connection.
    struct Place: Hashable, Sendable {
        let name: AvatarName
        /// How urgent the picture is.
        var priority: Visibility
        /// Whether the name got its place because it had waited longest: such a place is not given to a more urgent one.
        let isByAge: Bool
    }

    /// Where a name's picture is on its way.
    enum Status: Hashable, Sendable {
        /// The catalog has been asked.
        case unknown
        /// Nobody wants it fetched.
        case idle
        case ready
        /// Waits for a place on the connection.
        case queued
        case active
        /// Interrupted by the disk; the catalog is asked again when that is well.
        case stalled
        case committing
        case failed(AbsenceReason, detail: String, until: MonotonicTime)
    }

    /// What is known of one name.
    struct Entry: Sendable {
        var status = Status.unknown
        var record: AvatarRecord?
        var part: Part?
        /// How much the picture is wanted; nil when it is not.
        var priority: Visibility?
        /// Since when it is wanted as much as that: who gave its place to another keeps its turn.
        var queuedAt = MonotonicTime.zero
        /// 1 after a hang-up with others in flight, one more for each while the name was alone (``TurnRule``); 0 again when bytes come.
        var hangUps = 0
        /// The last refusal, which counts those before; kept while the picture is asked for again.
        var refusal: Negative?
        /// How often the disk failed over it, and not for want of room, since it was last placed.
        var diskFailures = 0
        /// When the server last told of the picture that is there; nil for one that is not asked for again, since it is the user's own or
        /// another program's.
        var checkedAt: MonotonicTime?
        /// Why the picture that is there is asked for again; nil when it is not.
        var recheck: Recheck?
        /// Whether labels that have had their first states show it, once the catalog has answered.
        var isNewlyNamed = false

        /// How urgent it is to ask the server for it.
        var urgency: Visibility? { recheck == .old ? priority.map { _ in .hidden } : priority }
    }

    /// Why a picture that is there is asked for again.
    enum Recheck: Hashable, Sendable {
        /// A person asked for it.
        case asked
        /// The server said that there is another one.
        case changed
        /// A label shows it, and the server last told of it long ago: it comes after all that is missing.
        case old
    }

    /// What decides whether a wanted name may be fetched, besides the name itself.
    struct Conditions: Sendable {
        let isStorageFine: Bool
        /// Whether a crop of the user's own has the name, and is on its way.
        let isOutgoing: Bool
        /// Whether a label shows the name.
        let isShown: Bool
        /// Whether the server tells of changes of the picture by itself.
        var isFollowed = false
    }
}

internal import AvatarCore
internal import TransferMachines

/// The catalog as a value: what SQLite would hold, durable with each change.
struct SimCatalog {
    struct Avatar {
        var record: AvatarRecord
        var inode: Int
        /// When the server last told of it; nil for the user's own.
        var checked: UnixTime?
    }

    struct Part {
        var plan: PartPlan
        var held: Int64
        var origin: PartOrigin
    }

    struct Intent {
        var inode: Int
        var sha256: SHA256Digest
        var size: Int64
        var origin: CommitMachine.Origin
        /// The agent's own earlier file of that name.
        var replaces: Int?
        var assurance = Assurance.structural
    }

    struct CropRow {
        enum State { case pending, done, setAside, superseded }

        var crop: Crop
        var inode: Int
        var version: Int
        var state: State
    }

    struct Refusal {
        var reason: AbsenceReason
        var attempts: Int
        var until: UnixTime
        var tokenEpoch: Int64
    }

    var avatars: [AvatarName: Avatar] = [:]
    var parts: [AvatarName: Part] = [:]
    var intents: [AvatarName: Intent] = [:]
    var crops: [AvatarName: CropRow] = [:]
    /// The upload folder of which those are, and what was known of crops in folders that lay at its path before.
    var cropFolder: Int?
    var cropsElsewhere: [Int: [AvatarName: CropRow]] = [:]
    var negatives: [AvatarName: Refusal] = [:]
    var events: [AvatarEvent] = []
    var lastCursor: Int64 = 0
    var lastCrop: Int64 = 0
    var epoch = 1
    /// The account that was opened last, and the number of its token.
    var lastLogin: (account: String, tokenEpoch: Int64)?
    /// The own icon of each account.
    var icons: [String: AvatarName] = [:]
    /// Whom each account follows without a gap, and up to where in its server's log.
    var followed: [String: [UserID]] = [:]
    var positions: [String: ExactString] = [:]
    /// What the avatars of followed users are there, as far as that is known.
    var userAvatars: [String: [UserID: UserAvatar]] = [:]

    mutating func log(
        _ kind: AvatarEvent.Kind, _ name: AvatarName, at wall: UnixTime, repeating: Bool
    ) -> AvatarEvent {
        if !repeating || lastCursor == 0 { lastCursor += 1 }
        let event = AvatarEvent(cursor: lastCursor, kind: kind, name: name, at: wall)
        events.append(event)
        return event
    }

    /// What the server's stream of changes told.
    mutating func note(_ notes: ChangeNotes, of account: String?) {
        guard let account else { return }
        for name in avatars.keys {
            if let digest = notes.changes[name], avatars[name]?.record.sha256 != digest { avatars[name]?.checked = nil }
            if let owner = avatars[name]?.record.owner, notes.mayBeOld.contains(owner) { avatars[name]?.checked = nil }
        }
        if let users = notes.followed {
            followed[account] = users
            userAvatars[account] = userAvatars[account]?.filter { users.contains($0.key) }
        }
        for (user, avatar) in notes.avatars where followed[account]?.contains(user) == true {
            userAvatars[account, default: [:]][user] = avatar
        }
        if let position = notes.position { positions[account] = position }
    }

    /// The same user's account at the same server, spoken to in the other way, gives its crops and its icon to this one.
    mutating func takeOver(from other: String, to account: String) {
        func move(_ rows: inout [AvatarName: CropRow]) {
            for name in rows.keys where rows[name]?.crop.account == other {
                rows[name]?.crop.account = account
                rows[name]?.crop.location = nil
            }
        }
        move(&crops)
        for folder in cropsElsewhere.keys { move(&cropsElsewhere[folder, default: [:]]) }
        if let icon = icons.removeValue(forKey: other) { icons[account] = icon }
    }

    func row(of id: CropID) -> CropRow? { crops.values.first { $0.crop.id == id } }
}

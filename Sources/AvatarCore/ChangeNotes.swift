/// What the server's stream of changes has told since the last note, for the catalog.
package struct ChangeNotes: Hashable, Sendable {
    /// Names whose pictures are these now: one that is there with other bytes is to be asked for again, in a later run too.
    package var changes: [AvatarName: SHA256Digest] = [:]
    /// Users whose pictures are all to be asked for again, since their changes may have been missed.
    package var mayBeOld: Set<UserID> = []
    /// Whose avatars are followed without a gap up to ``position``; nil for whoever was before.
    package private(set) var followed: [UserID]?
    /// What the avatars of some of them are; nil for what nobody knows any more, as of each user who was not followed before.
    package var avatars: [UserID: UserAvatar?] = [:]
    /// The place in the server's log up to which everything was told; nil for the one before.
    package var position: ExactString?

    /// Nothing was told.
    package init() {}

    /// Whether there is nothing to note.
    package var isEmpty: Bool { changes.isEmpty && mayBeOld.isEmpty && followed == nil && avatars.isEmpty }

    /// These are followed without a gap, and no others.
    package mutating func follow(_ users: Set<UserID>) {
        followed = users.sorted()
        avatars = avatars.filter { users.contains($0.key) }
    }

    /// Changes of these users' avatars may have been missed.
    package mutating func miss(_ users: Set<UserID>) {
        mayBeOld.formUnion(users)
        for user in users { avatars[user] = .some(nil) }
    }

    /// What was told later replaces what was told before.
    package mutating func merge(_ later: ChangeNotes) {
        changes.merge(later.changes) { $1 }
        mayBeOld.formUnion(later.mayBeOld)
        if let users = later.followed { follow(Set(users)) }
        avatars.merge(later.avatars) { $1 }
        position = later.position ?? position
    }
}

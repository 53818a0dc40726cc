internal import AvatarCore

/// The users that were followed up to one place in the server's log without a gap, and what their avatars are there.
///
/// A user whom nobody wants followed any more stays for a while: labels come and go as lists are scrolled, and after a start of the agent they
/// come one by one. Who is followed again after a gap has to be asked for; who stayed has not.
struct FollowedAvatars: Sendable {
    private(set) var users: Set<UserID> = []
    /// What their avatars are, as far as the server told since they are followed.
    private var avatars: [UserID: UserAvatar] = [:]
    /// Users of whose avatars nothing is known but what the catalog kept.
    private var unconfirmed: Set<UserID> = []
    /// Since when nobody wants them followed.
    private var unwantedSince: [UserID: MonotonicTime] = [:]

    init() {}

    /// What the catalog kept.
    init(_ users: some Sequence<UserID>, avatars: [UserID: UserAvatar]) {
        self.users = Set(users)
        self.avatars = avatars.filter { self.users.contains($0.key) }
        unconfirmed = Set(self.avatars.keys)
    }

    var counts: (users: Int, known: Int) { (users.count, avatars.count) }
    func avatar(of user: UserID) -> UserAvatar? { avatars[user] }

    /// Whether nothing is known of the user's avatar but what the catalog kept.
    func isUnconfirmed(_ user: UserID) -> Bool { unconfirmed.contains(user) }

    /// The server told what the user's avatar is. Whether that is worth a note: of others than these users changes may be missed.
    mutating func heard(_ avatar: UserAvatar, of user: UserID) -> Bool {
        guard users.contains(user) else { return false }
        unconfirmed.remove(user)
        return avatars.updateValue(avatar, forKey: user) != avatar
    }

    /// Changes of these users' avatars may have been missed.
    mutating func missed(_ users: Set<UserID>) {
        for user in users { forgetAvatar(of: user) }
    }

    private mutating func forgetAvatar(of user: UserID) {
        avatars[user] = nil
        unconfirmed.remove(user)
    }

    /// Nobody tells of changes: what was told before may be old.
    mutating func forgetAvatars() { (avatars, unconfirmed) = ([:], []) }

    /// These are followed from here on, and no others.
    mutating func follow(_ followed: Set<UserID>) {
        for user in users.subtracting(followed) {
            forgetAvatar(of: user)
            unwantedSince[user] = nil
        }
        users = followed
    }

    /// Who is wanted now.
    mutating func want(_ wanted: Set<UserID>, now: MonotonicTime) {
        for user in users {
            if wanted.contains(user) {
                unwantedSince[user] = nil
            } else if unwantedSince[user] == nil {
                unwantedSince[user] = now
            }
        }
    }

    /// The wanted users, and who is followed on beside them as far as there is room: those whom nobody has wanted for the shortest time.
    func staying(beside wanted: Set<UserID>, now: MonotonicTime) -> Set<UserID> {
        let others = users.subtracting(wanted).compactMap { user -> (since: MonotonicTime, user: UserID)? in
            let since = unwantedSince[user] ?? now
            return now - since < Limits.HTTPWay.unwantedTime ? (since, user) : nil
        }
        let room = max(0, Limits.HTTPWay.followedMax - wanted.count)
        guard others.count > room else { return wanted.union(others.map(\.user)) }
        return wanted.union(
            others.sorted { $0.since == $1.since ? $0.user < $1.user : $0.since > $1.since }.prefix(room).map(\.user))
    }
}

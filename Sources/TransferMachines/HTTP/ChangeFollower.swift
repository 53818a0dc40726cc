internal import AvatarCore

/// Whose avatars are followed by the server's stream of changes, up to where all is known, and what each user's avatar is called.
///
/// One stream for all users of one account. Its place in the server's log is kept in the catalog, together with the users that were followed up
/// to it without a gap, and what their avatars are there: after a day away one request tells who of them has a new avatar, and nobody else is asked
/// for. Users that were not followed before, and all of them after a reset, are asked for one by one.
struct ChangeFollower: Sendable {
    /// What the rest of the machine has to do.
    enum Action: Hashable, Sendable {
        case send(ServerRequest)
        case disk(DiskCommand)
        /// The user's avatar is this file; nil for none. The digest where it is known.
        case avatar(UserID, AvatarName?, SHA256Digest?)
        /// The user's avatar was this file when the server was asked.
        case answered(UserID, AvatarName)
        /// What is known of these users' pictures may be old.
        case mayBeOld(Set<UserID>)
        /// Nobody tells whether users have other avatars by now: all that are shown are to be asked for.
        case askForAll
        case loginRefused(LoginRefusal)
        /// The server has no stream of changes.
        case tellsNothing
    }

    private struct Stream: Sendable {
        let number: Int
        let users: Set<UserID>
        var isReady = false
        var silentAt: MonotonicTime
    }

    /// Whether requests may go out: the way is HTTP, and the catalog has told of the account.
    private var isOpen = false
    /// Whom somebody wants followed, and when that is looked at: many labels come at once.
    private var users: Set<UserID> = []
    private var position: ExactString?
    /// The users that were followed up to ``position`` without a gap.
    private var followed = FollowedAvatars()
    /// What the stream told and the catalog is not noting yet, and what it is noting. One note is under way at a time, so that the place in the
    /// log is never kept without what was told before it.
    private var untold = ChangeNotes()
    private var noting: ChangeNotes?
    private var notedPosition: ExactString?
    private var stream: Stream?
    private var lastNumber = 0
    private var openAt = MonotonicTime.zero
    private var failures = 0
    /// How often in a row the stream ended before it was ready, and not because the server wants to be asked later.
    private var endings = 0
    /// Whether the server is known to have no such stream.
    private var isUnknown = false
    private var cancelled: [ServerRequest] = []
    /// Users whose avatars' names are asked for.
    private var asked: [Int: UserID] = [:]
    private var unasked: [UserID] = []
    private var askedSilentAt: MonotonicTime?
    private var asksOpenAt = MonotonicTime.zero
    private var askFailures = 0

    // MARK: The account

    /// Another user, another server or nobody, and perhaps another way.
    mutating func accountChanged() { self = ChangeFollower(lastNumber: lastNumber) }

    init() {}

    private init(lastNumber: Int) { self.lastNumber = lastNumber }

    /// What the catalog kept of the account.
    mutating func accountOpened(
        _ position: ExactString?, followed users: [UserID], avatars: [UserID: UserAvatar] = [:]
    ) {
        guard !isOpen else { return }
        (isOpen, self.position, notedPosition) = (true, position, position)
        followed = FollowedAvatars(users, avatars: avatars)
        unasked.removeAll { followed.avatar(of: $0) != nil }
    }

    // MARK: The catalog's note

    /// What is to be noted besides what the stream tells.
    mutating func note(_ notes: ChangeNotes) -> [Action] {
        untold.merge(notes)
        return note()
    }

    private mutating func note() -> [Action] {
        guard isOpen, noting == nil, !untold.isEmpty else { return [] }
        untold.position = position
        let notes = untold
        (noting, untold) = (notes, ChangeNotes())
        return [.disk(.noteChanges(notes))]
    }

    /// The catalog has it.
    mutating func noted(_ notes: ChangeNotes) -> [Action] {
        guard noting == notes else { return [] }
        (noting, notedPosition) = (nil, notes.position ?? notedPosition)
        return note()
    }

    /// The catalog could not take it.
    mutating func notNoted(_ notes: ChangeNotes) {
        guard noting == notes else { return }
        noting = nil
        untold = {
            var both = notes
            both.merge(untold)
            return both
        }()
    }

    mutating func storageIsFine() -> [Action] { note() }

    /// What was told of the picture and is not in the catalog yet: the digest that it has now, or nil for a picture that may be another.
    func untold(of name: AvatarName, owner: UserID?) -> SHA256Digest?? {
        for notes in [untold, noting ?? ChangeNotes()] {
            if let digest = notes.changes[name] { return digest }
            if let owner, notes.mayBeOld.contains(owner) { return .some(nil) }
        }
        return nil
    }

    // MARK: Whom to follow

    /// Whether a change of this user's avatar would be heard of, and was up to now.
    func follows(_ user: UserID) -> Bool { stream?.isReady == true && stream?.users.contains(user) == true }

    /// What the user's avatar is, as far as that was told; nil where it is to be asked for.
    func avatar(of user: UserID) -> UserAvatar? { followed.avatar(of: user) }

    /// How many users are followed, and of how many of them it is known what their avatars are.
    var counts: (users: Int, known: Int) { followed.counts }

    /// The picture that was kept as the user's avatar is not there, says the server: the user may have another one by now.
    mutating func notThere(of user: UserID) { if followed.isUnconfirmed(user) { askAgain(user) } }

    /// Whether something is to be asked.
    var hasWork: Bool { isOpen && !isUnknown && ((stream == nil && !users.isEmpty) || !unasked.isEmpty) }

    /// Whom labels and wanted pictures name now.
    mutating func follow(_ wanted: Set<UserID>, now: MonotonicTime) {
        users =
            wanted.count <= Limits.HTTPWay.followedMax
            ? wanted : Set(wanted.sorted().prefix(Limits.HTTPWay.followedMax))
        followed.want(users, now: now)
        guard let stream, !users.isSubset(of: stream.users) else { return }
        end(openAt: now)
    }

    /// Asks what a user's avatar is called.
    mutating func ask(_ user: UserID) {
        if !asked.values.contains(user) { askAgain(user) }
    }

    /// Asks once more, be it that an answer is on its way: that may have been true before.
    mutating func askAgain(_ user: UserID) {
        forgetAsks(of: user)
        if !unasked.contains(user) { unasked.append(user) }
    }

    /// What is on its way of an answer was true before.
    private mutating func forgetAsks(of user: UserID) {
        for number in asked.keys where asked[number] == user { asked[number] = nil }
        if asked.isEmpty { askedSilentAt = nil }
    }

    private mutating func end(openAt time: MonotonicTime) {
        if let number = stream?.number { cancelled.append(.cancel(HTTPCallID(.changes, number))) }
        (stream, openAt) = (nil, time)
    }

    // MARK: The connection

    /// What is to be sent now.
    mutating func pump(now: MonotonicTime) -> [Action] {
        guard isOpen else { return [] }
        var actions: [Action] = []
        if stream == nil, !isUnknown, !users.isEmpty, openAt <= now {
            lastNumber += 1
            let users = followed.staying(beside: self.users, now: now)
            // Of others the stream does not tell, and yet the place in the log moves on.
            if !followed.users.isSubset(of: users) {
                followed.follow(followed.users.intersection(users))
                untold.follow(followed.users)
            }
            stream = Stream(number: lastNumber, users: users, silentAt: now + Limits.Connection.replyTimeout)
            actions.append(
                .send(.http(HTTPCallID(.changes, lastNumber), .changes(users.sorted(), after: position))))
        }
        while asksOpenAt <= now, asked.count < Limits.HTTPWay.asksMax, !unasked.isEmpty {
            lastNumber += 1
            let user = unasked.removeFirst()
            forgetAsks(of: user)
            asked[lastNumber] = user
            if askedSilentAt == nil { askedSilentAt = now + Limits.Connection.replyTimeout }
            actions.append(.send(.http(HTTPCallID(.changes, lastNumber), .avatar(of: user))))
        }
        return actions
    }

    mutating func takeCancelled() -> [Action] {
        defer { cancelled = [] }
        return cancelled.map { .send($0) }
    }

    var deadline: MonotonicTime {
        guard isOpen else { return .never }
        let opening = stream == nil && !users.isEmpty && !isUnknown ? openAt : .never
        let asking = unasked.isEmpty || asked.count >= Limits.HTTPWay.asksMax ? .never : asksOpenAt
        return min(min(opening, asking), min(stream?.silentAt ?? .never, askedSilentAt ?? .never))
    }

    /// Whether the server has owed an answer, or a sign of life, for too long.
    func isSilent(now: MonotonicTime) -> Bool {
        (stream.map { $0.silentAt <= now } ?? false) || (askedSilentAt.map { $0 <= now } ?? false)
    }

    /// Nothing that was asked will be answered.
    mutating func connectionLost() {
        unasked = asked.sorted { $0.key < $1.key }.map(\.value).filter { !unasked.contains($0) } + unasked
        (stream, asked, cancelled, askedSilentAt) = (nil, [:], [], nil)
    }

    // MARK: Answers

    mutating func replied(_ number: Int, _ reply: HTTPReply, now: MonotonicTime) -> [Action] {
        if let user = asked[number] { return told(user, number, reply, now: now) }
        guard stream?.number == number else { return [] }
        stream?.silentAt = now + Limits.HTTPWay.streamSilence
        switch reply {
        case .head(let head): return began(head, now: now)
        case .change(let change): return heard(change, now: now)
        case .end: return ended(now: now)
        case .sent, .bytes: return []
        }
    }

    private var pause: Duration { .seconds(1 << min(failures, 6)) }

    private mutating func began(_ head: HTTPHead, now: MonotonicTime) -> [Action] {
        switch head.status {
        case 200: return []
        case 401:
            end(openAt: now)
            return [.loginRefused(LoginRefusal(head))]
        case 404, 405, 501:
            isUnknown = true
            end(openAt: .never)
            followed.forgetAvatars()
            return [.tellsNothing, .askForAll]
        case 429, 503:
            failures += 1
            end(openAt: now + head.pause(tries: failures))
            return []
        default: return ended(now: now)
        }
    }

    /// The stream ended by itself, or there is none. What avatars are is believed no longer where that goes on.
    private mutating func ended(now: MonotonicTime) -> [Action] {
        failures += 1
        endings += 1
        end(openAt: now + pause)
        guard endings == Limits.HTTPWay.streamFailuresMax else { return [] }
        followed.forgetAvatars()
        return [.askForAll]
    }

    private mutating func heard(_ change: ServerChange, now: MonotonicTime) -> [Action] {
        guard let stream else { return [] }
        let before = position
        if let position = change.position { self.position = position }
        switch change.kind {
        case .alive: return []
        case .avatar(let user, _, _), .removed(let user):
            // Who is not followed has no place in the note.
            guard stream.users.contains(user) else { return [] }
            unasked.removeAll { $0 == user }
            forgetAsks(of: user)
            guard case .avatar(_, let name, let digest) = change.kind else { return learned(.none, of: user) }
            guard untold.changes.count < Limits.HTTPWay.notesMax else {
                // The catalog takes nothing: all this is told again later.
                position = notedPosition
                followed.missed(Set(untold.avatars.keys))
                untold.changes = [:]
                untold.avatars = untold.avatars.filter { $0.value == nil }
                failures += 1
                end(openAt: now + pause)
                return []
            }
            untold.changes[name] = digest
            return learned(UserAvatar(name: name, sha256: digest), of: user)
        case .ready:
            self.stream?.isReady = true
            (failures, endings) = (0, 0)
            // Of users that were not followed up to here nobody knows what happened before.
            let unknown = before == nil ? stream.users : stream.users.subtracting(followed.users)
            followed.follow(stream.users)
            return keep(unknown)
        case .reset:
            // At the beginning of a stream `ready` follows. One that has been ready goes on from here without another word.
            followed.follow(stream.isReady ? stream.users : [])
            return stream.isReady ? keep(followed.users) : []
        }
    }

    /// All who are kept are followed from here on, and of these users nobody knows what happened before.
    private mutating func keep(_ unknown: Set<UserID>) -> [Action] {
        followed.missed(unknown)
        untold.follow(followed.users)
        untold.miss(unknown)
        return note() + (unknown.isEmpty ? [] : [.mayBeOld(unknown)])
    }

    /// The server told what the user's avatar is.
    private mutating func learned(_ avatar: UserAvatar, of user: UserID) -> [Action] {
        if followed.heard(avatar, of: user) { untold.avatars[user] = avatar }
        return note() + [.avatar(user, avatar.name, avatar.sha256)]
    }

    /// What a user's avatar is called.
    private mutating func told(_ user: UserID, _ number: Int, _ reply: HTTPReply, now: MonotonicTime) -> [Action] {
        guard case .head(let head) = reply else { return [] }
        asked[number] = nil
        askedSilentAt = asked.isEmpty ? nil : now + Limits.Connection.replyTimeout
        switch head.status {
        case 200, 404:
            askFailures = 0
            if head.status == 404 { return learned(.none, of: user) }
            guard let name = head.name else { return [] }
            // In a later run nobody asks again.
            if followed.users.contains(user), let digest = head.sha256, untold.changes.count < Limits.HTTPWay.notesMax {
                untold.changes[name] = digest
            }
            return [.answered(user, name)] + learned(UserAvatar(name: name, sha256: head.sha256), of: user)
        case 401:
            askAgain(user)
            return [.loginRefused(LoginRefusal(head))]
        default:
            // The server failed, or wants to be asked later. Of whom nobody shows anything the next connection asks.
            askFailures += 1
            asksOpenAt = max(asksOpenAt, now + head.pause(tries: askFailures))
            if users.contains(user) { askAgain(user) }
            return []
        }
    }
}

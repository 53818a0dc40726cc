internal import AvatarCore

/// Whose avatars are followed by the server's stream of changes, up to where all is known, and what each user's avatar is called.
///
/// One stream for all users of one account. Its place in the server's log is kept in the catalog, together with the users that were followed up
/// to it without a gap: after a day away one request tells who of them has a new avatar. Users that were not followed before, and all of them after
/// a reset, are asked for one by one.
struct ChangeFollower: Sendable {
    /// What the rest of the machine has to do.
    enum Action: Hashable, Sendable {
        case send(ServerRequest)
        case disk(DiskCommand)
        /// The user's avatar is this file; nil for none. The digest where it is known.
        case avatar(UserID, AvatarName?, SHA256Digest?)
        /// What is known of these users' pictures may be old.
        case mayBeOld(Set<UserID>)
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
    private var kept: Set<UserID> = []
    private var stream: Stream?
    private var lastNumber = 0
    private var openAt = MonotonicTime.zero
    private var failures = 0
    /// Whether the server is known to have no such stream.
    private var isUnknown = false
    private var cancelled: [ServerRequest] = []
    /// Users whose avatars' names are asked for.
    private var asked: [Int: UserID] = [:]
    private var unasked: [UserID] = []
    private var askedSilentAt: MonotonicTime?

    // MARK: The account

    /// Another user, another server or nobody, and perhaps another way.
    mutating func accountChanged() { self = ChangeFollower(lastNumber: lastNumber) }

    init() {}

    private init(lastNumber: Int) { self.lastNumber = lastNumber }

    /// What the catalog kept of the account.
    mutating func accountOpened(_ position: ExactString?, followed: [UserID]) {
        guard !isOpen else { return }
        (isOpen, self.position, kept) = (true, position, Set(followed))
    }

    // MARK: Whom to follow

    /// Whether a change of this user's avatar would be heard of, and was up to now.
    func follows(_ user: UserID) -> Bool { stream?.isReady == true && stream?.users.contains(user) == true }

    /// Whether something is to be asked.
    var hasWork: Bool { isOpen && !isUnknown && ((stream == nil && !users.isEmpty) || !unasked.isEmpty) }

    /// Whom labels and wanted pictures name now.
    mutating func follow(_ wanted: Set<UserID>, now: MonotonicTime) {
        users =
            wanted.count <= Limits.HTTPWay.followedMax
            ? wanted : Set(wanted.sorted().prefix(Limits.HTTPWay.followedMax))
        guard let stream, !users.isSubset(of: stream.users) else { return }
        end(openAt: now)
    }

    /// Asks what a user's avatar is called.
    mutating func ask(_ user: UserID) {
        if !unasked.contains(user), !asked.values.contains(user) { unasked.append(user) }
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
            stream = Stream(number: lastNumber, users: users, silentAt: now + Limits.Connection.replyTimeout)
            actions.append(
                .send(.http(HTTPCallID(.changes, lastNumber), .changes(users.sorted(), after: position))))
        }
        while asked.count < Limits.HTTPWay.asksMax, !unasked.isEmpty {
            lastNumber += 1
            let user = unasked.removeFirst()
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
        return min(opening, min(stream?.silentAt ?? .never, askedSilentAt ?? .never))
    }

    /// Whether the server has owed an answer, or a sign of life, for too long.
    func isSilent(now: MonotonicTime) -> Bool {
        (stream.map { $0.silentAt <= now } ?? false) || (askedSilentAt.map { $0 <= now } ?? false)
    }

    /// Nothing that was asked will be answered.
    mutating func connectionLost() {
        unasked = asked.sorted { $0.key < $1.key }.map(\.value) + unasked
        (stream, asked, cancelled, askedSilentAt) = (nil, [:], [], nil)
    }

    // MARK: Answers

    mutating func replied(_ number: Int, _ reply: HTTPReply, now: MonotonicTime) -> [Action] {
        if let user = asked[number] { return told(user, number, reply) }
        guard stream?.number == number else { return [] }
        stream?.silentAt = now + Limits.HTTPWay.streamSilence
        switch reply {
        case .head(let head): return began(head, now: now)
        case .change(let change): return heard(change)
        case .end:
            failures += 1
            end(openAt: now + pause)
            return []
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
            return [.tellsNothing]
        case 429, 503:
            failures += 1
            end(openAt: now + head.pause(tries: failures))
        default:
            failures += 1
            end(openAt: now + pause)
        }
        return []
    }

    private mutating func heard(_ change: ServerChange) -> [Action] {
        guard let stream else { return [] }
        let before = position
        if let position = change.position { self.position = position }
        switch change.kind {
        case .alive: return []
        case .avatar(let user, let name, let digest):
            return [.disk(.noteChange(name, digest, position: position)), .avatar(user, name, digest)]
        case .removed(let user): return [.avatar(user, nil, nil)]
        case .ready:
            self.stream?.isReady = true
            failures = 0
            // Of users that were not followed up to here nobody knows what happened before.
            let unknown = before == nil ? stream.users : stream.users.subtracting(kept)
            kept = stream.users
            return [.disk(.keepFollowed(kept.sorted(), position: position))]
                + (unknown.isEmpty ? [] : [.mayBeOld(unknown)])
        case .reset:
            // At the beginning of a stream `ready` follows. One that has been ready goes on from here without another word.
            kept = stream.isReady ? stream.users : []
            guard stream.isReady else { return [] }
            return [.disk(.keepFollowed(kept.sorted(), position: position)), .mayBeOld(kept)]
        }
    }

    /// What a user's avatar is called.
    private mutating func told(_ user: UserID, _ number: Int, _ reply: HTTPReply) -> [Action] {
        guard case .head(let head) = reply else { return [] }
        asked[number] = nil
        if asked.isEmpty { askedSilentAt = nil }
        switch head.status {
        case 200:
            guard let name = head.name else { return [] }
            return [.avatar(user, name, head.sha256)]
        case 404: return [.avatar(user, nil, nil)]
        case 401: return [.loginRefused(LoginRefusal(head))]
        default:
            // Asked again with the next connection, or when the stream tells.
            return []
        }
    }
}

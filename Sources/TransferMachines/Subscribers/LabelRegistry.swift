package import AvatarCore

/// A label as its subscriber asked for it.
package struct LabelRequest: Hashable, Sendable {
    /// What a label shows.
    package enum Target: Hashable, Sendable {
        /// A picture by its name, perhaps only a certain owner's.
        case name(AvatarName, owner: UserID?)
        /// One of the seed's default heads.
        case builtin(String)
        /// Whatever this user's avatar is, which no classic server tells.
        case ownerOnly(UserID)

        /// The user that the label names.
        var owner: UserID? {
            switch self {
            case .name(_, let owner): owner
            case .ownerOnly(let owner): owner
            case .builtin: nil
            }
        }
    }

    package let label: ExactString
    package let target: Target
    package let visibility: Visibility

    /// A label that was found valid.
    package init(label: ExactString, target: Target, visibility: Visibility) {
        self.label = label
        self.target = target
        self.visibility = visibility
    }
}

/// Which labels are alive, and which stream hears of which picture.
///
/// A one-shot label is done with its first final state; its stream ends when all are. Streams and labels keep the order in
/// which they came, so that the same inputs always give the same outputs.
package struct LabelRegistry: Sendable {
    /// One label of one subscription.
    package struct Reference: Hashable, Sendable {
        package let stream: StreamID
        package let label: ExactString
    }

    struct Subscription: Sendable {
        let token: ExactString
        let keep: Bool
        let heartbeat: Bool
        var labels: [ExactString: LabelRequest] = [:]
        /// Labels whose first state has not been told, by the number under which they came.
        var untold: [ExactString: UInt64] = [:]
        /// The same in their order; those taken back since are swept out now and then.
        var snapshotDue: [(number: UInt64, label: ExactString)] = []
        var lastSent: MonotonicTime

        func isUntold(_ label: ExactString) -> Bool { !untold.isEmpty && untold[label] != nil }
    }

    /// What a picture's label is told by: with a thousand subscribers of one picture, every other look-up counts.
    private struct Showing: Sendable {
        /// Labels are numbered as they come, since a removal from an array of thousands would cost all of them.
        let number: UInt64
        /// Whose picture of that name it wants to show, where it said so.
        let owner: UserID?
    }

    /// A label and what to show for it.
    package struct State: Hashable, Sendable {
        package let label: ExactString
        package let avatar: AvatarView
    }

    /// One reply to a subscriber.
    package struct Output: Hashable, Sendable {
        package let stream: StreamID
        package let states: [State]
        package let subscription: ExactString?
        package let synced: Bool?
        package let continues: Bool
    }

    private(set) var subscriptions: [StreamID: Subscription] = [:]
    private var order: [StreamID] = []
    private var byName: [AvatarName: [Reference: Showing]] = [:]
    /// Labels that show whatever a user's avatar is, and what that is called: nil for no avatar, nothing where nobody knows.
    private var byOwner: [UserID: [Reference: UInt64]] = [:]
    private var avatarNames: [UserID: AvatarName?] = [:]
    /// Whose avatars are called so, as far as labels show whatever they are.
    private var usersOfName: [AvatarName: Set<UserID>] = [:]
    /// How many labels name each user.
    private var ownerCounts: [UserID: Int] = [:]
    private var lastNumber: UInt64 = 0
    /// No heartbeat is due before this; it may be earlier than the earliest that really is.
    private var heartbeatAt: MonotonicTime?
    /// Labels of all subscriptions.
    package private(set) var labelCount = 0

    /// Nobody is subscribed.
    package init() {}

    /// Labels of one subscription.
    package func labelCount(of stream: StreamID) -> Int { subscriptions[stream]?.labels.count ?? 0 }

    /// Whether a subscription with this token is alive, and which stream it has.
    package func stream(of token: ExactString) -> StreamID? {
        order.first { subscriptions[$0]?.token == token }
    }

    /// Opens a subscription without labels.
    package mutating func open(
        _ stream: StreamID, token: ExactString, keep: Bool, heartbeat: Bool, now: MonotonicTime
    ) {
        guard subscriptions[stream] == nil else { return }
        subscriptions[stream] = Subscription(token: token, keep: keep, heartbeat: heartbeat, lastSent: now)
        if heartbeat, heartbeatAt == nil { heartbeatAt = now + Limits.Labels.heartbeatInterval }
        order.append(stream)
    }

    /// Adds labels whose states the subscriber has not been told yet; a label of the same id is replaced. `avatars` says what the avatars of
    /// users are called, nil for none, whom no label showed before.
    package mutating func add(
        _ labels: [LabelRequest], avatars: [UserID: AvatarName?] = [:], to stream: StreamID
    ) {
        guard subscriptions[stream] != nil else { return }
        for request in labels {
            drop(request.label, from: stream)
            lastNumber += 1
            subscriptions[stream]?.labels[request.label] = request
            subscriptions[stream]?.untold[request.label] = lastNumber
            subscriptions[stream]?.snapshotDue.append((lastNumber, request.label))
            labelCount += 1
            let reference = Reference(stream: stream, label: request.label)
            if let owner = request.target.owner { ownerCounts[owner, default: 0] += 1 }
            if case .ownerOnly(let owner) = request.target {
                if byOwner[owner] == nil, let name = avatars[owner] { note(name, of: owner) }
                byOwner[owner, default: [:]][reference] = lastNumber
            }
            if let name = name(of: request.target) {
                byName[name, default: [:]][reference] = Showing(number: lastNumber, owner: request.target.owner)
            }
        }
        let kept = subscriptions[stream]?.untold ?? [:]
        guard let due = subscriptions[stream]?.snapshotDue.count, due > 2 * kept.count + 64 else { return }
        subscriptions[stream]?.snapshotDue.removeAll { kept[$0.label] != $0.number }
    }

    /// Takes labels back; the names that lost one.
    package mutating func remove(_ labels: [ExactString], from stream: StreamID) -> [AvatarName] {
        labels.compactMap { drop($0, from: stream) }
    }

    /// Changes what is seen; the names concerned.
    package mutating func see(_ labels: [ExactString], as visibility: Visibility, on stream: StreamID) -> [AvatarName] {
        labels.compactMap { label in
            guard let old = subscriptions[stream]?.labels[label], old.visibility != visibility else { return nil }
            subscriptions[stream]?.labels[label] = LabelRequest(
                label: label, target: old.target, visibility: visibility)
            return name(of: old.target)
        }
    }

    // MARK: Whatever a user's avatar is

    /// The users that labels name.
    package var owners: Set<UserID> { Set(ownerCounts.keys) }

    /// What the avatar of a user is called: nil for none; nothing where nobody knows.
    package func avatarName(of owner: UserID) -> AvatarName?? { avatarNames[owner] }

    /// Whether a label shows whatever this user's avatar is.
    package func isFollowed(_ owner: UserID) -> Bool { byOwner[owner] != nil }

    /// The users of labels that show whatever a user's avatar is.
    var followedOwners: [UserID] { byOwner.keys.sorted() }

    /// The users of such labels, as far as nobody knows what their avatars are called.
    package var unknownOwners: [UserID] { byOwner.keys.filter { avatarNames[$0] == nil }.sorted() }

    /// The user's avatar is called so, or there is none. The names that lost a label, and gained one.
    package mutating func setAvatar(of owner: UserID, _ name: AvatarName?) -> [AvatarName] {
        guard let labels = byOwner[owner], avatarNames[owner] != .some(name) else { return [] }
        var names: [AvatarName] = []
        if case .some(let old?) = avatarNames[owner] {
            for reference in labels.keys { byName[old]?[reference] = nil }
            if byName[old]?.isEmpty == true { byName[old] = nil }
            names.append(old)
        }
        note(name, of: owner)
        guard let name else { return names }
        for (reference, number) in labels {
            byName[name, default: [:]][reference] = Showing(number: number, owner: owner)
        }
        return names + [name]
    }

    /// Notes what the avatar is called: nil for none, nothing for what nobody knows any more.
    private mutating func note(_ name: AvatarName??, of owner: UserID) {
        if case .some(let old?) = avatarNames[owner] {
            usersOfName[old]?.remove(owner)
            if usersOfName[old]?.isEmpty == true { usersOfName[old] = nil }
        }
        avatarNames[owner] = name
        if case .some(let new?) = name { usersOfName[new, default: []].insert(owner) }
    }

    /// The users whose avatar is called so, as far as labels show whatever it is.
    func users(ofAvatar name: AvatarName) -> [UserID] { usersOfName[name]?.sorted() ?? [] }

    /// Another server, where users have other avatars. The names that lost a label.
    package mutating func forgetAvatars() -> [AvatarName] {
        let owners = avatarNames.keys.sorted()
        let names = owners.flatMap { setAvatar(of: $0, nil) }
        avatarNames = [:]
        return names
    }

    /// The user has no avatar: labels that show whatever it is are told.
    package mutating func tellOwner(
        _ owner: UserID, _ view: AvatarView, now: MonotonicTime
    ) -> (outputs: [Output], done: [AvatarName]) {
        var outputs: [Output] = []
        var done: [AvatarName] = []
        let labels = (byOwner[owner] ?? [:]).sorted { $0.value < $1.value }
        for (reference, _) in labels {
            guard let subscription = subscriptions[reference.stream], !subscription.isUntold(reference.label),
                view.state.isFinal || subscription.keep
            else { continue }
            reply(
                to: reference.stream, [State(label: reference.label, avatar: view)], token: subscription.token,
                keep: subscription.keep, synced: nil, now: now, &outputs, &done)
        }
        return (outputs, done)
    }

    /// The picture that a label of this target shows, where that is known.
    package func name(of target: LabelRequest.Target) -> AvatarName? {
        switch target {
        case .name(let name, _): name
        case .ownerOnly(let owner): avatarNames[owner] ?? nil
        case .builtin: nil
        }
    }

    /// Closes a subscription; the names that lost a label, in order.
    package mutating func close(_ stream: StreamID) -> [AvatarName] {
        guard let subscription = subscriptions[stream] else { return [] }
        let names = subscription.labels.keys.sorted().compactMap { drop($0, from: stream) }
        subscriptions[stream] = nil
        order.removeAll { $0 == stream }
        return names
    }

    /// The highest visibility that a live label gives this name; nil when none asks for it.
    package func visibility(of name: AvatarName) -> Visibility? {
        var highest: Visibility?
        for reference in byName[name]?.keys ?? [:].keys {
            guard let visibility = subscriptions[reference.stream]?.labels[reference.label]?.visibility else {
                continue
            }
            // Nothing is higher, and most labels are: the others need not be looked at.
            if visibility == .visible { return visibility }
            highest = max(highest ?? visibility, visibility)
        }
        return highest
    }

    /// The labels whose first state the subscriber has not been told, in the order in which they were added.
    package func due(on stream: StreamID) -> [LabelRequest] {
        guard let subscription = subscriptions[stream] else { return [] }
        return subscription.snapshotDue.compactMap { number, label in
            subscription.untold[label] == number ? subscription.labels[label] : nil
        }
    }

    /// The first states of the labels that are ``due(on:)``, at most ``Limits/Labels/perReplyMax`` in a reply, the last with
    /// `synced`; `views` are theirs, in the same order. `done` are the names that lost a label by it.
    package mutating func snapshot(
        of stream: StreamID, views: [AvatarView], now: MonotonicTime
    ) -> (outputs: [Output], done: [AvatarName]) {
        let due = due(on: stream)
        guard let subscription = subscriptions[stream], due.count == views.count else { return ([], []) }
        subscriptions[stream]?.snapshotDue = []
        subscriptions[stream]?.untold = [:]
        let states = zip(due, views).map { State(label: $0.label, avatar: $1) }
        var outputs: [Output] = []
        var done: [AvatarName] = []
        reply(
            to: stream, states, token: subscription.token, keep: subscription.keep, synced: true, now: now, &outputs,
            &done)
        return (outputs, done)
    }

    /// Tells a stream, at most ``Limits/Labels/perReplyMax`` states in a reply, and lets go of the one-shot labels that are done.
    private mutating func reply(
        to stream: StreamID, _ told: [State], token: ExactString, keep: Bool, synced: Bool?, now: MonotonicTime,
        _ outputs: inout [Output], _ done: inout [AvatarName]
    ) {
        if let index = subscriptions.index(forKey: stream) { subscriptions.values[index].lastSent = now }
        if !keep { done += told.compactMap { $0.avatar.state.isFinal ? drop($0.label, from: stream) : nil } }
        let ends = !keep && subscriptions[stream]?.labels.isEmpty == true
        if ends { done += close(stream) }
        if told.count <= Limits.Labels.perReplyMax {
            outputs.append(
                Output(stream: stream, states: told, subscription: token, synced: synced, continues: !ends))
            return
        }
        for start in stride(from: 0, to: told.count, by: Limits.Labels.perReplyMax) {
            let end = min(start + Limits.Labels.perReplyMax, told.count)
            let isLast = end == told.count
            outputs.append(
                Output(
                    stream: stream, states: Array(told[start..<end]), subscription: token,
                    synced: isLast ? synced : nil, continues: !(isLast && ends)))
        }
    }

    /// A picture came to a state worth telling; one reply, or a few, for each stream with labels of it.
    package mutating func tell(
        _ name: AvatarName, now: MonotonicTime, view: (UserID?) -> AvatarView
    ) -> (outputs: [Output], done: [AvatarName]) {
        // One entry for each stream, where its first label stands.
        var told: [(stream: StreamID, token: ExactString, keep: Bool, states: [State])] = []
        var places: [StreamID: Int] = [:]
        let showings = (byName[name] ?? [:]).sorted { $0.value.number < $1.value.number }
        places.reserveCapacity(showings.count)
        for (reference, showing) in showings {
            guard let index = subscriptions.index(forKey: reference.stream),
                !subscriptions.values[index].isUntold(reference.label)
            else { continue }
            let keep = subscriptions.values[index].keep
            let state = State(label: reference.label, avatar: view(showing.owner))
            guard state.avatar.state.isFinal || keep else { continue }
            if let place = places[reference.stream] {
                told[place].states.append(state)
            } else {
                places[reference.stream] = told.count
                told.append((reference.stream, subscriptions.values[index].token, keep, [state]))
            }
        }
        var outputs: [Output] = []
        var done: [AvatarName] = []
        outputs.reserveCapacity(told.count)
        for (stream, token, keep, states) in told {
            reply(to: stream, states, token: token, keep: keep, synced: nil, now: now, &outputs, &done)
        }
        return (outputs, done)
    }

    /// When `heartbeats` wants to be called.
    package var deadline: MonotonicTime? { heartbeatAt }

    /// Replies without labels for the streams that asked for heartbeats and have been silent for long.
    package mutating func heartbeats(now: MonotonicTime) -> [Output] {
        guard let heartbeatAt, heartbeatAt <= now else { return [] }
        var outputs: [Output] = []
        var next: MonotonicTime?
        for stream in order {
            guard let subscription = subscriptions[stream], subscription.heartbeat else { continue }
            var due = subscription.lastSent + Limits.Labels.heartbeatInterval
            if due <= now {
                due = now + Limits.Labels.heartbeatInterval
                subscriptions[stream]?.lastSent = now
                outputs.append(
                    Output(stream: stream, states: [], subscription: subscription.token, synced: nil, continues: true))
            }
            next = next.map { min($0, due) } ?? due
        }
        self.heartbeatAt = next
        return outputs
    }

    @discardableResult
    private mutating func drop(_ label: ExactString, from stream: StreamID) -> AvatarName? {
        guard let request = subscriptions[stream]?.labels.removeValue(forKey: label) else { return nil }
        subscriptions[stream]?.untold[label] = nil
        labelCount -= 1
        let reference = Reference(stream: stream, label: label)
        let name = name(of: request.target)
        if let name {
            byName[name]?[reference] = nil
            if byName[name]?.isEmpty == true { byName[name] = nil }
        }
        if case .ownerOnly(let owner) = request.target {
            byOwner[owner]?[reference] = nil
            if byOwner[owner]?.isEmpty == true {
                byOwner[owner] = nil
                note(.none, of: owner)
            }
        }
        if let owner = request.target.owner {
            let left = ownerCounts[owner, default: 1] - 1
            ownerCounts[owner] = left > 0 ? left : nil
        }
        return name
    }
}

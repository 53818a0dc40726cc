internal import AvatarCore

/// Who waits for which picture: labels, fetches, uploads that somebody follows, and questions that the catalog has not answered yet.
struct Subscribers: Sendable {
    /// What the rest of the machine, or the driver, has to do.
    enum Action: Hashable, Sendable {
        case bus(BusOutput)
        case disk(DiskCommand)
        case log(ActivityLog.Entry)
        /// A person asked: a wait for the server ends.
        case hurry
        /// The catalog is to be asked about these names, where it was not.
        case lookUp([AvatarName], touch: Bool)
        /// The stream's labels want these names, once the catalog has answered for each.
        case awaitCatalog(StreamID, [AvatarName])
        /// The catalog has answered for every label of the stream: their first states are to be told.
        case snapshot(StreamID)
        /// What is missing of these names is fetched once, although no label stays.
        case fetchMissing([AvatarName])
        /// The stream fetches these names, so many in all; `isFollowed` when it hears of each.
        case fetch(StreamID, [AvatarName], count: Int, isFollowed: Bool)
        case question(StreamID, Question, LabelRequest.Target)
        /// How much these names are wanted may have changed.
        case reprioritize([AvatarName])
        /// These names lost a label: pictures that nobody else wants were wanted until now.
        case labelsGone([AvatarName])
        /// Perhaps nobody needs what is known of the name any more.
        case unneeded(AvatarName)
        /// The call that follows the upload of this name ends with the picture as it is.
        case uploadCallsEnd(AvatarName)
    }

    /// A call about one picture, which is an error where nobody here knows the name.
    enum Question: Hashable, Sendable {
        case get
        case explain
        case forget
    }

    /// A Register that waits until the catalog has told of all its names.
    private struct SnapshotWait: Sendable {
        var missing: Int
        /// Without `more`: one reply, and what is missing is fetched once.
        let isOnce: Bool
    }

    /// A Fetch that is answered until all its pictures are final.
    private struct FetchCall: Sendable {
        let accepted: Int
        var open: Set<AvatarName>
    }

    /// How urgent the fetches of one name are.
    private struct FetchPriority: Sendable {
        /// Of those that nobody follows.
        var unfollowed: Visibility?
        /// Of those that go when nobody follows them any more.
        var followed: Visibility?
        /// Whether the server is to be asked for the picture although it is there.
        var again = false
        var toldProgressAt: MonotonicTime?
    }

    private var labels = LabelRegistry()
    private var snapshotWaits: [StreamID: SnapshotWait] = [:]
    /// Streams whose first states wait for the catalog's word of a name.
    private var snapshotWaiters: [AvatarName: [StreamID]] = [:]
    private var questions: [AvatarName: [(stream: StreamID, question: Question, target: LabelRequest.Target)]] = [:]
    private var fetches: [StreamID: FetchCall] = [:]
    private var fetchPriorities: [AvatarName: FetchPriority] = [:]
    /// Uploads that a stream follows; nil until the file is in the upload folder.
    private var uploadCalls: [StreamID: AvatarName?] = [:]
    private var watchers = EventWatchers()

    var labelCount: Int { labels.labelCount }
    var deadline: MonotonicTime { min(labels.deadline ?? .never, watchers.deadline) }

    /// How urgently labels and fetches want the name; nil when none does.
    func priority(of name: AvatarName) -> Visibility? {
        var highest = labels.visibility(of: name)
        guard !fetchPriorities.isEmpty, let fetch = fetchPriorities[name] else { return highest }
        for other in [fetch.unfollowed, fetch.followed] {
            if let other { highest = max(highest ?? other, other) }
        }
        return highest
    }

    /// Whether a label shows the name to somebody.
    func isShown(_ name: AvatarName) -> Bool { labels.visibility(of: name) == .visible }

    /// Whether somebody waits for word of the name, whatever becomes of it.
    func awaits(_ name: AvatarName) -> Bool {
        questions[name] != nil || snapshotWaiters[name] != nil || isUploadFollowed(name)
    }

    private func isUploadFollowed(_ name: AvatarName) -> Bool {
        !uploadCalls.isEmpty && uploadCalls.values.contains(name)
    }

    // MARK: Labels

    /// The users that labels name, and those of them whose avatars have names that nobody knows.
    var owners: Set<UserID> { labels.owners }
    var unknownOwners: [UserID] { labels.unknownOwners }
    func avatarName(of owner: UserID) -> AvatarName?? { labels.avatarName(of: owner) }
    func isFollowed(_ owner: UserID) -> Bool { labels.isFollowed(owner) }
    func users(ofAvatar name: AvatarName) -> [UserID] { labels.users(ofAvatar: name) }
    /// The users of labels that show whatever a user's avatar is.
    var followedOwners: [UserID] { labels.followedOwners }

    /// What a user's avatar is called, or that there is none. The names that lost or gained a label.
    mutating func setAvatar(of owner: UserID, _ name: AvatarName?) -> [AvatarName] {
        labels.setAvatar(of: owner, name)
    }

    mutating func forgetAvatars() -> [AvatarName] { labels.forgetAvatars() }

    /// Labels that show whatever the user's avatar is are told that there is none.
    mutating func tellOwner(_ owner: UserID, _ avatar: AvatarView, now: MonotonicTime) -> [Action] {
        let (outputs, done) = labels.tellOwner(owner, avatar, now: now)
        return told(outputs, done)
    }

    /// `avatars` are those of users whom the labels name alone, as far as they are known.
    mutating func register(
        _ requests: [LabelRequest], keep: Bool, heartbeat: Bool, more: Bool, token: ExactString, isRoom: Bool,
        avatars: [UserID: AvatarName?] = [:], _ stream: StreamID, now: MonotonicTime
    ) -> [Action] {
        let limit = more ? Limits.Labels.perSubscriptionMax : Limits.Labels.perReplyMax
        if let fault = Self.fault(requests.count, limit, total: labels.labelCount + requests.count) {
            return [.bus(.failed(stream, fault))]
        }
        guard more || isRoom else {
            return [.bus(.failed(stream, .tooMany(what: "names", limit: Limits.Labels.namesMax)))]
        }
        labels.open(stream, token: token, keep: keep && more, heartbeat: heartbeat && more, now: now)
        return add(requests, avatars, to: stream, isOnce: !more)
    }

    mutating func adjust(
        _ subscription: ExactString, add: [LabelRequest], remove: [ExactString], visible: [ExactString],
        hidden: [ExactString], avatars: [UserID: AvatarName?] = [:], _ stream: StreamID
    ) -> [Action] {
        guard let target = labels.stream(of: subscription) else {
            return [.bus(.failed(stream, .unknownSubscription(subscription.string)))]
        }
        let count = labels.labelCount(of: target) + add.count
        if let fault = Self.fault(count, Limits.Labels.perSubscriptionMax, total: labels.labelCount + add.count) {
            return [.bus(.failed(stream, fault))]
        }
        let gone = labels.remove(remove, from: target)
        let seen = labels.see(visible, as: .visible, on: target) + labels.see(hidden, as: .hidden, on: target)
        let actions = [Action.bus(.done(stream)), .labelsGone(gone), .reprioritize(seen)]
        return add.isEmpty ? actions : actions + self.add(add, avatars, to: target, isOnce: false)
    }

    /// Which bound so many labels of one subscription, or of all, would pass.
    private static func fault(_ count: Int, _ limit: Int, total: Int) -> BusFault? {
        if count > limit { return .tooMany(what: "labels", limit: limit) }
        return total > Limits.Labels.totalMax ? .tooMany(what: "labels", limit: Limits.Labels.totalMax) : nil
    }

    /// The first states of new labels are told when the catalog has told of every name in them.
    private mutating func add(
        _ requests: [LabelRequest], _ avatars: [UserID: AvatarName?], to stream: StreamID, isOnce: Bool
    ) -> [Action] {
        labels.add(requests, avatars: avatars, to: stream)
        var names: [AvatarName] = []
        var seen: Set<AvatarName> = []
        for request in requests {
            guard let name = labels.name(of: request.target), seen.insert(name).inserted else { continue }
            names.append(name)
        }
        if snapshotWaits[stream] == nil { snapshotWaits[stream] = SnapshotWait(missing: 0, isOnce: isOnce) }
        return [.lookUp(names, touch: true), .awaitCatalog(stream, names)]
    }

    /// The catalog has not answered for these names yet.
    mutating func await(_ unknown: [AvatarName], on stream: StreamID) -> [Action] {
        for name in unknown { snapshotWaiters[name, default: []].append(stream) }
        snapshotWaits[stream]?.missing += unknown.count
        return snapshotWaits[stream]?.missing == 0 ? [.snapshot(stream)] : []
    }

    /// The catalog has answered for a name: whoever waited for that is answered.
    mutating func catalogAnswered(_ name: AvatarName) -> [Action] {
        var actions: [Action] = []
        for (stream, question, target) in questions.removeValue(forKey: name) ?? [] {
            actions.append(.question(stream, question, target))
        }
        for stream in snapshotWaiters.removeValue(forKey: name) ?? [] {
            snapshotWaits[stream]?.missing -= 1
            if snapshotWaits[stream]?.missing == 0 { actions.append(.snapshot(stream)) }
        }
        return actions
    }

    /// The labels whose first states are to be told, in the order in which they were added.
    func due(on stream: StreamID) -> [LabelRequest.Target] { labels.due(on: stream).map(\.target) }

    /// Tells a stream the first states of the labels that are ``due(on:)``; `views` are theirs.
    mutating func snapshot(of stream: StreamID, views: [AvatarView], now: MonotonicTime) -> [Action] {
        guard let wait = snapshotWaits.removeValue(forKey: stream) else { return [] }
        let (outputs, done) = labels.snapshot(of: stream, views: views, now: now)
        guard wait.isOnce else { return told(outputs, done) }
        let replies = outputs.map { output in
            Action.bus(
                .labels(
                    LabelRegistry.Output(
                        stream: stream, states: output.states, subscription: nil, synced: output.synced,
                        continues: false)))
        }
        return replies + [.fetchMissing(done + labels.close(stream))]
    }

    /// A picture came to a state worth telling.
    mutating func tellLabels(_ name: AvatarName, _ avatar: AvatarView, now: MonotonicTime) -> [Action] {
        let (outputs, done) = labels.tell(name, now: now) { avatar.narrowed(to: $0) }
        return told(outputs, done)
    }

    private func told(_ outputs: [LabelRegistry.Output], _ done: [AvatarName]) -> [Action] {
        let replies = outputs.map { Action.bus(.labels($0)) }
        return done.isEmpty ? replies : replies + [.reprioritize(done)]
    }

    // MARK: Fetch

    /// `denial` says why nothing can be fetched; `isRoom` whether so many more names can be cared for.
    mutating func fetch(
        _ names: [AvatarName], visibility: Visibility, again: Bool, more: Bool, denial: BusFault?, isRoom: Bool,
        _ stream: StreamID
    ) -> [Action] {
        guard names.count <= Limits.Labels.fetchNamesMax else {
            return [.bus(.failed(stream, .tooMany(what: "names", limit: Limits.Labels.fetchNamesMax)))]
        }
        if let denial { return [.bus(.failed(stream, denial))] }
        let unique = Set(names)
        guard isRoom else {
            return [.bus(.failed(stream, .tooMany(what: "names", limit: Limits.Labels.namesMax)))]
        }
        let isFollowed = more && !unique.isEmpty
        if isFollowed { fetches[stream] = FetchCall(accepted: unique.count, open: unique) }
        for name in unique {
            if more {
                let old = fetchPriorities[name]?.followed ?? .hidden
                fetchPriorities[name, default: FetchPriority()].followed = max(old, visibility)
            } else {
                fetchOnce(name, visibility)
            }
            if again { fetchPriorities[name]?.again = true }
        }
        let ordered = unique.sorted()
        return [
            .bus(.accepted(stream, unique.count, nil, continues: isFollowed)), .hurry,
            // First, so that the catalog does not tell of what is being cleared.
            .disk(.clearNegatives(ordered)), .lookUp(ordered, touch: true),
            .fetch(stream, ordered, count: unique.count, isFollowed: more),
        ]
    }

    mutating func fetchOnce(_ name: AvatarName, _ visibility: Visibility) {
        let old = fetchPriorities[name]?.unfollowed ?? .hidden
        fetchPriorities[name, default: FetchPriority()].unfollowed = max(old, visibility)
    }

    /// Whether an unfinished fetch wants the name.
    func isFetched(_ name: AvatarName) -> Bool {
        guard let fetch = fetchPriorities[name] else { return false }
        return fetch.unfollowed != nil || fetch.followed != nil
    }

    /// Whether an unfinished fetch has the server asked again for the name's picture.
    func isFetchedAgain(_ name: AvatarName) -> Bool { fetchPriorities[name]?.again ?? false }

    /// The fetches of the name are over.
    mutating func fetchesEnded(_ name: AvatarName) { fetchPriorities[name] = nil }

    /// Whether anybody hears how fetches go.
    var hasFollowedFetches: Bool { !fetches.isEmpty }

    /// Whoever follows the fetch of `name` hears how it is; a final state is the last word on it.
    mutating func tellFetches(_ name: AvatarName, _ avatar: AvatarView) -> [Action] {
        var actions: [Action] = []
        for stream in fetches.filter({ $0.value.open.contains(name) }).keys.sorted() {
            if avatar.state.isFinal { fetches[stream]?.open.remove(name) }
            let isOver = fetches[stream]?.open.isEmpty ?? true
            actions.append(
                .bus(.accepted(stream, fetches[stream]?.accepted ?? 0, avatar, continues: !isOver)))
            if isOver { fetches[stream] = nil }
        }
        return actions
    }

    /// Whether whoever follows the fetch of `name` is to hear of its progress: not more often than every
    /// ``Limits/Download/progressInterval``.
    mutating func tellsProgress(of name: AvatarName, now: MonotonicTime) -> Bool {
        guard !fetches.isEmpty, let fetch = fetchPriorities[name] else { return false }
        if let told = fetch.toldProgressAt, now - told < Limits.Download.progressInterval { return false }
        fetchPriorities[name]?.toldProgressAt = now
        return true
    }

    // MARK: Upload

    mutating func upload(_ path: String, more: Bool, _ stream: StreamID) -> [Action] {
        if more { uploadCalls[stream] = .some(nil) }
        return [.disk(.importCrop(stream, path: path))]
    }

    /// The file is in the upload folder. A call that nobody can follow to its end is answered: `waiting` says what the crop waits for.
    mutating func imported(_ stream: StreamID, _ name: AvatarName, isFollowable: Bool, waiting: String?) -> [Action] {
        if isFollowable, uploadCalls[stream] != nil {
            uploadCalls[stream] = name
            return []
        }
        uploadCalls[stream] = nil
        let view = AvatarView(name: name.string, state: .outgoing, reason: waiting)
        return [.bus(.avatar(stream, view, continues: false))]
    }

    /// Whoever follows the upload of `name` hears how it is; `isOver` ends the call even when the cache lacks the picture still.
    mutating func tellUploads(_ name: AvatarName, _ avatar: AvatarView, isOver: Bool, waiting: String?) -> [Action] {
        guard isUploadFollowed(name) else { return [] }
        var (actions, avatar) = ([Action](), avatar)
        if isOver, avatar.state == .outgoing { avatar.reason = avatar.reason ?? waiting }
        let isOver = isOver || (avatar.state != .outgoing && avatar.state != .pending)
        for stream in uploadCalls.filter({ $0.value == name }).keys.sorted() {
            actions.append(.bus(.avatar(stream, avatar, continues: !isOver)))
            if isOver { uploadCalls[stream] = nil }
        }
        return actions + [.unneeded(name)]
    }

    /// Whether a stream follows the upload of this name.
    func followsUpload(_ name: AvatarName) -> Bool { isUploadFollowed(name) }

    // MARK: Get, Explain, Forget

    func ask(_ question: Question, of target: LabelRequest.Target, _ stream: StreamID) -> [Action] {
        guard case .name(let name, _) = target else { return [.question(stream, question, target)] }
        return [.lookUp([name], touch: false), .question(stream, question, target)]
    }

    /// The question waits for the catalog's word of the name.
    mutating func wait(_ question: Question, of target: LabelRequest.Target, _ name: AvatarName, _ stream: StreamID) {
        questions[name, default: []].append((stream, question, target))
    }

    /// The answer once the catalog was asked; an error for a name that means nothing to anybody here (`isUnheardOf`).
    func answer(
        _ question: Question, of target: LabelRequest.Target, _ view: AvatarView, steps: [ActivityLog.Step],
        isUnheardOf: Bool, _ stream: StreamID, now: MonotonicTime
    ) -> Action {
        if case .name(let name, _) = target, isUnheardOf, view.state == .absent, steps.isEmpty {
            return .bus(.failed(stream, .unknownAvatar(name.string)))
        }
        switch (question, target) {
        case (.get, _): return .bus(.avatar(stream, view, continues: false))
        case (.explain, _): return .bus(.explanation(stream, steps + [ActivityLog.Step(view, at: now)]))
        // The picture goes from the cache; what is wanted comes again, what is not stays away.
        case (.forget, .name(let name, _)): return .disk(.forget(stream, name))
        case (.forget, _): return .bus(.done(stream))
        }
    }

    // MARK: Watch

    mutating func watch(
        epoch: String?, since: Int64?, heartbeat: Bool, more: Bool, _ stream: StreamID, now: MonotonicTime
    )
        -> [Action]
    {
        if more { watchers.add(stream, heartbeat: heartbeat, now: now) }
        return [.disk(.readEvents(stream, since: since, epoch: epoch))]
    }

    /// Whether anybody follows the log.
    var hasWatchers: Bool { !watchers.isEmpty }

    mutating func eventsRead(_ stream: StreamID, _ page: EventPage, views: [AvatarView], now: MonotonicTime) -> [Action]
    {
        watchers.read(stream, page, views: views, now: now)
    }

    mutating func logged(_ events: [AvatarEvent], views: [AvatarView], now: MonotonicTime) -> [Action] {
        watchers.logged(zip(events, views).map { AvatarChange(event: $0, avatar: $1) }, now: now)
    }

    mutating func heartbeats(now: MonotonicTime) -> [Action] {
        labels.heartbeats(now: now).map { .bus(.labels($0)) } + watchers.heartbeats(now: now)
    }

    // MARK: Streams that end

    /// The stream's client is gone.
    mutating func hungUp(_ stream: StreamID) -> [Action] {
        var actions: [Action] = []
        snapshotWaits[stream] = nil
        if let name = uploadCalls.removeValue(forKey: stream) ?? nil { actions.append(.unneeded(name)) }
        if let fetch = fetches.removeValue(forKey: stream) {
            let names = fetch.open.filter { name in !fetches.values.contains { $0.open.contains(name) } }.sorted()
            for name in names {
                fetchPriorities[name]?.followed = nil
                if fetchPriorities[name]?.unfollowed == nil { fetchPriorities[name] = nil }
            }
            actions.append(.reprioritize(names))
        }
        watchers.remove(stream)
        let names = labels.close(stream)
        return names.isEmpty ? actions : actions + [.labelsGone(names)]
    }

    /// The disk could not answer the call.
    mutating func refused(_ stream: StreamID, _ fault: BusFault) -> [Action] {
        uploadCalls[stream] = nil
        watchers.remove(stream)
        return [.bus(.failed(stream, fault))]
    }

    /// Nothing will move before somebody logs in anew: whoever follows a transfer is told, and waits no longer. Crops stay on their way.
    mutating func callsEnd(_ fault: BusFault) -> [Action] {
        var actions: [Action] = []
        for stream in fetches.keys.sorted() { actions += [.bus(.failed(stream, fault))] + hungUp(stream) }
        return actions + Set(uploadCalls.values.compactMap(\.self)).sorted().map { .uploadCallsEnd($0) }
    }
}

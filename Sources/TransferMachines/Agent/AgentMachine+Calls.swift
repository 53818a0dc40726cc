internal import AvatarCore

// Calls of subscribers, and who hears how a picture is.
extension AgentMachine {
    mutating func handle(_ call: BusCall, _ stream: StreamID) {
        switch call {
        case .register(let requests, let keep, let heartbeat, let more, let token):
            let known = knownAvatars(for: requests)
            perform(
                subscribers.register(
                    requests, keep: keep, heartbeat: heartbeat, more: more, token: token,
                    isRoom: hasRoom(for: requests.count), avatars: known.mapValues(\.name), stream, now: now))
            for avatar in known.values { expectPicture(avatar) }
        case .adjust(let subscription, let add, let remove, let visible, let hidden):
            let known = knownAvatars(for: add)
            perform(
                subscribers.adjust(
                    subscription, add: add, remove: remove, visible: visible, hidden: hidden,
                    avatars: known.mapValues(\.name), stream))
            for avatar in known.values { expectPicture(avatar) }
        case .fetch(let names, let visibility, let again, let more):
            let denial: BusFault? =
                session.login == nil
                ? .notLoggedIn
                : session.refusal.map { .serverRefused(code: $0.code, reason: $0.description) }
            // The call itself is refused before the token is read: the next one may find the agent logged in.
            if denial != nil { hurry(isForToken: names.isEmpty) }
            let isRoom = hasRoom(for: Set(names).count { !downloads.known.isKnown($0) })
            perform(
                subscribers.fetch(
                    names, visibility: visibility, again: again, more: more, denial: denial, isRoom: isRoom, stream))
        case .upload(let path, let more): perform(subscribers.upload(path, more: more, stream))
        case .get(let target): perform(subscribers.ask(.get, of: target, stream))
        case .explain(let target): perform(subscribers.ask(.explain, of: target, stream))
        case .forget(let name): perform(subscribers.ask(.forget, of: .name(name, owner: nil), stream))
        case .dismiss(let name): dismiss(name, stream)
        case .check(let look): check(stream, look: look)
        case .verify: perform(session.verify(stream, now: now))
        case .list(let state, let after, let limit):
            actions.append(.disk(.list(stream, state: state, after: after, limit: limit)))
        case .watch(let epoch, let since, let heartbeat, let more):
            perform(
                subscribers.watch(
                    epoch: epoch, since: since, heartbeat: heartbeat, more: more, stream, now: now))
        case .pause(let direction):
            perform(session.pause(direction.map { [$0] } ?? Direction.allCases))
            if session.paused.contains(.down) {
                perform(downloads.giveUpRechecks("downloads are paused"))
                downloads.pause()
            }
            actions.append(.bus(.done(stream)))
        case .resume(let direction):
            perform(session.resume(direction.map { [$0] } ?? Direction.allCases))
            actions.append(.bus(.done(stream)))
            hurry(isForToken: true)
        }
    }

    /// Only what Status complains of can be dismissed: everything else is to be uploaded, or is.
    private mutating func dismiss(_ name: AvatarName, _ stream: StreamID) {
        let key = ActivityLog.Entry.uploadKey(name.string)
        guard activity.problems.contains(where: { $0.key == key }) else {
            return actions.append(.bus(.failed(stream, .unknownAvatar(name.string))))
        }
        actions.append(.disk(.dismiss(stream, name)))
    }

    /// Whether so many more names can be cared for: what is wanted without a label has no other bound.
    func hasRoom(for count: Int) -> Bool { downloads.known.count + count <= Limits.Labels.namesMax }

    mutating func ask(
        _ question: Subscribers.Question, _ target: LabelRequest.Target, _ stream: StreamID
    ) {
        var isUnheardOf = false
        if case .name(let name, _) = target {
            guard !downloads.known.isUnknown(name) else { return subscribers.wait(question, of: target, name, stream) }
            isUnheardOf = downloads.known.isUnheardOf(name)
        }
        let view = view(of: target)
        let steps = question == .explain ? view.name.map { activity.steps(of: $0) } ?? [] : []
        perform([
            subscribers.answer(question, of: target, view, steps: steps, isUnheardOf: isUnheardOf, stream, now: now)
        ])
        if case .name(let name, _) = target { dropIfUnneeded(name) }
    }

    mutating func fetchBegan(_ stream: StreamID, _ names: [AvatarName], count: Int, isFollowed: Bool) {
        perform(downloads.liftFailures(names))
        for name in names {
            refresh(name)
            if let reason = recheckIfAsked(name) {
                kept(name, reason: reason)
                continue
            }
            guard downloads.known.isKnown(name), !downloads.known.isUnknown(name), !downloads.isRechecked(name) else {
                continue
            }
            let avatar = view(of: name)
            if avatar.state.isFinal {
                callsConcluded(name)
            } else if isFollowed {
                actions.append(.bus(.accepted(stream, count, avatar, continues: true)))
            }
        }
    }

    /// A fetch has the server asked again for a picture that is there. Why that cannot be now, when it cannot.
    mutating func recheckIfAsked(_ name: AvatarName) -> String? {
        guard subscribers.isFetchedAgain(name), downloads.mayBeOld(name) else { return nil }
        if session.paused.contains(.down) { return "downloads are paused" }
        guard storage.isFine, session.login != nil else { return waitingReason }
        downloads.recheck(name, .asked, conditions(for: name))
        return nil
    }

    /// The picture that was there stays as it is. Labels know it; calls hear why no other came.
    mutating func kept(_ name: AvatarName, reason: String?) {
        if subscribers.hasFollowedFetches {
            var avatar = view(of: name)
            // Where its folder is away there is more to say.
            if avatar.state == .ready { avatar.reason = reason.map { "not replaced: \($0)" } }
            perform(subscribers.tellFetches(name, avatar))
        }
        callsConcluded(name)
    }

    // MARK: Pictures

    /// How much the name is wanted may have changed.
    mutating func refresh(_ name: AvatarName) {
        var priority = subscribers.priority(of: name)
        if name == uploads.icon { priority = max(priority ?? .near, .near) }
        perform(downloads.setPriority(name, priority, conditions(for: name), now: now))
    }

    func conditions(for name: AvatarName) -> Downloads.Conditions {
        Downloads.Conditions(
            isStorageFine: storage.isFine, isOutgoing: uploads.pending(name) != nil,
            isShown: subscribers.isShown(name), isFollowed: isFollowed(name))
    }

    mutating func refresh(_ names: [AvatarName]) {
        var seen: Set<AvatarName> = []
        for name in names where seen.insert(name).inserted { refresh(name) }
    }

    mutating func dropIfUnneeded(_ name: AvatarName) {
        downloads.drop(name, isAwaited: subscribers.awaits(name))
    }

    /// Tells labels and calls of a state that counts as an end, and forgets the name when nobody is left.
    mutating func concluded(_ name: AvatarName) {
        tellLabels(name)
        callsConcluded(name)
    }

    /// The same for calls alone, where the labels know it.
    mutating func callsConcluded(_ name: AvatarName) {
        tellCalls(name)
        subscribers.fetchesEnded(name)
        refresh(name)
    }

    mutating func tellLabels(_ name: AvatarName) {
        perform(subscribers.tellLabels(name, view(of: name), now: now))
    }

    mutating func tellCalls(_ name: AvatarName) {
        // While a picture that is there is asked for again, its last word is still to come.
        if subscribers.hasFollowedFetches, !downloads.isRechecked(name) {
            perform(subscribers.tellFetches(name, view(of: name)))
        }
        tellUploads(name)
    }

    mutating func tellUploads(_ name: AvatarName, failure: String? = nil, isOver: Bool = false) {
        guard subscribers.followsUpload(name) else { return }
        // An upload of what the cache has already is followed all the same.
        var avatar = outgoingView(of: name) ?? view(of: name)
        if let failure { avatar = AvatarView(name: name.string, state: .failed, reason: failure) }
        perform(subscribers.tellUploads(name, avatar, isOver: isOver, waiting: waitingReason))
    }
}

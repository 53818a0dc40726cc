internal import AvatarCore

extension AgentMachine {
    mutating func busCall(_ call: BusCall, _ stream: StreamID) {
        switch call {
        case .register(let requests, let keep, let heartbeat, let more, let token):
            register(requests, keep: keep, heartbeat: heartbeat, more: more, token: token, stream)
        case .adjust(let subscription, let add, let remove, let visible, let hidden):
            adjust(subscription, add: add, remove: remove, visible: visible, hidden: hidden, stream)
        case .fetch(let names, let visibility, let more):
            fetch(names, visibility: visibility, more: more, stream)
        case .upload(let path, let more):
            if more { uploadCalls[stream] = .some(nil) }
            actions.append(.disk(.importCrop(stream, path: path)))
        case .get(let target): ask(.get, of: target, stream)
        case .explain(let target): ask(.explain, of: target, stream)
        case .list(let state, let after, let limit):
            actions.append(.disk(.list(stream, state: state, after: after, limit: limit)))
        case .watch(let epoch, let since, let heartbeat, let more):
            if more {
                watchers[stream] = Watcher(heartbeat: heartbeat, lastSent: now)
                watcherOrder.append(stream)
            }
            actions.append(.disk(.readEvents(stream, since: since, epoch: epoch)))
        case .pause(let direction): pause(direction.map { [$0] } ?? Direction.allCases, stream)
        case .resume(let direction): resume(direction.map { [$0] } ?? Direction.allCases, stream)
        case .forget(let name): ask(.forget, of: .name(name, owner: nil), stream)
        }
    }

    mutating func hungUp(_ stream: StreamID) {
        awaitingSnapshot[stream] = nil
        if let name = uploadCalls.removeValue(forKey: stream) ?? nil { dropIfUnwanted(name) }
        if let fetch = fetches.removeValue(forKey: stream) {
            for name in fetch.open.sorted() where !fetches.values.contains(where: { $0.open.contains(name) }) {
                entries[name]?.followWish = nil
                refreshWish(name)
            }
        }
        if watchers.removeValue(forKey: stream) != nil { watcherOrder.removeAll { $0 == stream } }
        labelsTakenBack(labels.close(stream))
    }

    /// What is shown no longer counts as wanted until now, however long ago its label came.
    private mutating func labelsTakenBack(_ names: [AvatarName]) {
        let shown = names.filter { entries[$0]?.status == .ready }
        refreshWishes(names)
        let unwanted = shown.filter { entries[$0]?.rank == nil }
        if !unwanted.isEmpty { actions.append(.disk(.touch(unwanted))) }
    }

    private mutating func refreshWishes(_ names: [AvatarName]) {
        var seen: Set<AvatarName> = []
        for name in names where seen.insert(name).inserted { refreshWish(name) }
    }

    private mutating func send(_ outputs: [LabelBook.Output]) {
        for output in outputs { actions.append(.bus(.labels(output))) }
    }

    // MARK: Labels

    private mutating func register(
        _ requests: [LabelRequest], keep: Bool, heartbeat: Bool, more: Bool, token: ExactString, _ stream: StreamID
    ) {
        let limit = more ? Limits.Labels.perSubscriptionMax : Limits.Labels.perReplyMax
        let total = labels.labelCount + requests.count
        guard requests.count <= limit, total <= Limits.Labels.totalMax, more || hasRoom(for: requests.count) else {
            let exceeded = requests.count > limit ? limit : Limits.Labels.totalMax
            actions.append(.bus(.failed(stream, .tooMany(what: "labels", limit: exceeded))))
            return
        }
        labels.open(stream, token: token, keep: keep && more, heartbeat: heartbeat && more, now: now)
        labels.add(requests, to: stream)
        awaitCatalog(requests, on: stream, once: !more)
    }

    private mutating func adjust(
        _ subscription: ExactString, add: [LabelRequest], remove: [ExactString], visible: [ExactString],
        hidden: [ExactString],
        _ stream: StreamID
    ) {
        guard let target = labels.stream(of: subscription) else {
            actions.append(.bus(.failed(stream, .unknownSubscription(subscription.string))))
            return
        }
        let held = labels.subscriptions[target]?.labels.count ?? 0
        guard held + add.count <= Limits.Labels.perSubscriptionMax,
            labels.labelCount + add.count <= Limits.Labels.totalMax
        else {
            actions.append(
                .bus(.failed(stream, .tooMany(what: "labels", limit: Limits.Labels.perSubscriptionMax))))
            return
        }
        actions.append(.bus(.done(stream)))
        labelsTakenBack(labels.remove(remove, from: target))
        refreshWishes(labels.see(visible, as: .visible, on: target) + labels.see(hidden, as: .hidden, on: target))
        guard !add.isEmpty else { return }
        labels.add(add, to: target)
        awaitCatalog(add, on: target, once: false)
    }

    /// The snapshot goes out when the catalog has told of every name in it.
    private mutating func awaitCatalog(_ requests: [LabelRequest], on stream: StreamID, once: Bool) {
        var names: [AvatarName] = []
        var seen: Set<AvatarName> = []
        for request in requests {
            guard case .name(let name, _) = request.target, seen.insert(name).inserted else { continue }
            names.append(name)
        }
        lookUp(names, touch: true)
        var missing = 0
        for name in names {
            if entries[name]?.status == .unknown {
                entries[name]?.snapshotWaiters.append(stream)
                missing += 1
            }
            refreshWish(name)
        }
        awaitingSnapshot[stream, default: SnapshotWait(missing: 0, once: once)].missing += missing
        if awaitingSnapshot[stream]?.missing == 0 { sendSnapshot(stream) }
    }

    mutating func catalogAnswered(_ stream: StreamID) {
        guard awaitingSnapshot[stream] != nil else { return }
        awaitingSnapshot[stream]?.missing -= 1
        if awaitingSnapshot[stream]?.missing == 0 { sendSnapshot(stream) }
    }

    private mutating func sendSnapshot(_ stream: StreamID) {
        guard let wait = awaitingSnapshot.removeValue(forKey: stream) else { return }
        let views = labels.due(on: stream).map { view(of: $0.target) }
        let (outputs, done) = labels.snapshot(of: stream, views: views, now: now)
        guard wait.once else {
            send(outputs)
            refreshWishes(done)
            return
        }
        for output in outputs {
            send([
                LabelBook.Output(
                    stream: stream, states: output.states, subscription: nil, synced: output.synced, continues: false)
            ])
        }
        let names = done + labels.close(stream)
        for name in names where entries[name]?.status != .ready {
            guard case .failed = entries[name]?.status else {
                wishOnce(name, .near)
                continue
            }
        }
        refreshWishes(names)
    }

    /// A picture came to a state worth telling.
    mutating func tellLabels(_ name: AvatarName) {
        let avatar = view(of: name, owner: nil)
        let (outputs, done) = labels.tell(name, now: now) { Self.narrowed(avatar, to: $0) }
        send(outputs)
        if !done.isEmpty { refreshWishes(done) }
    }

    // MARK: Fetch and Upload

    private mutating func fetch(_ names: [AvatarName], visibility: Visibility, more: Bool, _ stream: StreamID) {
        guard names.count <= Limits.Labels.fetchNamesMax else {
            actions.append(.bus(.failed(stream, .tooMany(what: "names", limit: Limits.Labels.fetchNamesMax))))
            return
        }
        guard login != nil else {
            actions.append(.bus(.failed(stream, .notLoggedIn)))
            return
        }
        if let refusal {
            let fault = BusFault.serverRefused(code: refusal.rawValue, reason: refusal.description)
            actions.append(.bus(.failed(stream, fault)))
            return
        }
        let unique = Set(names)
        guard hasRoom(for: unique.count(where: { entries[$0] == nil })) else {
            actions.append(.bus(.failed(stream, .tooMany(what: "names", limit: Limits.Labels.wishesMax))))
            return
        }
        actions.append(.bus(.accepted(stream, unique.count, nil, continues: more && !unique.isEmpty)))
        if more, !unique.isEmpty { fetches[stream] = FetchCall(accepted: unique.count, open: unique) }
        perform(connection.hurry(now: now))
        let ordered = unique.sorted()
        // First, so that the catalog does not tell of what is being cleared.
        actions.append(.disk(.clearNegatives(ordered)))
        lookUp(ordered, touch: true)
        for name in ordered {
            if more {
                let old = entries[name]?.followWish ?? .hidden
                entries[name]?.followWish = max(old, visibility)
            } else {
                wishOnce(name, visibility)
            }
        }
        liftFailures(ordered)
        for name in ordered {
            refreshWish(name)
            guard let status = entries[name]?.status, status != .unknown else { continue }
            let now = view(of: name, owner: nil)
            if now.state.isFinal {
                callsConcluded(name)
            } else if more {
                actions.append(.bus(.accepted(stream, unique.count, now, continues: true)))
            }
        }
    }

    /// Nothing will move before somebody logs in anew: whoever follows a transfer is told, and waits no longer. Crops stay on their way.
    mutating func endCalls(_ fault: BusFault) {
        for stream in fetches.keys.sorted() {
            actions.append(.bus(.failed(stream, fault)))
            hungUp(stream)
        }
        for name in Set(uploadCalls.values.compactMap(\.self)).sorted() { tellUploadCalls(name, isOver: true) }
    }

    /// Whether so many more names can be cared for: wishes without a label have no other bound.
    private func hasRoom(for count: Int) -> Bool { entries.count + count <= Limits.Labels.wishesMax }

    private mutating func wishOnce(_ name: AvatarName, _ visibility: Visibility) {
        let old = entries[name]?.fetchWish ?? .hidden
        entries[name]?.fetchWish = max(old, visibility)
    }

    /// Whoever follows the fetch of `name` hears how it is; a final state is the last word on it.
    mutating func tellFetches(_ name: AvatarName) {
        guard !fetches.isEmpty else { return }
        let now = view(of: name, owner: nil)
        for stream in fetches.filter({ $0.value.open.contains(name) }).keys.sorted() {
            if now.state.isFinal { fetches[stream]?.open.remove(name) }
            let isOver = fetches[stream]?.open.isEmpty ?? true
            actions.append(.bus(.accepted(stream, fetches[stream]?.accepted ?? 0, now, continues: !isOver)))
            if isOver { fetches[stream] = nil }
        }
    }

    mutating func tellProgress(_ name: AvatarName) {
        guard !fetches.isEmpty else { return }
        if let told = entries[name]?.toldProgress, now - told < Limits.Download.progressInterval { return }
        entries[name]?.toldProgress = now
        tellFetches(name)
    }

    mutating func imported(_ stream: StreamID, _ name: AvatarName) {
        if uploadCalls[stream] != nil, login != nil, refusal == nil {
            uploadCalls[stream] = name
        } else {
            uploadCalls[stream] = nil
            let view = AvatarView(name: name.string, state: .outgoing, reason: waitingReason)
            actions.append(.bus(.avatar(stream, view, continues: false)))
        }
        examine(name, name == icon ? .normal : .forced)
    }

    /// Whoever follows the upload of `name` hears how far it is; `isOver` ends the call even when the cache lacks it still.
    mutating func tellUploadCalls(_ name: AvatarName, failed reason: String? = nil, isOver: Bool = false) {
        for stream in uploadCalls.filter({ $0.value == name }).keys.sorted() {
            // An upload of what the cache has already is followed all the same.
            var avatar = outgoingView(of: name) ?? view(of: name, owner: nil)
            if let reason { avatar = AvatarView(name: name.string, state: .failed, reason: reason) }
            if isOver, avatar.state == .outgoing { avatar.reason = waitingReason }
            let isOver = isOver || (avatar.state != .outgoing && avatar.state != .pending)
            actions.append(.bus(.avatar(stream, avatar, continues: !isOver)))
            if isOver { uploadCalls[stream] = nil }
        }
        dropIfUnwanted(name)
    }

    mutating func tellUploadProgress(_ name: AvatarName) {
        guard uploadCalls.values.contains(name) else { return }
        if let told = uploads.toldProgress, now - told < Limits.Download.progressInterval { return }
        uploads.toldProgress = now
        tellUploadCalls(name)
    }

    // MARK: Get, Explain, Forget

    private mutating func ask(_ question: Question, of target: LabelRequest.Target, _ stream: StreamID) {
        guard case .name(let name, _) = target else { return answer(question, of: target, stream) }
        lookUp([name], touch: false)
        if entries[name]?.status == .unknown {
            entries[name]?.questions.append((stream, question, target))
        } else {
            answer(question, of: target, stream)
            dropIfUnwanted(name)
        }
    }

    /// The answer once the catalog was asked; an error for a name that means nothing to anybody here.
    mutating func answer(_ question: Question, of target: LabelRequest.Target, _ stream: StreamID) {
        let view = view(of: target)
        let steps = question == .explain ? story.steps(of: view.name ?? "") : []
        if case .name(let name, _) = target, isUnheardOf(name, view), steps.isEmpty {
            actions.append(.bus(.failed(stream, .unknownAvatar(name.string))))
            return
        }
        switch (question, target) {
        case (.get, _): actions.append(.bus(.avatar(stream, view, continues: false)))
        case (.explain, _): actions.append(.bus(.story(stream, steps + [Story.Step(view, at: now)])))
        case (.forget, .name(let name, _)):
            // The picture goes from the cache; what is wanted comes again, what is not stays away.
            actions.append(.disk(.forget(name)))
            actions.append(.bus(.done(stream)))
        case (.forget, _): actions.append(.bus(.done(stream)))
        }
    }

    private func isUnheardOf(_ name: AvatarName, _ view: AvatarView) -> Bool {
        guard let entry = entries[name] else { return view.state == .absent }
        return view.state == .absent && entry.rank == nil && entry.status == .idle && entry.part == nil
    }

    // MARK: List, Pause

    mutating func listed(_ stream: StreamID, _ rows: [CatalogRow], _ next: AvatarName?) {
        let views = rows.map { row in
            entries[row.name].map { _ in view(of: row.name, owner: nil) } ?? Self.view(of: row, now: now)
        }
        actions.append(.bus(.page(stream, views, next: next?.string)))
    }

    private mutating func pause(_ directions: [Direction], _ stream: StreamID) {
        for direction in directions { paused.insert(direction) }
        note(.info, "paused", detail: directions.map(\.rawValue).joined(separator: ", "))
        actions.append(.bus(.done(stream)))
    }

    private mutating func resume(_ directions: [Direction], _ stream: StreamID) {
        for direction in directions { paused.remove(direction) }
        note(.info, "resumed", detail: directions.map(\.rawValue).joined(separator: ", "))
        actions.append(.bus(.done(stream)))
        perform(connection.hurry(now: now))
    }
}

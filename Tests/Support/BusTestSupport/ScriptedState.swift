internal import AvatarCore
internal import LabelBus

extension ScriptedAgent.State {
    mutating func answer(_ call: AgentCall, more: Bool, _ reply: ReplyStream) {
        switch call {
        case .register(let parameters): register(parameters, more: more, reply)
        case .adjust(let parameters): adjust(parameters, reply)
        case .watch(let parameters): watch(parameters, more: more, reply)
        case .get(let parameters):
            if let avatar = avatars[parameters.name] {
                reply.send(.avatar(avatar), continues: false)
            } else {
                reply.fail(.unknownAvatar(name: parameters.name))
            }
        case .list(let parameters): reply.send(.list(page(parameters)), continues: false)
        case .fetch(let parameters): fetch(parameters, more: more, reply)
        case .upload(let parameters): upload(parameters, more: more, reply)
        case .forget(let parameters):
            guard let avatar = avatars.removeValue(forKey: parameters.name) else {
                return reply.fail(.unknownAvatar(name: parameters.name))
            }
            log.append(Change(cursor: logStart + log.count + 1, kind: .removed, avatar: avatar))
            reply.send(.done, continues: false)
        case .dismiss(let parameters):
            guard dismissable.remove(ExactString(parameters.name)) != nil else {
                return reply.fail(.unknownAvatar(name: parameters.name))
            }
            reply.send(.done, continues: false)
        case .pause(let parameters):
            paused.formUnion(parameters.direction.map { [$0] } ?? ["down", "up"])
            reply.send(.done, continues: false)
        case .resume(let parameters):
            paused.subtract(parameters.direction.map { [$0] } ?? ["down", "up"])
            reply.send(.done, continues: false)
        case .login(let parameters):
            if parameters.token == "wrong" { return reply.fail(.serverRefused(code: 1010, reason: "token invalid")) }
            login = parameters
            reply.send(.done, continues: false)
        case .logout:
            if login == nil { return reply.fail(.notLoggedIn) }
            login = nil
            reply.send(.done, continues: false)
        case .status: reply.send(.status(status()), continues: false)
        case .explain(let parameters):
            guard let avatar = avatars[parameters.name] else {
                return reply.fail(.unknownAvatar(name: parameters.name))
            }
            let step = Step(at: "2026-01-01T00:00:00Z", what: "state is \(avatar.state)", detail: avatar.reason)
            reply.send(.explain([step]), continues: false)
        case .verify:
            guard let login else { return reply.fail(.notLoggedIn) }
            reply.send(
                .verify(VerifyReply(server: login.server, uid: login.uid, dialect: "classic")), continues: false)
        case .check:
            reply.send(.check(CheckReply(differences: differences, total: differences.count)), continues: false)
        }
    }

    mutating func known(_ name: String) -> Avatar {
        if let avatar = avatars[name] { return avatar }
        let isBuiltin = BuiltinHead.matches(name)
        let avatar = Avatar(
            name: name, state: isBuiltin ? .builtin : .pending, path: isBuiltin ? fallback : nil,
            fallback: fallback)
        avatars[name] = avatar
        return avatar
    }

    mutating func change(to avatar: Avatar, kind: ChangeKind) {
        guard let name = avatar.name else { return }
        avatars[name] = avatar
        let change = Change(cursor: logStart + log.count + 1, kind: kind, avatar: avatar)
        log.append(change)
        let reply = EncodedReply(
            .watch(WatchReply(epoch: ScriptedAgent.epoch, cursor: change.cursor, changes: [change])))
        for watcher in watchers.values { watcher.send(reply, continues: true) }
        for id in subscriptions.keys.sorted() { tell(id, avatar) }
        tellProgress(avatar)
    }

    mutating func tellProgress(_ avatar: Avatar) {
        guard let name = avatar.name else { return }
        if let upload = uploads[name] {
            upload.send(.avatar(avatar), continues: !avatar.state.isFinal)
            if avatar.state.isFinal { uploads[name] = nil }
        }
        for id in fetches.keys.sorted() where fetches[id]?.open.contains(name) == true { tellFetch(id, avatar) }
    }

    private mutating func tellFetch(_ id: ReplyStream.ID, _ avatar: Avatar) {
        guard let fetch = fetches[id], let name = avatar.name else { return }
        if avatar.state.isFinal { fetches[id]?.open.remove(name) }
        let isOver = fetches[id]?.open.isEmpty ?? true
        fetch.stream.send(.fetch(FetchReply(accepted: fetch.accepted, avatar: avatar)), continues: !isOver)
        if isOver { fetches[id] = nil }
    }

    private mutating func tell(_ id: String, _ avatar: Avatar) {
        guard let subscription = subscriptions[id] else { return }
        let labels = subscription.labels.values.filter { $0.name == avatar.name }.map(\.label).sorted()
        guard !labels.isEmpty else { return }
        if !subscription.keep, avatar.state.isFinal {
            for label in labels { subscriptions[id]?.labels[label] = nil }
        }
        let isOver = subscriptions[id]?.labels.isEmpty == true
        subscription.stream.send(
            .register(RegisterReply(labels: labels.map { LabelState(label: $0, avatar: avatar) })), continues: !isOver)
        if isOver { subscriptions[id] = nil }
    }

    private mutating func register(_ parameters: RegisterParameters, more: Bool, _ reply: ReplyStream) {
        let states = parameters.labels.map { LabelState(label: $0.label, avatar: known($0.name ?? "owner-only")) }
        guard more else {
            return reply.send(.register(RegisterReply(labels: states, synced: true)), continues: false)
        }
        let keep = parameters.keep ?? false
        let id = "subscription-\(reply.id)"
        var subscription = ScriptedAgent.Subscription(stream: reply, keep: keep)
        for (request, state) in zip(parameters.labels, states) where keep || !state.avatar.state.isFinal {
            subscription.labels[request.label] = request
        }
        let goesOn = keep || !subscription.labels.isEmpty
        if goesOn { subscriptions[id] = subscription }
        var rest = states[...]
        repeat {
            let part = Array(rest.prefix(Limits.Labels.perReplyMax))
            rest = rest.dropFirst(part.count)
            reply.send(
                .register(RegisterReply(subscription: id, labels: part, synced: rest.isEmpty ? true : nil)),
                continues: goesOn || !rest.isEmpty)
        } while !rest.isEmpty
    }

    private mutating func adjust(_ parameters: AdjustParameters, _ reply: ReplyStream) {
        let id = parameters.subscription
        guard let subscription = subscriptions[id] else { return reply.fail(.unknownSubscription(subscription: id)) }
        for label in parameters.remove ?? [] { subscriptions[id]?.labels[label] = nil }
        for label in parameters.visible ?? [] { subscriptions[id]?.labels[label]?.visibility = "visible" }
        for label in parameters.hidden ?? [] { subscriptions[id]?.labels[label]?.visibility = "hidden" }
        var states: [LabelState] = []
        for request in parameters.add ?? [] {
            subscriptions[id]?.labels[request.label] = request
            states.append(LabelState(label: request.label, avatar: known(request.name ?? "owner-only")))
        }
        if !states.isEmpty { subscription.stream.send(.register(RegisterReply(labels: states)), continues: true) }
        reply.send(.done, continues: false)
    }

    private mutating func watch(_ parameters: WatchParameters, more: Bool, _ reply: ReplyStream) {
        let last = logStart + log.count
        let since = parameters.since ?? last
        let isKnown = parameters.epoch == nil || parameters.epoch == ScriptedAgent.epoch
        let reaches = isKnown && (logStart...last).contains(since)
        let behind = reaches ? log.dropFirst(since - logStart) : []
        let changes = Array(more ? behind : behind.prefix(Limits.Labels.changesPerReplyMax))
        if more { watchers[reply.id] = reply }
        reply.send(
            .watch(
                WatchReply(
                    epoch: ScriptedAgent.epoch, cursor: changes.last?.cursor ?? last, reset: reaches ? nil : true,
                    changes: changes)),
            continues: more)
    }

    private func page(_ parameters: ListParameters) -> ListReply {
        let limit = min(parameters.limit ?? 100, Limits.Labels.perReplyMax)
        let all = avatars.values
            .filter { parameters.state == nil || $0.state.rawValue == parameters.state }
            .filter { ($0.name ?? "") > (parameters.after ?? "") }
            .sorted { ($0.name ?? "") < ($1.name ?? "") }
        let page = Array(all.prefix(limit))
        return ListReply(avatars: page, next: all.count > limit ? page.last?.name : nil)
    }

    private mutating func fetch(_ parameters: FetchParameters, more: Bool, _ reply: ReplyStream) {
        for name in parameters.names {
            do throws(AvatarNameError) {
                _ = try AvatarName(name)
            } catch {
                return reply.fail(.invalidName(name: name, reason: "\(error.code)"))
            }
        }
        let names = Set(parameters.names)
        reply.send(.fetch(FetchReply(accepted: names.count)), continues: more && !names.isEmpty)
        if more, !names.isEmpty { fetches[reply.id] = (reply, names.count, names) }
        for name in names.sorted() { tellFetch(reply.id, known(name)) }
    }

    private mutating func upload(_ parameters: UploadParameters, more: Bool, _ reply: ReplyStream) {
        let path = parameters.path
        if path.hasSuffix(".txt") { return reply.fail(.notAnImage(path: path, reason: "is text")) }
        if path.hasSuffix(".huge") { return reply.fail(.tooLarge(path: path, size: 9_000_000, limit: 8_388_608)) }
        let name = String(path.split(separator: "/").last ?? "")
        let avatar = Avatar(name: name, state: .pending, path: path, size: 100, transferred: 0)
        avatars[name] = avatar
        if more { uploads[name] = reply }
        reply.send(.avatar(avatar), continues: more)
    }

    private func status() -> StatusReply {
        StatusReply(
            version: "1.0", connection: login == nil ? "offline" : "online", since: "2026-01-01T00:00:00Z",
            server: login?.server, downloads: avatars.values.count { $0.state == .pending }, uploads: uploads.count,
            labels: subscriptions.values.reduce(0) { $0 + $1.labels.count }, cached: avatars.count, bytes: 0,
            problems: paused.sorted().map { Problem(what: "\($0) is paused", since: "2026-01-01T00:00:00Z") },
            figures: ["bus.calls": Double(calls.count)])
    }
}

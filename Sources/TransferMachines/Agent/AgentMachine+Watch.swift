internal import AvatarCore

extension AgentMachine {
    /// A Watch with `more`: first the log from its cursor on, page by page, then what happens.
    struct Watcher: Sendable {
        let heartbeat: Bool
        var lastSent: MonotonicTime
        /// The last cursor it was told; nil until the first page came.
        var cursor: Int64?
        /// Whether the log has been told to its end.
        var isLive = false
    }

    mutating func eventsRead(_ stream: StreamID, _ page: EventPage) {
        let rows = Dictionary(page.rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let changes = page.events.map { event in
            AvatarChange(
                cursor: event.cursor, kind: event.kind,
                avatar: entries[event.name].map { _ in view(of: event.name, owner: nil) }
                    ?? rows[event.name].map { Self.view(of: $0, now: now) }
                    ?? AvatarView(name: event.name.string, state: .absent))
        }
        let told = page.events.last?.cursor ?? page.cursor
        let isWatcher = watchers[stream] != nil
        actions.append(
            .bus(
                .changes(
                    stream, epoch: page.epoch, cursor: told, reset: page.reset, changes, continues: isWatcher)))
        guard isWatcher else { return }
        watchers[stream]?.cursor = told
        watchers[stream]?.lastSent = now
        watchers[stream]?.isLive = told >= page.cursor
        epoch = page.epoch
        if told < page.cursor { actions.append(.disk(.readEvents(stream, since: told, epoch: page.epoch))) }
    }

    /// The catalog wrote events: whoever follows the log is told, each exactly once and in order.
    mutating func changed(_ events: [AvatarEvent]) {
        guard !events.isEmpty, !watcherOrder.isEmpty else { return }
        let changes = events.map {
            AvatarChange(cursor: $0.cursor, kind: $0.kind, avatar: eventView($0))
        }
        for stream in watcherOrder {
            guard let watcher = watchers[stream], watcher.isLive, let cursor = watcher.cursor, let epoch else {
                continue
            }
            let fresh = changes.filter { $0.cursor > cursor }
            guard let first = fresh.first, let last = fresh.last else { continue }
            guard first.cursor == cursor + 1 else {
                // Something was written and not told of, because what came behind it failed: the log has it.
                watchers[stream]?.isLive = false
                actions.append(.disk(.readEvents(stream, since: cursor, epoch: epoch)))
                continue
            }
            watchers[stream]?.cursor = last.cursor
            watchers[stream]?.lastSent = now
            for start in stride(from: 0, to: fresh.count, by: Limits.Labels.changesPerReplyMax) {
                let page = Array(fresh[start..<min(start + Limits.Labels.changesPerReplyMax, fresh.count)])
                actions.append(
                    .bus(
                        .changes(
                            stream, epoch: epoch, cursor: page.last?.cursor ?? cursor, reset: false, page,
                            continues: true)))
            }
        }
    }

    private func eventView(_ event: AvatarEvent) -> AvatarView {
        if entries[event.name] != nil { return view(of: event.name, owner: nil) }
        let state: AvatarView.State =
            switch event.kind {
            case .removed: .absent
            case .failed: .failed
            case .ready, .changed, .uploaded, .icon: .ready
            }
        return AvatarView(name: event.name.string, state: state)
    }

    var watchDeadline: MonotonicTime? {
        watchers.values.lazy.filter { $0.heartbeat && $0.isLive }.map { $0.lastSent + Limits.Labels.heartbeatInterval }
            .min()
    }

    mutating func watchHeartbeats() {
        for stream in watcherOrder {
            guard let watcher = watchers[stream], watcher.heartbeat, watcher.isLive, let epoch,
                let cursor = watcher.cursor, watcher.lastSent + Limits.Labels.heartbeatInterval <= now
            else { continue }
            watchers[stream]?.lastSent = now
            actions.append(.bus(.changes(stream, epoch: epoch, cursor: cursor, reset: false, [], continues: true)))
        }
    }
}

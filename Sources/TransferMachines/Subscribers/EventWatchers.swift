internal import AvatarCore

/// The streams that follow the event log: first the log from their cursor on, page by page, then what happens.
struct EventWatchers: Sendable {
    private struct Watcher: Sendable {
        let heartbeat: Bool
        var lastSent: MonotonicTime
        /// The last cursor that the stream was told; nil until the first page came.
        var cursor: Int64?
        /// Whether the log has been told to its end.
        var isLive = false
    }

    private var watchers: [StreamID: Watcher] = [:]
    private var order: [StreamID] = []
    /// The event log's epoch, once a page of it was read.
    private var epoch: String?

    var isEmpty: Bool { order.isEmpty }

    mutating func add(_ stream: StreamID, heartbeat: Bool, now: MonotonicTime) {
        watchers[stream] = Watcher(heartbeat: heartbeat, lastSent: now)
        order.append(stream)
    }

    mutating func remove(_ stream: StreamID) {
        if watchers.removeValue(forKey: stream) != nil { order.removeAll { $0 == stream } }
    }

    /// A page of the log came; `views` are the pictures of its events as they are now.
    mutating func read(
        _ stream: StreamID, _ page: EventPage, views: [AvatarView], now: MonotonicTime
    ) -> [Subscribers.Action] {
        let changes = zip(page.events, views).map { AvatarChange(event: $0, avatar: $1) }
        let told = page.events.last?.cursor ?? page.cursor
        let isWatcher = watchers[stream] != nil
        let reply = Subscribers.Action.bus(
            .changes(stream, epoch: page.epoch, cursor: told, reset: page.reset, changes, continues: isWatcher))
        guard isWatcher else { return [reply] }
        watchers[stream]?.cursor = told
        watchers[stream]?.lastSent = now
        watchers[stream]?.isLive = told >= page.cursor
        epoch = page.epoch
        return told < page.cursor ? [reply, .disk(.readEvents(stream, since: told, epoch: page.epoch))] : [reply]
    }

    /// The catalog wrote events: whoever follows the log is told, each exactly once and in order.
    mutating func logged(_ changes: [AvatarChange], now: MonotonicTime) -> [Subscribers.Action] {
        var actions: [Subscribers.Action] = []
        for stream in order {
            guard let watcher = watchers[stream], watcher.isLive, let cursor = watcher.cursor, let epoch else {
                continue
            }
            let fresh = changes.filter { $0.cursor > cursor }
            guard let first = fresh.first, let last = fresh.last else { continue }
            guard first.cursor == cursor + 1 else {
                // An event in between was written and not reported, because what came behind it failed: the log has it.
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
        return actions
    }

    var deadline: MonotonicTime {
        watchers.values.lazy.filter { $0.heartbeat && $0.isLive }.map { $0.lastSent + Limits.Labels.heartbeatInterval }
            .min() ?? .never
    }

    mutating func heartbeats(now: MonotonicTime) -> [Subscribers.Action] {
        var actions: [Subscribers.Action] = []
        for stream in order {
            guard let watcher = watchers[stream], watcher.heartbeat, watcher.isLive, let epoch,
                let cursor = watcher.cursor, watcher.lastSent + Limits.Labels.heartbeatInterval <= now
            else { continue }
            watchers[stream]?.lastSent = now
            actions.append(.bus(.changes(stream, epoch: epoch, cursor: cursor, reset: false, [], continues: true)))
        }
        return actions
    }
}

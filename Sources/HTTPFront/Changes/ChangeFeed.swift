internal import AvatarCore
internal import Logging
internal import NIOCore
internal import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// Reads the change log once for all clients that follow it, and hands each change to those whom it concerns.
///
/// Reading begins with the first stream and ends with the last; a server that nobody follows reads nothing and sets no timer.
final class ChangeFeed: Sendable {
    private let service: AvatarService
    private let heartbeat: Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let (bells, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let (firsts, first) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    private struct State {
        /// Up to where the streams have been told; nil while there are none.
        var position: ChangeID?
        var followers = ChangeFollowers()
        var streams: [ChangeFollowers.StreamID: ChangeStream] = [:]
        var isListening = false
        var isEnded = false
    }

    /// A stream that has begun.
    struct Joined {
        let id: ChangeFollowers.StreamID
        let stream: ChangeStream
        /// Later changes come through the stream.
        let position: ChangeID
        /// How far the log reached then.
        let log: ChangeLogRange
    }

    init(_ service: AvatarService, heartbeat: Duration, logger: Logger) {
        self.service = service
        self.heartbeat = heartbeat
        self.logger = logger
    }

    /// Begins a stream of the changes of `users`. Errors: ``StoreError``, ``ChangeFollowers/Refusal``.
    func join(_ users: Set<UserID>, of owner: ChangeFollowers.Owner, _ stream: ChangeStream) async throws -> Joined {
        listen()
        let log = try await service.changeLog()
        let joined = try state.withLock { state in
            let id = try state.followers.add(users, of: owner)
            let position = state.position ?? ChangeID(epoch: log.epoch, cursor: log.newest)
            state.position = position
            state.streams[id] = stream
            return Joined(id: id, stream: stream, position: position, log: log)
        }
        if state.withLock({ $0.isEnded }) { stream.end() }
        first.yield()
        // What was changed before the position was set rang while nobody listened.
        bell.yield()
        return joined
    }

    /// The stream is over. Only the first call does something.
    func leave(_ id: ChangeFollowers.StreamID) {
        let stream = state.withLock { state in
            state.followers.remove(id)
            defer { if state.streams.isEmpty { state.position = nil } }
            return state.streams.removeValue(forKey: id)
        }
        stream?.end()
    }

    /// Ends all streams, and those that begin later at once.
    func end() {
        let streams = state.withLock { state in
            state.isEnded = true
            return Array(state.streams.values)
        }
        for stream in streams { stream.end() }
    }

    /// Tells the streams until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { [self] in
                for await _ in bells { await readAll() }
            }
            tasks.addTask { [self] in
                for await _ in firsts {
                    while !state.withLock({ $0.streams.isEmpty }) {
                        guard (try? await Task.sleep(for: heartbeat)) != nil else { return }
                        await beat()
                    }
                }
            }
        }
    }

    /// Has the store ring, from the first stream on.
    private func listen() {
        let isFirst = state.withLock { state in
            defer { state.isListening = true }
            return !state.isListening
        }
        if isFirst { service.onChange { [bell] in bell.yield() } }
    }
}

// The log.
extension ChangeFeed {
    /// Reads until the end of the log; after a failure once more a little later, since the bell does not ring twice for a change.
    private func readAll() async {
        do {
            while try await readPage() {}
        } catch {
            logger.debug("the change log cannot be read", metadata: ["cause": "\(error.cause)"])
            if (try? await Task.sleep(for: Limits.Changes.readAgainAfter)) != nil { bell.yield() }
        }
    }

    /// Returns whether there may be more.
    private func readPage() async throws(StoreError) -> Bool {
        guard let position = state.withLock({ $0.position }) else { return false }
        let log = try await service.changeLog()
        guard position.canGoOn(in: log) else {
            reset(to: ChangeID(epoch: log.epoch, cursor: log.newest))
            return false
        }
        guard position.cursor < log.newest else { return false }
        let page = try await service.changes(after: position.cursor, limit: Limits.Changes.pageMax)
        state.withLock { state in
            // All streams may have gone meanwhile, and others come.
            guard state.position == position, let last = page.last else { return }
            for change in page {
                let streams = state.followers.streams(following: change.user)
                guard !streams.isEmpty else { continue }
                let event = ByteBuffer(bytes: ChangeEvent.avatar(change, epoch: position.epoch))
                for id in streams { state.streams[id]?.offer(event) }
            }
            state.position = ChangeID(epoch: position.epoch, cursor: last.cursor)
        }
        return !page.isEmpty
    }

    private func reset(to id: ChangeID) {
        let event = ByteBuffer(bytes: ChangeEvent.reset(id))
        state.withLock { state in
            guard state.position != nil else { return }
            state.position = id
            for stream in state.streams.values { stream.offer(event) }
        }
    }
}

// Signs of life.
extension ChangeFeed {
    private func beat() async {
        await endRevoked()
        state.withLock { state in
            guard let position = state.position else { return }
            let piece = ByteBuffer(bytes: ChangeEvent.heartbeat(position))
            for stream in state.streams.values { stream.beat(piece) }
        }
    }

    /// Ends the streams of users whose token is another now. While the store does not answer, streams stay.
    private func endRevoked() async {
        let streams = state.withLock { Array($0.streams.values) }
        for (login, streams) in Dictionary(grouping: streams, by: \.login) {
            guard let login, let verdict = try? await service.checkToken(login.token.string, of: login.user) else {
                continue
            }
            if verdict != .valid { for stream in streams { stream.end() } }
        }
    }
}

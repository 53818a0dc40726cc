internal import AvatarCore
internal import HTTPFront
internal import NIOHTTP1
internal import ServerRuntime
internal import TransferMachines

/// Our server's streams of changes: who follows whom is the front's own decision, and its events are the front's own bytes.
final class SimChanges {
    private let world: World
    private let store: SimStore
    private let mutation: Mutation?
    private var random: SeededRandom
    private var followers = ChangeFollowers()
    private var streams: [Int: Stream] = [:]
    private var isRinging = false
    unowned var server: SimHTTPServer!

    private final class Stream {
        let exchange: SimHTTPServer.Exchange
        let users: Set<UserID>
        let login: Credentials?
        /// Up to where it was told.
        var position: ChangeID
        /// Whether what was missed has been told.
        var isReady = false

        init(_ exchange: SimHTTPServer.Exchange, _ users: Set<UserID>, _ login: Credentials?, _ position: ChangeID) {
            (self.exchange, self.users, self.login, self.position) = (exchange, users, login, position)
        }
    }

    init(world: World, store: SimStore, mutation: Mutation?) {
        (self.world, self.store, self.mutation) = (world, store, mutation)
        random = world.random(35)
        store.changed = { [self] in ring() }
    }

    func crash() { (followers, streams, isRinging) = (ChangeFollowers(), [:], false) }

    func end(on connection: SimHTTPServer.Connection) {
        for (_, stream) in streams.sorted(by: { $0.key < $1.key }) where stream.exchange.connection === connection {
            end(stream)
        }
    }

    private func end(_ stream: Stream) {
        stream.exchange.connection.link.send(SimWire.end(stream.exchange.stream), from: .server)
        server.end(stream.exchange)
    }

    // MARK: A stream

    func open(_ exchange: SimHTTPServer.Exchange, _ user: UserID, token: Credentials?, endsEarly: Bool) {
        guard var users = try? FollowedUsers.inBody(exchange.body) else { return server.refuse(exchange, 400, "whom?") }
        users.insert(user)
        guard let id = try? followers.add(users, of: .user(user)) else { return server.respond(exchange, 429) }
        let log = store.logRange
        let stream = Stream(exchange, users, token, ChangeID(epoch: log.epoch, cursor: log.newest))
        streams[id] = stream
        exchange.gone = { [self] in
            followers.remove(id)
            streams[id] = nil
        }
        server.sendHead(exchange, 200, ["Content-Type": "text/event-stream"], length: nil)
        send(ChangeEvent.comeBack(afterMilliseconds: 3000), on: stream)
        let missed = exchange.field("Last-Event-ID").map { ChangeID($0) }
        world.log("changes are followed from", exchange.field("Last-Event-ID") ?? "now", Int64(users.count))
        let position = stream.position
        server.later { [self] in
            guard let missed, mutation != .skipMissedChanges else { return ready(stream) }
            guard let missed, missed.canGoOn(in: log) || (mutation == .ignoreCutLog && missed.epoch == log.epoch) else {
                send(ChangeEvent.reset(position), on: stream)
                return ready(stream)
            }
            var cursor = missed.cursor
            if random.happens(server.manners.repeats) {
                cursor = max(log.oldest - 1, cursor - Int64(random.pick(1...3)))
            }
            tell(stream, after: cursor, through: position)
        }
        beat(stream)
        if endsEarly {
            world.schedule(in: random.upTo(.seconds(5))) { [self] in if !stream.exchange.isOver { end(stream) } }
        }
    }

    /// A few at a time, while others happen.
    private func tell(_ stream: Stream, after cursor: Int64, through end: ChangeID) {
        guard !stream.exchange.isOver else { return }
        let page = store.changes(after: cursor, limit: 2).filter { $0.cursor <= end.cursor }
        guard let last = page.last else { return ready(stream) }
        for change in page where stream.users.contains(change.user) {
            send(ChangeEvent.avatar(change, epoch: end.epoch), on: stream)
        }
        server.later { [self] in tell(stream, after: last.cursor, through: end) }
    }

    private func ready(_ stream: Stream) {
        guard !stream.exchange.isOver else { return }
        send(ChangeEvent.ready(stream.position), on: stream)
        stream.isReady = true
        ring()
    }

    private func send(_ bytes: [UInt8], on stream: Stream) {
        guard !stream.exchange.isOver else { return }
        stream.exchange.connection.link.send(SimWire.bytes(stream.exchange.stream, bytes), from: .server)
    }

    /// A sign of life every 30 seconds, until the token counts no more.
    private func beat(_ stream: Stream) {
        world.schedule(in: .seconds(30)) { [self] in
            guard !stream.exchange.isOver else { return }
            guard let login = stream.login, store.tokens[login.user] == login.token.string else { return end(stream) }
            if stream.isReady { send(ChangeEvent.heartbeat(stream.position), on: stream) }
            beat(stream)
        }
    }

    // MARK: The log

    /// Something was changed: the log is read a little later, once for all streams.
    private func ring() {
        guard !isRinging else { return }
        isRinging = true
        server.later { [self] in
            isRinging = false
            for (_, stream) in streams.sorted(by: { $0.key < $1.key }) where stream.isReady { tellNews(stream) }
        }
    }

    private func tellNews(_ stream: Stream) {
        let log = store.logRange
        guard stream.position.canGoOn(in: log) else {
            stream.position = ChangeID(epoch: log.epoch, cursor: log.newest)
            return send(ChangeEvent.reset(stream.position), on: stream)
        }
        for change in store.changes(after: stream.position.cursor, limit: .max) where stream.users.contains(change.user)
        {
            send(ChangeEvent.avatar(change, epoch: log.epoch), on: stream)
        }
        stream.position = ChangeID(epoch: log.epoch, cursor: log.newest)
    }
}

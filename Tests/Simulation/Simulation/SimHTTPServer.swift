internal import AvatarCore
internal import Foundation
internal import HTTPFront
internal import NIOCore
internal import NIOHTTP1
internal import PosixFiles
internal import TransferMachines

/// Our server's HTTP front as a process: what it reads and answers is decided by the front's own values, on the store that the classic server has.
final class SimHTTPServer {
    let world: World
    let store: SimStore
    let mutation: Mutation?
    var random: SeededRandom
    var manners = SimManners()
    var changes: SimChanges
    private var connections: [Int: Connection] = [:]
    private var lastConnection = 0
    private(set) var incarnation = 0
    private var limiter = LoginLimiter()
    private var wrongLogins = 0
    /// Uploads in pieces that somebody writes to.
    var written: Set<UploadID> = []
    /// How often each name was lied about: pauses after lies grow, and must end in peace.
    private var lies: [String: Int] = [:]

    /// What the oracles hear: bytes of a crop that came, where they begin, and the digest that was promised of the whole.
    var took: (ResourceKey, _ offset: Int, _ bytes: [UInt8], _ digest: SHA256Digest?) -> Void = { _, _, _, _ in }
    /// An upload in pieces begins, although there is an unfinished one of that name.
    var begins: (ResourceKey, SHA256Digest?, _ after: SimStore.Pieces, _ at: String) -> Void = { _, _, _, _ in }
    /// What is said of a picture is not so.
    var lied: (AvatarName) -> Void = { _ in }
    /// Who shows the right token has to wait for the wrong ones of before.
    var limitsRightLogin: () -> Void = {}
    /// A digest was promised.
    var promised: (SHA256Digest) -> Void = { _ in }
    /// The answer to an upload is lost with the connection, after the write was done.
    var loseReplyRate = 0.0

    final class Connection {
        let link: SimLink
        var frames = SimWire.Decoder()
        var exchanges: [SimWire.Stream: Exchange] = [:]
        var lastStream: SimWire.Stream = 0
        var isGoingAway = false
        init(_ link: SimLink) { self.link = link }
    }

    /// A request and its response.
    final class Exchange {
        let connection: Connection
        let stream: SimWire.Stream
        let method: String
        let path: String
        let fields: HTTPHeaders
        var body: [UInt8] = []
        var isWhole = false
        /// Whether the server has begun to work on it.
        var isBegun = false
        var isOver = false
        /// More of the body is there.
        var came: () -> Void = {}
        /// Nobody waits for the response any more.
        var gone: () -> Void = {}

        init(_ connection: Connection, _ stream: SimWire.Stream, _ line: String, _ fields: HTTPHeaders) {
            let words = line.split(separator: " ", maxSplits: 1)
            (self.connection, self.stream, self.fields) = (connection, stream, fields)
            (method, path) = (String(words.first ?? ""), String(words.last ?? ""))
        }

        func field(_ name: String) -> String? { fields.first(name: name) }
    }

    init(world: World, store: SimStore, mutation: Mutation?) {
        (self.world, self.store, self.mutation) = (world, store, mutation)
        random = world.random(33)
        changes = SimChanges(world: world, store: store, mutation: mutation)
        changes.server = self
    }

    // MARK: Life and death

    func crash() {
        incarnation += 1
        let old = connections.sorted { $0.key < $1.key }.map(\.value)
        connections = [:]
        for connection in old {
            connection.link.cut("the server died")
            end(connection)
        }
        written = []
        limiter = LoginLimiter()
        changes.crash()
    }

    func accept(_ link: SimLink) {
        lastConnection += 1
        let number = lastConnection
        let connection = Connection(link)
        connections[number] = connection
        let current = incarnation
        link.ends.server.received = { [self] bytes in
            guard incarnation == current else { return }
            connection.frames.append(bytes)
            while let frame = connection.frames.next() { take(frame, connection) }
        }
        link.ends.server.closed = { [self] _ in
            guard incarnation == current else { return }
            connections[number] = nil
            end(connection)
        }
    }

    private func end(_ connection: Connection) {
        for (_, exchange) in connection.exchanges.sorted(by: { $0.key < $1.key }) { end(exchange) }
    }

    func end(_ exchange: Exchange) {
        guard !exchange.isOver else { return }
        exchange.isOver = true
        exchange.connection.exchanges[exchange.stream] = nil
        let gone = exchange.gone
        (exchange.came, exchange.gone) = ({}, {})
        gone()
        closeIfDone(exchange.connection)
    }

    /// Sends the clients away: what it has begun is answered, the rest is refused.
    func goAway() {
        world.log("the server sends its clients away")
        for (_, connection) in connections.sorted(by: { $0.key < $1.key }) where !connection.isGoingAway {
            connection.isGoingAway = true
            let waiting = connection.exchanges.values.filter { !$0.isBegun || !$0.isWhole }.map(\.stream).min()
            let last = waiting.map { $0 - 1 } ?? connection.lastStream
            let refused = connection.exchanges.filter { $0.key > last }
            connection.link.send(SimWire.goAway(last: last), from: .server)
            for (_, exchange) in refused.sorted(by: { $0.key < $1.key }) { end(exchange) }
            changes.end(on: connection)
            closeIfDone(connection)
        }
    }

    private func closeIfDone(_ connection: Connection) {
        if connection.isGoingAway, connection.exchanges.isEmpty { connection.link.close(by: .server) }
    }

    // MARK: Requests

    private func take(_ frame: SimWire.Frame, _ connection: Connection) {
        switch frame {
        case .head(let stream, let line, let fields):
            connection.lastStream = max(connection.lastStream, stream)
            guard !connection.isGoingAway else { return }
            let exchange = Exchange(connection, stream, line, fields)
            connection.exchanges[stream] = exchange
            later { [self] in
                guard !exchange.isOver else { return }
                exchange.isBegun = true
                begin(exchange)
            }
        case .bytes(let stream, let bytes):
            guard let exchange = connection.exchanges[stream] else { return }
            exchange.body += bytes.readableBytesView
            exchange.came()
        case .end(let stream):
            guard let exchange = connection.exchanges[stream] else { return }
            exchange.isWhole = true
            exchange.came()
        case .reset(let stream): if let exchange = connection.exchanges[stream] { end(exchange) }
        case .goAway: break
        }
    }

    func later(_ body: @escaping () -> Void) {
        let current = incarnation
        world.schedule(in: .microseconds(10) + random.upTo(.microseconds(200))) { [self] in
            if incarnation == current { body() }
        }
    }

    private func begin(_ exchange: Exchange) {
        guard let route = try? Route(exchange.path) else { return refuse(exchange, 404, "no resource has this path") }
        if case .me = route, random.happens(manners.mutes) {
            return world.log("the server does not answer the greeting")
        }
        if random.happens(manners.busy) { return putOff(exchange) }
        guard let user = login(exchange) else { return }
        switch (route, exchange.method) {
        case (.me, _): respond(exchange, 200, body: Array("{\"user\":\(user),\"version\":\"0\"}".utf8))
        case (.name(let name), "GET"): show(name, for: user, exchange)
        case (.avatar(let owner), "HEAD"):
            guard let name = store.icons[owner] else { return refuse(exchange, 404, "not found") }
            show(ResourceKey(owner: owner, name: name), exchange)
        case (.file(user, let name), "PUT"): put(ResourceKey(owner: user, name: name), exchange)
        case (.uploads(user), "POST"): create(user, exchange)
        case (.upload(user, let id, let metadata), "HEAD"): tell(id, metadata, exchange)
        case (.upload(user, let id, let metadata), "PATCH"): goOn(id, metadata, exchange)
        case (.changes, "POST"):
            whenWhole(exchange) { [self] in
                changes.open(exchange, user, token: token(exchange), endsEarly: random.happens(manners.endings))
            }
        default: refuse(exchange, 405, "not that way")
        }
    }

    func whenWhole(_ exchange: Exchange, _ body: @escaping () -> Void) {
        if exchange.isWhole { return body() }
        exchange.came = {
            guard exchange.isWhole else { return }
            exchange.came = {}
            body()
        }
    }

    private func putOff(_ exchange: Exchange) {
        let says = random.happens(0.7) ? ["Retry-After": "\(random.pick(0...4))"] : [:]
        world.log("the server puts off", exchange.path)
        respond(exchange, random.happens(0.5) ? 429 : 503, HTTPHeaders(says.map { ($0.key, $0.value) }))
    }

    private func token(_ exchange: Exchange) -> Credentials? {
        exchange.field("Authorization").flatMap { Credentials(authorization: $0) }
    }

    private func login(_ exchange: Exchange) -> UserID? {
        guard let credentials = token(exchange) else {
            refuse(exchange, 401, "log in")
            return nil
        }
        let keys = LoginLimiter.keys(address: "agent", user: credentials.user)
        if let wait = limiter.wait(keys, now: world.now) {
            if store.tokens[credentials.user] == credentials.token.string { limitsRightLogin() }
            respond(exchange, 429, ["Retry-After": "\(max(1, wait.components.seconds))"])
            return nil
        }
        guard store.tokens[credentials.user] == credentials.token.string else {
            limiter.failed(keys, counted(credentials), now: world.now)
            refuse(exchange, 401, "no user has this id with this token")
            return nil
        }
        return credentials.user
    }

    /// What a wrong login is counted as.
    private func counted(_ login: Credentials) -> Credentials {
        guard mutation == .countEveryLogin else { return login }
        wrongLogins += 1
        let text = Data("\(login.user):\(login.token) \(wrongLogins)".utf8).base64EncodedString()
        return Credentials(authorization: "Basic \(text)") ?? login
    }

    // MARK: Responses

    func refuse(_ exchange: Exchange, _ status: Int, _ detail: String) {
        respond(exchange, status, body: Array("{\"title\":\"No\",\"detail\":\"\(detail)\"}".utf8))
    }

    func respond(_ exchange: Exchange, _ status: Int, _ fields: HTTPHeaders = [:], body: [UInt8] = []) {
        sendHead(exchange, status, fields, length: body.count)
        sendBody(exchange, exchange.method == "HEAD" ? [] : body[...])
    }

    func sendHead(_ exchange: Exchange, _ status: Int, _ fields: HTTPHeaders, length: Int?) {
        guard !exchange.isOver else { return }
        var fields = fields
        if let length { fields.add(name: "Content-Length", value: "\(length)") }
        exchange.connection.link.send(SimWire.head(exchange.stream, "\(status)", fields), from: .server)
    }

    /// Piece by piece, so that responses come side by side.
    private func sendBody(_ exchange: Exchange, _ body: ArraySlice<UInt8>) {
        guard !exchange.isOver else { return }
        guard !body.isEmpty else {
            exchange.connection.link.send(SimWire.end(exchange.stream), from: .server)
            return end(exchange)
        }
        let piece = body.prefix(random.pick(1...max(1, min(body.count, 600))))
        exchange.connection.link.send(SimWire.bytes(exchange.stream, piece), from: .server)
        later { [self] in sendBody(exchange, body.dropFirst(piece.count)) }
    }

    /// A picture, or a part of it, of which perhaps only a half comes.
    func sendPicture(_ exchange: Exchange, _ status: Int, _ fields: HTTPHeaders, _ bytes: ArraySlice<UInt8>) {
        sendHead(exchange, status, fields, length: bytes.count)
        guard exchange.method == "GET", bytes.count > 1, random.happens(manners.halves) else {
            return sendBody(exchange, exchange.method == "HEAD" ? [] : bytes)
        }
        world.log("a half of a response is sent", exchange.path)
        exchange.connection.link.send(
            SimWire.bytes(exchange.stream, bytes.prefix(random.pick(1...bytes.count - 1))), from: .server)
        switch random.pick(0...2) {
        case 0: exchange.connection.link.cut("half of a response")
        case 1: exchange.connection.link.send(SimWire.reset(exchange.stream), from: .server)
        default: exchange.connection.link.send(SimWire.end(exchange.stream), from: .server)
        }
        end(exchange)
    }

    /// Whether the server says what is not so of the picture now.
    func lies(_ rate: Double, about name: AvatarName) -> Bool {
        guard random.happens(rate), lies[name.string, default: 0] < 2 else { return false }
        lies[name.string, default: 0] += 1
        lied(name)
        return true
    }
}

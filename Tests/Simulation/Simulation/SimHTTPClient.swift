internal import AgentRuntime
internal import AvatarCore
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import TransferMachines

/// What the agent takes for one connection to a server that speaks HTTP, as `HTTPConnection` and the library below it are one: the library opens
/// connections as it needs them, and the first request that fails otherwise than by an answer ends all of it.
final class SimHTTPClient {
    private let world: World
    private var random: SeededRandom
    private let url: ServerURL
    private let login: (uid: UserID, token: String)
    private let connect: () -> SimAgent.Connecting
    private let mutation: Mutation?
    private var wire: Wire?
    private var lastStream: SimWire.Stream = 0
    private var calls: [SimWire.Stream: Call] = [:]
    private var streams: [HTTPCallID: SimWire.Stream] = [:]
    private var isOpened = false
    private var isClosed = false

    var opened: ([ServerReply.Kind]) -> Void = { _ in }
    var replied: ([ServerReply.Kind]) -> Void = { _ in }
    var closed: (_ cause: String) -> Void = { _ in }
    /// The server wants to be asked for pictures later.
    var putOff: (Duration) -> Void = { _ in }
    /// The answer to a request will not come.
    var lost: (HTTPCall) -> Void = { _ in }

    /// One connection of the library's.
    private final class Wire {
        let link: SimLink
        var frames = SimWire.Decoder()
        var isGoingAway = false
        init(_ link: SimLink) { self.link = link }
    }

    private struct Call {
        /// Nil for a greeting.
        let id: HTTPCallID?
        let call: HTTPCall?
        let wire: Wire
        var head: HTTPHead?
        var words: [UInt8] = []
        /// What the server said, whatever a mutation makes of it.
        var retryAfter: Duration?
        var changes = ChangeDecoder()
    }

    init?(
        world: World, random: SeededRandom, login: (UserID, String), mutation: Mutation?,
        connect: @escaping () -> SimAgent.Connecting
    ) {
        guard let url = try? ServerURL(SimAgent.url) else { return nil }
        self.mutation = mutation
        (self.world, self.random, self.url, self.login, self.connect) = (world, random, url, login, connect)
    }

    /// The connection on which requests go now.
    var link: SimLink? { wire?.link }

    /// Begins, with the question who the login is.
    func start() {
        world.schedule(in: random.upTo(.milliseconds(5))) { [self] in if !isClosed { greet() } }
    }

    // MARK: Out

    func greet() { begin(nil, nil, HTTPMapping.greeting(url)) }

    func send(_ request: ServerRequest) {
        switch request {
        case .http(let id, let call): begin(id, call, HTTPMapping.message(for: call, uid: login.uid, at: url))
        case .body(let id, _, let bytes, let isLast):
            guard let stream = streams[id], let wire = calls[stream]?.wire else { return }
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(random.pick(1...4000))
                wire.link.send(SimWire.bytes(stream, piece), from: .agent)
                rest = rest.dropFirst(piece.count)
            }
            if isLast { wire.link.send(SimWire.end(stream), from: .agent) }
            world.schedule(in: random.upTo(.milliseconds(1))) { [self] in
                guard calls[stream] != nil, !isClosed else { return }
                replied([.http(id, .sent(bytes: Int64(bytes.count)))])
                if isLast, mutation == .answerUploadsEarly, case .put? = calls[stream]?.call {
                    (calls[stream], streams[id]) = (nil, nil)
                    replied([.http(id, .head(HTTPHead(status: 201)))])
                }
            }
        case .cancel(let id):
            guard let stream = streams.removeValue(forKey: id), let call = calls.removeValue(forKey: stream) else {
                return
            }
            if let call = call.call { lost(call) }
            call.wire.link.send(SimWire.reset(stream), from: .agent)
        case .download, .upload, .askProgress: break
        }
    }

    private func begin(_ id: HTTPCallID?, _ call: HTTPCall?, _ message: HTTPMapping.Message) {
        guard !isClosed, let wire = openWire() else { return }
        lastStream += 1
        let stream = lastStream
        calls[stream] = Call(id: id, call: call, wire: wire)
        if let id { streams[id] = stream }
        var fields = message.fields
        let basic = Data("\(login.uid):\(login.token)".utf8).base64EncodedString()
        fields.add(name: "Authorization", value: "Basic \(basic)")
        if let count = message.bodyBytes ?? message.body.map({ Int64($0.count) }) {
            fields.add(name: "Content-Length", value: "\(count)")
        }
        wire.link.send(SimWire.head(stream, "\(message.method.rawValue) \(message.path)", fields), from: .agent)
        if let body = message.body, !body.isEmpty { wire.link.send(SimWire.bytes(stream, body), from: .agent) }
        if message.bodyBytes == nil { wire.link.send(SimWire.end(stream), from: .agent) }
    }

    private func openWire() -> Wire? {
        if let wire, !wire.isGoingAway, wire.link.isOpen { return wire }
        let link: SimLink
        switch connect() {
        case .link(let opened): link = opened
        case .refused(let cause): return fail(after: random.upTo(.milliseconds(20)), cause)
        case .silent: return fail(after: Limits.Connection.connectTimeout, "no answer")
        }
        let wire = Wire(link)
        self.wire = wire
        link.ends.agent.received = { [self] bytes in
            wire.frames.append(bytes)
            while !isClosed, let frame = wire.frames.next() { take(frame, wire) }
        }
        link.ends.agent.closed = { [self] cause in
            // One on which nothing was asked goes unnoticed.
            if calls.values.contains(where: { $0.wire === wire }) { end(cause) }
        }
        return wire
    }

    private func fail(after delay: Duration, _ cause: String) -> Wire? {
        world.schedule(in: delay) { [self] in end(cause) }
        return nil
    }

    // MARK: In

    private func take(_ frame: SimWire.Frame, _ wire: Wire) {
        switch frame {
        case .head(let stream, let line, let fields): headCame(line, fields, stream)
        case .bytes(let stream, let bytes): bytesCame(Array(bytes.readableBytesView), stream)
        case .end(let stream): ended(stream)
        case .reset(let stream): if calls[stream] != nil { end("the server gave the request up") }
        case .goAway(let last):
            wire.isGoingAway = true
            if calls.contains(where: { $0.key > last && $0.value.wire === wire }) { end("the server goes away") }
        }
    }

    /// An error's head waits for its words.
    private func headCame(_ line: String, _ fields: HTTPHeaders, _ stream: SimWire.Stream) {
        guard let call = calls[stream], let status = Int(line) else { return }
        var head = HTTPMapping.head(
            HTTPResponseHead(version: .http2, status: .init(statusCode: status), headers: fields), at: url)
        calls[stream]?.retryAfter = head.retryAfter
        mutate(&head, call)
        calls[stream]?.head = head
        if head.status < 400, call.id != nil || head.status != 200 { tell(head, call, stream) }
    }

    private func tell(_ head: HTTPHead, _ call: Call, _ stream: SimWire.Stream) {
        if let id = call.id {
            let isPutOff = head.status == 429 || head.status == 503
            if isPutOff, case .picture? = call.call, let time = call.retryAfter { putOff(time) }
            return replied([.http(id, .head(head))])
        }
        calls[stream] = nil
        guard !isOpened else { return replied([.greeting(head)]) }
        if head.status >= 500 { return end("the server answers \(head.words)") }
        isOpened = true
        opened([.greeting(head)])
    }

    private func bytesCame(_ bytes: [UInt8], _ stream: SimWire.Stream) {
        guard let head = calls[stream]?.head else { return }
        guard let id = calls[stream]?.id, head.status < 400 else {
            calls[stream]?.words += bytes
            return
        }
        if id.purpose == .changes, head.status == 200 {
            let changes = (calls[stream]?.changes.decode(bytes) ?? []).compactMap { mutated($0) }
            if !changes.isEmpty { replied(changes.map { .http(id, .change($0)) }) }
        } else if id.purpose == .picture {
            replied([.http(id, .bytes(bytes))])
        }
    }

    private func mutate(_ head: inout HTTPHead, _ call: Call) {
        if mutation == .ignoreRetryAfter { head.retryAfter = nil }
        if mutation == .forgetPlaces, case .askOffset? = call.call { head.status = 404 }
        if mutation == .takeWholesForRests, head.status == 200, case .picture(_, let from, let tag, _)? = call.call,
            from > 0,
            let size = head.length, from < size
        {
            (head.status, head.range, head.totalSize, head.tag) = (206, from..<size, size, tag)
        }
    }

    private func mutated(_ change: ServerChange) -> ServerChange? {
        switch change.kind {
        case .avatar where mutation == .ignoreChanges: ServerChange(.alive, position: change.position)
        case .reset where mutation == .ignoreResets: nil
        default: change
        }
    }

    private func ended(_ stream: SimWire.Stream) {
        guard let call = calls[stream], var head = call.head else { return }
        if head.status >= 400 {
            (head.detail, head.reason) = HTTPMapping.problem(call.words)
            tell(head, call, stream)
        } else if call.id == nil, head.status == 200 {
            tell(head, call, stream)
        }
        guard !isClosed, let id = call.id, calls[stream] != nil else { return }
        calls[stream] = nil
        streams[id] = nil
        replied([.http(id, .end)])
    }

    // MARK: The end

    private func end(_ cause: String) {
        guard !isClosed else { return }
        close()
        closed(cause)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        let links = calls.sorted { $0.key < $1.key }.map(\.value.wire.link) + [wire?.link].compactMap(\.self)
        for (_, call) in calls.sorted(by: { $0.key < $1.key }) { if let call = call.call { lost(call) } }
        (calls, streams, wire) = ([:], [:], nil)
        for link in links { link.close(by: .agent) }
    }
}

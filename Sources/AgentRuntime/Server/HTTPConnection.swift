internal import AsyncHTTPClient
internal import AvatarCore
internal import Foundation
internal import LabelBus
internal import NIOCore
internal import NIOHTTP1
internal import NIOSSL
internal import Synchronization
internal import TransferMachines

/// What the agent takes for one connection to a server that speaks HTTP: requests out, responses in, nothing decided.
///
/// The library keeps the connections of the kernel, one of HTTP/2 or a few of HTTP/1.1. The first answer to the greeting opens this one; the
/// first request that fails otherwise than by an answer closes it, and with it every other request.
final class HTTPConnection: ServerLink {
    private let loop: any EventLoop
    private let url: ServerURL
    private let account: Account
    private let disk: DiskThread
    private let events: LinkEvents
    private let client: HTTPClient?
    private let proxy: HostPort?
    private let seen = TLSSeen()
    private var told = ServerFacts()
    /// Whether the certificate of a server that is not trusted is being looked at.
    private var isLooking = false
    private var calls: [HTTPCallID: HTTPExchange] = [:]
    private var greetings: [ObjectIdentifier: HTTPExchange] = [:]
    private var isOpened = false
    private var closed: EventLoopFuture<Void>?
    /// What came and was not told yet: what the kernel has at once, of many responses, is told together.
    private var untold: [ServerReply.Kind] = []
    private var untoldBytes = 0
    /// Bytes that came and that the disk has not taken.
    private var unwritten = 0
    private var waiters: [EventLoopPromise<Void>] = []

    /// Begins to connect; one of `opened` or `closed` follows, and `closed` at most once in the end.
    init(
        _ url: ServerURL, _ account: Account, on loop: any EventLoop, disk: DiskThread, proxy: HostPort?,
        events: LinkEvents
    ) {
        (self.url, self.account, self.loop, self.disk, self.events) = (url, account, loop, disk, events)
        self.proxy = proxy
        do {
            let configuration = try HTTPClient.Configuration(account.server, proxy: proxy, seen: seen)
            client = HTTPClient(eventLoopGroupProvider: .shared(loop), configuration: configuration)
            greet()
        } catch {
            client = nil
            let words = "\(url): \(ServerWords.words(for: error))"
            let link = NIOLoopBound(self, eventLoop: loop)
            // Whoever makes the connection has it only after this.
            loop.execute { link.value.end(words) }
        }
    }

    // MARK: Out

    func send(_ request: ServerRequest) {
        switch request {
        case .http(let id, let call):
            let exchange = HTTPExchange(HTTPMapping.message(for: call, uid: account.uid, at: url))
            put(exchange, id)
            execute(exchange, id)
        case .body(let id, _, let bytes, let isLast):
            calls[id]?.body?.write(bytes, isLast: isLast)
        case .cancel(let id): calls.removeValue(forKey: id)?.cancel()
        case .download, .upload, .askProgress: break
        }
    }

    func ask(_ question: ServerQuestion) { greet() }

    func flush() {}

    var facts: ServerFacts {
        var facts = told
        (facts.tls, facts.certificate) = seen.facts
        return facts
    }

    /// Asks who the login is: every server that speaks HTTP answers somehow.
    private func greet() {
        let exchange = HTTPExchange(HTTPMapping.greeting(url))
        put(exchange, nil)
        execute(exchange, nil)
    }

    private func execute(_ exchange: HTTPExchange, _ id: HTTPCallID?) {
        guard let client, closed == nil else { return }
        let (message, bound) = (exchange.message, NIOLoopBound(self, eventLoop: loop))
        do {
            var fields = message.fields
            fields.add(name: "Authorization", value: account.basic)
            fields.add(name: "User-Agent", value: "avatard/\(Version.current)")
            fields.add(name: "Accept-Encoding", value: "identity")
            let atHand = message.body.map { HTTPClient.Body.bytes($0) }
            let body =
                atHand
                ?? message.bodyBytes.map { count in
                    let writer = BodyWriter(bytes: count, on: loop) { sent in
                        if let id { bound.value.deliver([.http(id, .sent(bytes: Int64(sent)))], of: exchange, id) }
                    }
                    exchange.body = writer
                    return writer.body
                }
            let request = try HTTPClient.Request(
                url: "\(url.isSecure ? "https" : "http")://\(url.authority)\(message.path)", method: message.method,
                headers: fields, body: body)
            let delegate = HTTPDelegate(exchange, id, bound)
            exchange.task = client.execute(
                request: request, delegate: delegate, eventLoop: .delegateAndChannel(on: loop))
        } catch {
            let words = "\(url): \(ServerWords.words(for: error))"
            loop.execute { bound.value.end(words) }
        }
    }

    // MARK: In

    /// The head of a response. An error's waits for its words.
    func headCame(_ head: HTTPResponseHead, of exchange: HTTPExchange, _ id: HTTPCallID?) {
        guard isCurrent(exchange, id) else { return }
        let read = HTTPMapping.head(head, at: url)
        if let next = exchange.redirected(by: read) {
            put(next, id, instead: exchange)
            exchange.cancel()
            return execute(next, id)
        }
        exchange.head = read
        if id == nil {
            told.date = head.headers.first(name: "Date").flatMap(ServerFacts.date)
            told.version = head.headers.first(name: "Server").map(HTTPMapping.shown)
        }
        // A greeting that was taken is told with its body, which may have the version.
        if read.status < 400, id != nil || read.status != 200 { tell(read, of: exchange, id) }
    }

    private func put(_ exchange: HTTPExchange, _ id: HTTPCallID?, instead old: HTTPExchange? = nil) {
        if let id {
            calls[id] = exchange
            return
        }
        if let old { greetings[ObjectIdentifier(old)] = nil }
        greetings[ObjectIdentifier(exchange)] = exchange
    }

    private func tell(_ head: HTTPHead, of exchange: HTTPExchange, _ id: HTTPCallID?) {
        guard let id else { return greeted(head, exchange) }
        deliver([.http(id, .head(head))], of: exchange, id)
    }

    private func greeted(_ head: HTTPHead, _ exchange: HTTPExchange) {
        greetings[ObjectIdentifier(exchange)] = nil
        if !isOpened {
            if head.status >= 500 { return end("\(url) answers \(head.words)") }
            isOpened = true
            return events.opened([.greeting(head)])
        }
        tellSoon([.greeting(head)])
    }

    /// Bytes of a response; the next ones are read when the future is done.
    func bytesCame(_ buffer: ByteBuffer, of exchange: HTTPExchange, _ id: HTTPCallID?) -> EventLoopFuture<Void> {
        let ready = loop.makeSucceededVoidFuture()
        guard isCurrent(exchange, id), let head = exchange.head else { return ready }
        let bytes = Array(buffer.readableBytesView)
        guard let id, head.status < 400 else {
            exchange.words += bytes.prefix(Limits.HTTPWay.problemBytesMax - exchange.words.count)
            return ready
        }
        if id.purpose == .changes, head.status == 200 {
            guard let changes = exchange.changes.decode(bytes) else {
                end("\(url) sends events that are longer than any")
                return ready
            }
            deliver(changes.map { .http(id, .change($0)) }, of: exchange, id)
            return ready
        }
        guard id.purpose == .picture else { return ready }
        deliver([.http(id, .bytes(bytes))], of: exchange, id)
        unwritten += bytes.count
        untoldBytes += bytes.count
        guard unwritten > Limits.HTTPWay.unwrittenBytesMax else { return ready }
        let promise = loop.makePromise(of: Void.self)
        waiters.append(promise)
        return promise.futureResult
    }

    private func written(_ count: Int) {
        unwritten -= count
        guard unwritten <= Limits.HTTPWay.unwrittenBytesMax else { return }
        let due = waiters
        waiters = []
        for promise in due { promise.succeed() }
    }

    func ended(_ exchange: HTTPExchange, _ id: HTTPCallID?) {
        guard isCurrent(exchange, id), var head = exchange.head else { return }
        if head.status >= 400 {
            (head.detail, head.reason) = HTTPMapping.problem(exchange.words)
            tell(head, of: exchange, id)
        } else if id == nil, head.status == 200 {
            if let version = ServerFacts.version(in: exchange.words) { told.version = version }
            tell(head, of: exchange, id)
        }
        guard let id, isCurrent(exchange, id) else { return }
        deliver([.http(id, .end)], of: exchange, id)
        calls[id] = nil
    }

    func failed(_ exchange: HTTPExchange, _ id: HTTPCallID?, _ error: any Error) {
        guard isCurrent(exchange, id), !isLooking else { return }
        guard ServerWords.isUntrusted(error) else { return end("\(url): \(ServerWords.words(for: error))") }
        // The library says no more than that: what is wrong with the certificate stands in it.
        isLooking = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        CertificateLook.look(at: account.server, proxy: proxy, on: loop).whenComplete { result in
            switch result {
            case .success(let fault): bound.value.end("\(bound.value.url): \(fault.words)")
            case .failure: bound.value.end("\(bound.value.url): \(ServerWords.words(for: error))")
            }
        }
    }

    private func isCurrent(_ exchange: HTTPExchange, _ id: HTTPCallID?) -> Bool {
        guard closed == nil else { return false }
        return id.map { calls[$0] === exchange } ?? (greetings[ObjectIdentifier(exchange)] != nil)
    }

    private func deliver(_ replies: [ServerReply.Kind], of exchange: HTTPExchange, _ id: HTTPCallID) {
        guard !replies.isEmpty, isCurrent(exchange, id) else { return }
        tellSoon(replies)
    }

    private func tellSoon(_ replies: [ServerReply.Kind]) {
        let isFirst = untold.isEmpty
        untold += replies
        guard isFirst else { return }
        let link = NIOLoopBound(self, eventLoop: loop)
        loop.execute { link.value.tell() }
    }

    private func tell() {
        guard !untold.isEmpty, closed == nil else { return }
        let (replies, count) = (untold, untoldBytes)
        (untold, untoldBytes) = ([], 0)
        events.replied(replies)
        guard count > 0 else { return }
        let link = NIOLoopBound(self, eventLoop: loop)
        // The bytes were handed to the disk before this.
        disk.submit([.afterWriting { [loop] in loop.execute { link.value.written(count) } }])
    }

    // MARK: The end

    private func end(_ cause: String) {
        tell()
        guard closed == nil else { return }
        close()
        events.closed(cause)
    }

    @discardableResult
    func close() -> EventLoopFuture<Void> {
        if let closed { return closed }
        let done = loop.makePromise(of: Void.self)
        closed = done.futureResult
        for exchange in Array(calls.values) + Array(greetings.values) { exchange.cancel() }
        (calls, greetings) = ([:], [:])
        for promise in waiters { promise.succeed() }
        waiters = []
        if let client {
            client.shutdown { _ in done.succeed() }
        } else {
            done.succeed()
        }
        return done.futureResult
    }
}

/// Hands what the library says of one request to its connection. All of it happens on the connection's loop.
private final class HTTPDelegate: HTTPClientResponseDelegate {
    typealias Response = Void

    private let exchange: NIOLoopBound<HTTPExchange>
    private let id: HTTPCallID?
    private let connection: NIOLoopBound<HTTPConnection>

    init(_ exchange: HTTPExchange, _ id: HTTPCallID?, _ connection: NIOLoopBound<HTTPConnection>) {
        self.exchange = NIOLoopBound(exchange, eventLoop: connection.eventLoop)
        (self.id, self.connection) = (id, connection)
    }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        connection.value.headCame(head, of: exchange.value, id)
        return connection.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        connection.value.bytesCame(buffer, of: exchange.value, id)
    }

    func didReceiveError(task: HTTPClient.Task<Void>, _ error: any Error) {
        connection.value.failed(exchange.value, id, error)
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {
        connection.value.ended(exchange.value, id)
    }
}

extension Account {
    /// The value of `Authorization` (RFC 7617).
    fileprivate var basic: String { "Basic " + Data("\(uid):\(token)".utf8).base64EncodedString() }
}

extension HTTPClient.Configuration {
    /// How a server is reached; `seen` is told how each connection is encrypted. Throws where the configured certificates cannot be read.
    fileprivate init(_ server: ServerAddress, proxy: HostPort?, seen: TLSSeen) throws {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = server.manners.caFile {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
            } catch {
                throw AuthoritiesFault(file: file)
            }
        }
        let pin = server.manners.pin
        if pin != nil { tls.certificateVerification = .none }
        self.init(tlsConfiguration: tls, redirectConfiguration: .disallow)
        connectionPool.idleTimeout = .seconds(3600)
        reach(proxy)
        guard server.url?.isSecure ?? false else { return }
        // Before a request is sent on it, and with it the login.
        inspect { certificate, version in
            if let pin {
                guard let certificate else { throw PinFault(found: nil) }
                let found = try certificate.publicKeyDigest()
                guard found == pin else { throw PinFault(found: found) }
            }
            seen.take(version, pin == nil ? certificate : nil)
        }
    }

    /// How long to wait for a connection, and through which proxy.
    mutating func reach(_ proxy: HostPort?) {
        timeout = HTTPClient.Configuration.Timeout(
            connect: .nanoseconds(Limits.Connection.connectTimeout.wholeNanoseconds))
        // A try that fails is told, and tried again by whoever decides.
        connectionPool.retryConnectionEstablishment = false
        if let proxy { self.proxy = .server(host: proxy.host, port: proxy.port ?? 3128) }
    }

    /// Has each connection looked at when it is encrypted, before a request goes out on it; the connection ends with what `look` throws.
    mutating func inspect(_ look: @escaping @Sendable (NIOSSLCertificate?, TLSVersion?) throws -> Void) {
        let check: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            channel.nioSSL_peerCertificate().and(channel.nioSSL_tlsVersion()).flatMapThrowing { try look($0, $1) }
        }
        (http1_1ConnectionDebugInitializer, http2ConnectionDebugInitializer) = (check, check)
    }
}

/// How the newest connection to a server is encrypted.
private final class TLSSeen: Sendable {
    private let state = Mutex<(version: String?, certificate: LabelBus.Certificate?)>((nil, nil))

    var facts: (String?, LabelBus.Certificate?) { state.withLock { ($0.version, $0.certificate) } }

    func take(_ version: TLSVersion?, _ certificate: NIOSSLCertificate?) {
        let facts = (version?.words, certificate.map { LabelBus.Certificate($0) })
        state.withLock { $0 = facts }
    }
}

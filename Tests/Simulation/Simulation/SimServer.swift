internal import AvatarCore
internal import NIOCore
internal import TransferMachines
internal import WireProtocol

/// The resource server as a process: ours, on its own machines; or one that behaves as the seed's does on the wire.
final class SimServer {
    enum Kind { case ours, seed }

    let world: World
    let kind: Kind
    private let mutation: Mutation?
    let store = SimStore()
    /// The same server's HTTP front.
    let front: SimHTTPServer
    private var reservations = QuotaReservations()
    private var random: SeededRandom
    private var order = ResourceOrder()
    private var waiting: [ResourceOrder.Job: Job] = [:]
    private var lastJob: ResourceOrder.Job = 0
    private var connections: [Int: Connection] = [:]
    private var lastConnection = 0
    private var incarnation = 0
    /// The largest chunk that ours serves to an agent that asks for large ones, and that it says it takes; another one after each restart.
    private var chunkBytes: Int64 = 0
    private(set) var isUp = true
    var uploads: (UploadChunk, _ isAcknowledged: Bool) -> Void = { _, _ in }
    /// Tells how many requests of one connection are held.
    var held: (Int) -> Void = { _ in }
    /// The reply to an upload's chunk is dropped after the write was done, with the connection, at this rate; another's at a tenth of it.
    var loseReplyRate = 0.0 { didSet { front.loseReplyRate = loseReplyRate } }

    struct Job: Sendable {
        let connection: Int
        let ticket: ServerSession.Ticket
        let request: ClassicRequest
    }

    private final class Connection {
        let link: SimLink
        var session: ServerSession
        var frames = FrameBytes()
        var replies: [ServerSession.Ticket: ByteBuffer] = [:]
        /// Users and tokens that the store has ever confirmed on this connection: what a mutation goes by.
        var confirmed: Set<String> = []

        init(link: SimLink, now: MonotonicTime) {
            self.link = link
            session = ServerSession(now: now)
        }
    }

    init(world: World, kind: Kind, mutation: Mutation?) {
        self.world = world
        self.kind = kind
        self.mutation = mutation
        random = world.random(31)
        front = SimHTTPServer(world: world, store: store, mutation: mutation)
        chunkBytes = Self.chunkBytes(&random)
    }

    private static func chunkBytes(_ random: inout SeededRandom) -> Int64 {
        Int64(Life.chunkBytes << random.pick(0...4))
    }

    // MARK: Life and death

    func crash() {
        guard isUp else { return }
        world.log("the server dies")
        isUp = false
        incarnation += 1
        for number in connections.keys.sorted() { connections[number]?.link.cut("the server died") }
        connections = [:]
        reservations = QuotaReservations()
        order = ResourceOrder()
        waiting = [:]
        front.crash()
    }

    func restart() {
        guard !isUp else { return }
        world.log("the server is back")
        isUp = true
        chunkBytes = Self.chunkBytes(&random)
    }

    func accept(_ link: SimLink) {
        lastConnection += 1
        let number = lastConnection
        let current = incarnation
        connections[number] = Connection(link: link, now: world.now)
        link.ends.server.received = { [self] bytes in
            guard incarnation == current, let connection = connections[number] else { return }
            connection.frames.append(bytes)
            takeFrames(connection, number)
        }
        link.ends.server.closed = { [self] _ in close(number) }
        guard kind == .ours else { return }
        expire(number)
    }

    /// The session says when a connection has outstayed its welcome.
    private func expire(_ number: Int) {
        guard let connection = connections[number] else { return }
        let current = incarnation
        world.schedule(at: connection.session.deadline) { [self] in
            guard incarnation == current, let connection = connections[number] else { return }
            guard connection.session.expire(now: world.now) != nil else { return expire(number) }
            connection.link.close(by: .server)
            close(number)
        }
    }

    private func close(_ number: Int) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        for upload in connection.session.uploads { reservations.release(upload, heldBy: UInt64(number)) }
    }

    // MARK: Requests

    /// As many as the session takes in; the rest waits in the kernel.
    private func takeFrames(_ connection: Connection, _ number: Int) {
        while connection.session.acceptsRequests,
            let frame = connection.frames.next(bodyBytesMax: Limits.Server.bodyBytesMaxDefault)
        {
            guard let request = try? ClassicRequest.decode(frame) else { continue }
            let resource = Self.resource(of: request)
            let ticket = connection.session.receive(
                resource: resource?.key, bytes: Frame.headerBytes + frame.body.readableBytes, now: world.now)
            held(connection.session.requestsInFlight)
            let job = Job(connection: number, ticket: ticket, request: request)
            guard let resource else {
                run(job, nil)
                continue
            }
            // The seed's workers take one request of a name after the other, and different names as they please.
            let access = kind == .ours ? resource.access : .write
            lastJob += 1
            if order.submit(lastJob, to: resource.key, access, icon: iconUser(of: request)) == .atOnce {
                run(job, lastJob)
            } else {
                waiting[lastJob] = job
            }
        }
        if connection.frames.isBroken { connection.link.cut("a frame without sense") }
    }

    /// Whose icon a request sets, on a server that sets the icons of a user in the order of last chunks.
    private func iconUser(of request: ClassicRequest) -> UserID? {
        guard kind == .ours, mutation != .forgetIconOrder, case .uploadHead(let chunk) = request, chunk.last else {
            return nil
        }
        return UserID(chunk.uid)
    }

    private static func resource(of request: ClassicRequest) -> (key: ResourceKey, access: ResourceOrder.Access)? {
        switch request {
        case .uploadHead(let chunk): return key(chunk.uid, chunk.name).map { ($0, .write) }
        case .download(let request): return key(request.uid, request.name).map { ($0, .read) }
        case .syncFile(let request):
            guard let uid = request.uid, let name = request.name else { return nil }
            return key(uid, name).map { ($0, .read) }
        case .test, .uploadFile: return nil
        }
    }

    private static func key(_ uid: Int64, _ name: String) -> ResourceKey? {
        guard let owner = UserID(uid), let name = try? AvatarName(name) else { return nil }
        return ResourceKey(owner: owner, name: name)
    }

    private func run(_ job: Job, _ number: ResourceOrder.Job?) {
        let current = incarnation
        let finish: (ClassicReply) -> Void = { [self] reply in
            guard incarnation == current else { return }
            answer(job, reply)
            guard let number else { return }
            for next in order.finish(number) {
                if let job = waiting.removeValue(forKey: next) { run(job, next) }
            }
        }
        switch (job.request, kind) {
        case (.uploadHead(let chunk), .ours): upload(chunk, job, finish)
        case (.download(let request), .ours): download(request, job, finish)
        case (.syncFile(let request), .ours): sync(request, job, finish)
        case (.uploadHead(let chunk), .seed): later { [store] in finish(store.seedUpload(chunk)) }
        case (.download(let request), .seed): later { [store] in finish(store.seedDownload(request)) }
        case (.syncFile, .seed): later { finish(.syncFile(SyncFileReply(error: ClassicError.fileNotExists.rawValue))) }
        case (.test(let message), _): finish(.test(message))
        case (.uploadFile, _): finish(.uploadFile(UploadChunkReply(error: ClassicError.writePermission.rawValue)))
        }
    }

    private func later(_ body: @escaping () -> Void) {
        let current = incarnation
        world.schedule(in: .microseconds(10) + random.upTo(.microseconds(200))) { [self] in
            if incarnation == current { body() }
        }
    }

    private func answer(_ job: Job, _ reply: ClassicReply) {
        guard let connection = connections[job.connection] else { return }
        let isUpload = if case .uploadHead = job.request { true } else { false }
        if random.happens(isUpload ? loseReplyRate : loseReplyRate / 10) {
            connection.link.cut("the reply is lost")
            close(job.connection)
            return
        }
        if case .uploadHead(let chunk) = job.request, case .uploadHead(let answer) = reply, chunk.uid != SimVisitor.uid
        {
            uploads(chunk, answer.error == ClassicError.success)
        }
        var buffer = ByteBuffer()
        reply.encode(into: &buffer)
        if isUpload, kind == .seed {
            // Each worker of the seed's server answers for itself: the answers to different names come in any order.
            connection.link.send(buffer, from: .server)
            buffer.clear()
        }
        connection.replies[job.ticket] = buffer
        connection.session.answer(job.ticket, bytes: buffer.readableBytes)
        while let ticket = connection.session.nextReply(now: world.now),
            let bytes = connection.replies.removeValue(forKey: ticket)
        {
            if bytes.readableBytes > 0 { connection.link.send(bytes, from: .server) }
            connection.session.sent(bytes: bytes.readableBytes)
            connection.session.acknowledged()
        }
        takeFrames(connection, job.connection)
    }

    // MARK: Ours

    private func upload(_ chunk: UploadChunk, _ job: Job, _ finish: @escaping (ClassicReply) -> Void) {
        let received = ReceivedChunk(
            isHead: true, uid: chunk.uid, name: chunk.name, md5: chunk.md5, seq: chunk.seq, totalSize: chunk.totalSize,
            transSize: chunk.transSize, last: chunk.last, bytes: Int64(chunk.data.count), token: chunk.token)
        var exchange = UploadExchange(
            received, settings: Self.settings(of: chunk.uid),
            shownToken: UserID(chunk.uid).flatMap {
                connections[job.connection]?.session.shownToken(of: $0)?.string
            },
            freshID: UploadID(high: random.next(), low: random.next()))
        step(exchange.start(), exchange, chunk, job, finish)
    }

    private func step(
        _ action: UploadExchange.Action, _ exchange: UploadExchange, _ chunk: UploadChunk, _ job: Job,
        _ finish: @escaping (ClassicReply) -> Void
    ) {
        if case .reply(let error) = action {
            if error == nil, let key = Self.key(chunk.uid, chunk.name) {
                _ = connections[job.connection]?.session.takeUpload(key)
            }
            return finish(
                .uploadHead(
                    UploadChunkReply(
                        error: error?.rawValue ?? 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq,
                        totalSize: chunk.totalSize, transSize: chunk.transSize, last: chunk.last, uid: chunk.uid,
                        reason: error == nil ? nil : exchange.reason?.rawValue, inOrder: true,
                        chunkBytes: chunkBytes)))
        }
        later { [self] in
            var next = exchange
            let input = perform(action, chunk, job)
            if case .checkToken(let token, let user) = action, case .token(.valid) = input {
                connections[job.connection]?.session.authenticate(user, token: ExactString(token), now: world.now)
            }
            let following = next.handle(input)
            step(following, next, chunk, job, finish)
        }
    }

    private static func settings(of uid: Int64) -> UploadExchange.Settings {
        UploadExchange.Settings(
            bytesMax: Limits.Picture.uploadBytesMaxDefault,
            quotaBytes: uid == SimVisitor.uid ? SimVisitor.quotaBytes : nil)
    }

    /// One step of an upload. The reservations die with the process, everything else is in the store.
    private func perform(_ action: UploadExchange.Action, _ chunk: UploadChunk, _ job: Job) -> UploadExchange.Input {
        switch action {
        case .reserve(let bytes, let key, let room):
            if mutation == .forgetBegun { return .reserved(true) }
            let holder = UInt64(job.connection)
            return .reserved(reservations.reserve(bytes, for: key, room: room, holder: holder))
        case .commit(let record, _) where mutation == .forgetBegun:
            return store.perform(.commit(record, quota: nil), bytes: chunk.data)
        case .complete(let record), .discard(let record): reservations.release(record.key)
        default: break
        }
        return store.perform(action, bytes: chunk.data)
    }

    private func download(_ request: DownloadRequest, _ job: Job, _ finish: @escaping (ClassicReply) -> Void) {
        let uid = UserID(request.uid)
        let key = Self.key(request.uid, request.name)
        let session = connections[job.connection]?.session
        let begunOwner = key.flatMap { session?.ownerOfDownload($0, token: ExactString(request.token)) }
        var exchange = DownloadExchange(
            uid: request.uid, name: request.name, seq: request.seq, token: request.token,
            chunkBytes: min(request.chunkBytes ?? Int64(Life.chunkBytes), chunkBytes),
            isAuthenticated: uid.map {
                session?.isAuthenticated($0, token: ExactString(request.token), now: world.now) ?? false
            }
                ?? false,
            begunOwner: begunOwner)
        // Reads change nothing: a death between two of them is like one before them all.
        later { [self] in
            var read: [UInt8] = []
            var action = exchange.start()
            while true {
                if case .reply(let reply) = action {
                    return finish(.download(served(reply, request, job, read, isBegun: begunOwner != nil)))
                }
                var input = store.perform(action, read: &read)
                let known = "\(request.uid) \(request.token)"
                if mutation == .trustOldToken, case .token = input, request.seq > 1,
                    connections[job.connection]?.confirmed.contains(known) == true
                {
                    input = .token(.valid)
                }
                if case .token(.valid) = input, let uid {
                    connections[job.connection]?.confirmed.insert(known)
                    connections[job.connection]?.session.authenticate(
                        uid, token: ExactString(request.token), now: world.now)
                }
                action = exchange.handle(input)
            }
        }
    }

    private func served(
        _ reply: DownloadExchange.Reply, _ request: DownloadRequest, _ job: Job, _ read: [UInt8], isBegun: Bool
    ) -> DownloadReply {
        switch reply {
        case .error(let error):
            return DownloadReply(error: error.rawValue, name: request.name, clientPath: request.clientPath)
        case .chunk(let chunk):
            if let asked = Self.key(request.uid, request.name) {
                if chunk.isLast {
                    connections[job.connection]?.session.endDownload(asked)
                } else if request.seq == 1 || !isBegun, let owner = chunk.key.owner {
                    connections[job.connection]?.session.beginDownload(
                        asked, token: ExactString(request.token), owner: owner)
                }
            }
            return DownloadReply(
                error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
                totalSize: chunk.totalSize, currentSize: chunk.range.upperBound, isLast: chunk.isLast, data: read)
        }
    }

    private func sync(_ request: SyncFileRequest, _ job: Job, _ finish: @escaping (ClassicReply) -> Void) {
        var exchange = SyncExchange(
            md5: request.md5, uid: request.uid, name: request.name,
            uploads: connections[job.connection]?.session.uploads ?? [])
        var action = exchange.start()
        while true {
            switch action {
            case .loadProgress(let key):
                let (record, held) = store.progress(key)
                action = exchange.handle(.progress(record, held: held))
            case .findUploads: action = exchange.handle(.records([]))
            case .reply(.error(let error)): return finish(.syncFile(SyncFileReply(error: error.rawValue)))
            case .reply(.progress(let record, let seq, let transSize)):
                return finish(
                    .syncFile(
                        SyncFileReply(
                            error: 0, md5: request.md5, name: record.key.name.string, seq: seq,
                            totalSize: record.totalSize, transSize: transSize, chunkBytes: record.chunkSize)))
            }
        }
    }
}

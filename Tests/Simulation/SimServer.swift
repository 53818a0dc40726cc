internal import AvatarCore
internal import NIOCore
internal import TransferMachines
internal import WireProtocol

/// The resource server as a process: ours, on its own machines; or one that behaves as the seed's does on the wire.
final class SimServer {
    enum Kind { case ours, seed }

    let world: World
    let kind: Kind
    let store = SimStore()
    private var random: SeededRandom
    private var order = ResourceOrder<Job>()
    private var connections: [Int: Connection] = [:]
    private var lastConnection = 0
    private var incarnation = 0
    private(set) var isUp = true
    var uploads: (UploadChunk, _ isAcknowledged: Bool) -> Void = { _, _ in }
    /// The reply to an upload's chunk is dropped, with the connection, at this rate.
    var loseReplyRate = 0.0

    struct Job: Sendable {
        let connection: Int
        let ticket: ServerSession.Ticket
        let request: ClassicRequest
        let bytes: Int
    }

    private final class Connection {
        let link: SimLink
        var session: ServerSession
        var frames = FrameBytes()
        var replies: [ServerSession.Ticket: [UInt8]] = [:]

        init(link: SimLink, now: MonotonicTime) {
            self.link = link
            session = ServerSession(now: now)
        }
    }

    init(world: World, kind: Kind) {
        self.world = world
        self.kind = kind
        random = world.random(31)
    }

    // MARK: Life and death

    func crash() {
        guard isUp else { return }
        world.log("the server dies")
        isUp = false
        incarnation += 1
        for number in connections.keys.sorted() { connections[number]?.link.cut("the server died") }
        connections = [:]
        order = ResourceOrder()
    }

    func restart() {
        guard !isUp else { return }
        world.log("the server is back")
        isUp = true
    }

    func accept(_ link: SimLink) {
        lastConnection += 1
        let number = lastConnection
        let current = incarnation
        connections[number] = Connection(link: link, now: world.now)
        link.received[1] = { [self] bytes in
            guard incarnation == current else { return }
            received(bytes, number)
        }
        link.closed[1] = { [self] _ in connections[number] = nil }
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
            connections[number] = nil
        }
    }

    // MARK: Requests

    private func received(_ bytes: ArraySlice<UInt8>, _ number: Int) {
        guard let connection = connections[number] else { return }
        connection.frames.append(bytes)
        while let frame = connection.frames.next(bodyBytesMax: Limits.Server.bodyBytesMaxDefault) {
            guard let request = try? ClassicRequest.decode(frame) else { continue }
            let key = Self.key(of: request)
            let ticket = connection.session.receive(resource: key, bytes: frame.body.readableBytes, now: world.now)
            let job = Job(connection: number, ticket: ticket, request: request, bytes: frame.body.readableBytes)
            guard let key else {
                run(job, nil)
                continue
            }
            // The seed's workers take one request of a name after the other.
            let access: ResourceOrder<Job>.Access =
                if case .download = request, kind == .ours { .read } else { .write }
            if let now = order.submit(job, to: key, access) { run(now, key) }
        }
        if connection.frames.isBroken { connection.link.cut("a frame without sense") }
    }

    private static func key(of request: ClassicRequest) -> ResourceKey? {
        switch request {
        case .uploadHead(let chunk):
            return (try? AvatarName(chunk.name)).map { ResourceKey(owner: UserID(chunk.uid), name: $0) }
        case .download(let request):
            return (try? AvatarName(request.name)).map { ResourceKey(owner: UserID(request.uid), name: $0) }
        default: return nil
        }
    }

    private func run(_ job: Job, _ key: ResourceKey?) {
        let current = incarnation
        let finish: (ClassicReply) -> Void = { [self] reply in
            guard incarnation == current else { return }
            answer(job, reply)
            guard let key else { return }
            for next in order.finish(key) { run(next, key) }
        }
        switch (job.request, kind) {
        case (.uploadHead(let chunk), .ours): upload(chunk, finish)
        case (.download(let request), .ours): download(request, job, finish)
        case (.syncFile(let request), .ours): sync(request, finish)
        case (.uploadHead(let chunk), .seed): later { finish(self.seedUpload(chunk)) }
        case (.download(let request), .seed): later { finish(self.seedDownload(request)) }
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
        if case .uploadHead(let chunk) = job.request, case .uploadHead(let answer) = reply {
            if random.happens(loseReplyRate) {
                connection.link.cut("the reply is lost")
                connections[job.connection] = nil
                return
            }
            uploads(chunk, answer.error == ClassicError.success)
        }
        var buffer = ByteBuffer()
        reply.encode(into: &buffer)
        let bytes = Array(buffer.readableBytesView)
        connection.replies[job.ticket] = bytes
        connection.session.answer(job.ticket, bytes: bytes.count)
        while let ticket = connection.session.nextReply(), let bytes = connection.replies.removeValue(forKey: ticket) {
            connection.link.send(bytes, from: .server)
            connection.session.sent(bytes: bytes.count)
            connection.session.drained()
        }
    }

    // MARK: Ours

    private func upload(_ chunk: UploadChunk, _ finish: @escaping (ClassicReply) -> Void) {
        let received = ReceivedChunk(
            isHead: true, uid: chunk.uid, name: chunk.name, md5: chunk.md5, seq: chunk.seq, totalSize: chunk.totalSize,
            transSize: chunk.transSize, last: chunk.last, bytes: Int64(chunk.data.count), token: chunk.token)
        var intake = UploadIntake(
            received, settings: UploadIntake.Settings(bytesMax: Limits.Picture.uploadBytesMaxDefault),
            freshID: UploadID(high: random.next(), low: random.next()))
        step(intake.start(), &intake, chunk, finish)
    }

    private func step(
        _ action: UploadIntake.Action, _ intake: inout UploadIntake, _ chunk: UploadChunk,
        _ finish: @escaping (ClassicReply) -> Void
    ) {
        if case .reply(let error) = action {
            return finish(
                .uploadHead(
                    UploadChunkReply(
                        error: error?.rawValue ?? 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq,
                        totalSize: chunk.totalSize, transSize: chunk.transSize, last: chunk.last, uid: chunk.uid)))
        }
        var next = intake
        later { [self] in
            let input = store.perform(action, bytes: chunk.data)
            step(next.handle(input), &next, chunk, finish)
        }
    }

    private func download(_ request: DownloadRequest, _ job: Job, _ finish: @escaping (ClassicReply) -> Void) {
        let session = connections[job.connection]?.session
        let uid = UserID(request.uid)
        let name = try? AvatarName(request.name)
        var serving = DownloadServing(
            uid: request.uid, name: request.name, seq: request.seq, token: request.token,
            chunkBytes: Int64(Life.chunkBytes),
            isProven: uid.map { session?.isProven($0, token: request.token) == true } ?? false,
            rememberedOwner: name.flatMap { session?.owner(of: $0) })
        serve(serving.start(), &serving, request, job, [], finish)
    }

    private func serve(
        _ action: DownloadServing.Action, _ serving: inout DownloadServing, _ request: DownloadRequest, _ job: Job,
        _ read: [UInt8], _ finish: @escaping (ClassicReply) -> Void
    ) {
        if case .reply(let reply) = action {
            switch reply {
            case .error(let error):
                return finish(
                    .download(DownloadReply(error: error.rawValue, name: request.name, clientPath: request.clientPath)))
            case .chunk(let chunk):
                if let user = UserID(request.uid) {
                    connections[job.connection]?.session.prove(user, token: request.token)
                }
                if let owner = chunk.key.owner {
                    connections[job.connection]?.session.remember(owner, of: chunk.key.name)
                }
                return finish(
                    .download(
                        DownloadReply(
                            error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
                            totalSize: chunk.totalSize, currentSize: chunk.range.upperBound, isLast: chunk.isLast,
                            data: read)))
            }
        }
        var next = serving
        later { [self] in
            var bytes = read
            let input = store.perform(action, read: &bytes)
            serve(next.handle(input), &next, request, job, bytes, finish)
        }
    }

    private func sync(_ request: SyncFileRequest, _ finish: @escaping (ClassicReply) -> Void) {
        var answering = SyncAnswering(md5: request.md5, uid: request.uid, name: request.name, provenUsers: [])
        var action = answering.start()
        while true {
            switch action {
            case .loadProgress(let key):
                let (record, held) = store.progress(key)
                action = answering.handle(.progress(record, held: held))
            case .findUploads: action = answering.handle(.records([]))
            case .reply(.error(let error)): return finish(.syncFile(SyncFileReply(error: error.rawValue)))
            case .reply(.progress(let record, let seq, let transSize)):
                return finish(
                    .syncFile(
                        SyncFileReply(
                            error: 0, md5: request.md5, name: record.key.name.string, seq: seq,
                            totalSize: record.totalSize,
                            transSize: transSize)))
            }
        }
    }

    // MARK: The seed's ways (PROTOCOL.md: what it accepts, what it forgets, what it appends)

    private func seedUpload(_ chunk: UploadChunk) -> ClassicReply {
        guard let user = UserID(chunk.uid), let name = try? AvatarName(chunk.name) else {
            return .uploadHead(UploadChunkReply(error: ClassicError.uidInvalid.rawValue))
        }
        if chunk.seq == 1, store.tokens[user] != chunk.token {
            return .uploadHead(UploadChunkReply(error: ClassicError.tokenInvalid.rawValue))
        }
        if chunk.seq != 1, store.seedUploads[chunk.name] == nil {
            return .uploadHead(UploadChunkReply(error: ClassicError.fileNotExists.rawValue))
        }
        let key = ResourceKey(owner: user, name: name)
        store.seedUploads[chunk.name] = chunk.seq
        store.files[key] = chunk.seq == 1 ? chunk.data : (store.files[key] ?? []) + chunk.data
        if chunk.last {
            store.icons[user] = name
            if let md5 = MD5Digest(hex: chunk.md5) { store.commits.append((key, md5)) }
        }
        return .uploadHead(
            UploadChunkReply(
                error: 0, md5: chunk.md5, name: chunk.name, seq: chunk.seq, totalSize: chunk.totalSize,
                transSize: chunk.transSize, last: chunk.last, uid: chunk.uid))
    }

    private func seedDownload(_ request: DownloadRequest) -> ClassicReply {
        func refuse(_ error: ClassicError) -> ClassicReply {
            .download(DownloadReply(error: error.rawValue, name: request.name, clientPath: request.clientPath))
        }
        guard let user = UserID(request.uid), let name = try? AvatarName(request.name),
            let bytes = store.files[ResourceKey(owner: user, name: name)]
        else { return refuse(.fileNotExists) }
        if request.seq == 1 {
            store.downloadProgress[request.name] = 1
        } else {
            guard let expected = store.downloadProgress[request.name] else { return refuse(.progressLost) }
            guard expected == request.seq else { return refuse(.seqInvalid) }
        }
        guard let geometry = ChunkGeometry(totalSize: Int64(bytes.count), chunkSize: Int64(Life.chunkBytes)),
            let range = geometry.range(of: request.seq)
        else { return refuse(.offsetInvalid) }
        let isLast = geometry.isLast(request.seq)
        store.downloadProgress[request.name] = isLast ? nil : request.seq + 1
        return .download(
            DownloadReply(
                error: 0, name: request.name, clientPath: request.clientPath, seq: request.seq,
                totalSize: Int64(bytes.count), currentSize: range.upperBound, isLast: isLast,
                data: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])))
    }
}

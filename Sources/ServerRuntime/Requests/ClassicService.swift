import AvatarCore
internal import Logging
internal import NIOConcurrencyHelpers
internal import Synchronization
import TransferMachines
import WireProtocol

/// What a connection knows when it hands a request to a worker.
struct RequestContext: Sendable {
    /// Names the connection.
    let connection: QuotaReservations.Holder
    /// Whether a transfer that begins need not ask the store about its token.
    var isAuthenticated = false
    /// The token that this connection has shown for the user whose last chunk this is.
    var shownToken: String?
    /// The user in whose folder the file lies, when this connection has begun the download with the request's token.
    var begunOwner: UserID?
    /// The open file of that download.
    var files: DownloadFiles?
    /// The uploads of which this connection has brought a chunk.
    var uploads: [ResourceKey] = []
}

/// A reply, and what its connection has to note.
struct Answer: Sendable {
    /// A change of what a connection knows.
    enum SessionUpdate: Sendable {
        /// The store has confirmed the token.
        case authenticated(UserID, token: String)
        /// The server has taken a chunk of this upload.
        case tookUpload(ResourceKey)
        /// A download has begun with a valid token; its next chunks are read from these files.
        case downloadBegan(ResourceKey, token: String, owner: UserID, DownloadFiles)
        /// A download has ended, with its last chunk or with an error.
        case downloadEnded(ResourceKey)
    }

    var reply: ClassicReply
    var updates: [SessionUpdate] = []
    /// Somebody else's avatar, of which a download has begun.
    var met: (key: ResourceKey, stamp: FileStamp)?
}

/// What the configuration says about uploads now; each chunk asks for it.
final class UploadSettings: Sendable {
    private let settings: Mutex<UploadExchange.Settings>

    init(_ settings: UploadExchange.Settings) { self.settings = Mutex(settings) }

    var current: UploadExchange.Settings { settings.withLock { $0 } }

    func set(_ new: UploadExchange.Settings) { settings.withLock { $0 = new } }
}

/// Answers one classic request against the stores, on a worker thread. Between requests it keeps only the quota's reservations.
struct ClassicService: Sendable {
    let stores: Stores
    let upload: UploadSettings
    let chunkBytes: Int64
    /// The largest chunk of an upload that 1032 says is taken.
    private let uploadChunkBytes: Int64
    let logger: Logger
    let quota: QuotaLedger
    private let errorLog = StoreErrorLog()
    private let foundAvatars = FoundAvatars()

    init(
        stores: Stores, upload: UploadSettings, quota: QuotaLedger, chunkBytes: Int64, bodyBytesMax: Int, logger: Logger
    ) {
        self.stores = stores
        self.quota = quota
        self.upload = upload
        self.chunkBytes = chunkBytes
        // Base64 takes four bytes for three. A long name with many escapes takes more than the usual room for the other fields.
        let room = Int64(bodyBytesMax - 2 * Limits.Server.uploadFieldsBytes) / 4 * 3
        uploadChunkBytes = min(room, Int64(Limits.Wire.ownChunkBytes))
        self.logger = logger
    }

    /// The chunks in which a file is served: those by which the client counts, where it says so and they are not too large.
    private func chunkBytes(for request: DownloadRequest) -> Int64 {
        guard let asked = request.chunkBytes else { return chunkBytes }
        return min(
            max(asked, Int64(Limits.Wire.classicChunkBytes.lowerBound)),
            max(chunkBytes, Int64(Limits.Wire.ownChunkBytes)))
    }

    /// The resource that a request reads or writes; nil for a request that names none.
    static func resource(
        of request: ClassicRequest
    ) -> (key: ResourceKey, access: ResourceOrder.Access)? {
        switch request {
        case .test: return nil
        case .uploadHead(let chunk): return key(chunk.uid, chunk.name).map { ($0, .write) }
        case .uploadFile(let chunk):
            return (try? AvatarName(chunk.name)).map {
                (ResourceKey(owner: UserID(chunk.uid), name: $0), .write)
            }
        case .syncFile(let request):
            guard let uid = request.uid, let name = request.name else { return nil }
            return key(uid, name).map { ($0, .read) }
        case .download(let request): return key(request.uid, request.name).map { ($0, .read) }
        }
    }

    /// The user whose icon a request sets: last chunks take effect in the order in which they come.
    static func iconUser(of request: ClassicRequest) -> UserID? {
        switch request {
        case .uploadHead(let chunk), .uploadFile(let chunk): chunk.last ? UserID(chunk.uid) : nil
        case .test, .syncFile, .download: nil
        }
    }

    /// Bytes that a request will have in flight, or its answer when the answer is longer.
    func bytesInFlight(_ request: ClassicRequest, frameBytes: Int) -> Int {
        guard case .download(let request) = request else { return frameBytes }
        return max(frameBytes, Int(chunkBytes(for: request) + 2) / 3 * 4 + Limits.Server.uploadFieldsBytes)
    }

    private static func key(_ uid: Int64, _ name: String) -> ResourceKey? {
        guard let owner = UserID(uid), let name = try? AvatarName(name) else { return nil }
        return ResourceKey(owner: owner, name: name)
    }

    /// The answer to a request that can be answered on an event loop, because nothing has to be waited for; nil for every other.
    func answerAtOnce(_ request: ClassicRequest, _ context: RequestContext) -> Answer? {
        switch request {
        case .test(let message): return test(message)
        case .download(let request):
            guard request.seq == 1 ? context.isAuthenticated : context.begunOwner != nil else { return nil }
            var service = downloadService(request, context)
            guard let reply = service.runAtOnce() else { return nil }
            return answer(request, reply, service, context)
        case .uploadHead, .uploadFile, .syncFile: return nil
        }
    }

    /// The connection does not carry this upload any more: it is closed, or has too many uploads.
    func releaseUpload(_ key: ResourceKey, of connection: QuotaReservations.Holder) {
        quota.release(key, heldBy: connection)
    }

    /// The answer to a request; waits for disks and stores.
    func answer(_ request: ClassicRequest, _ context: RequestContext) -> Answer {
        switch request {
        case .test(let message): return test(message)
        case .uploadHead(let chunk): return upload(chunk, isHead: true, context)
        case .uploadFile(let chunk): return upload(chunk, isHead: false, context)
        case .syncFile(let request): return sync(request, context)
        case .download(let request): return download(request, context)
        }
    }

    private func test(_ message: TestMessage) -> Answer {
        Answer(reply: .test(TestMessage(data: message.data, error: ClassicError.success)))
    }

    private func upload(_ chunk: UploadChunk, isHead: Bool, _ context: RequestContext) -> Answer {
        var service = UploadService(
            chunk, isHead: isHead, stores: stores, settings: upload.current, quota: quota,
            connection: context.connection, isAuthenticated: context.isAuthenticated, shownToken: context.shownToken,
            freshID: chunk.seq == 1 ? .random() : nil)
        let error = service.run()
        log(service.errors)
        let reply = UploadChunkReply(
            chunk, isHead: isHead, error, service.exchange.reason, chunkBytes: uploadChunkBytes)
        var answer = Answer(reply: isHead ? .uploadHead(reply) : .uploadFile(reply))
        if let token = service.validToken, let user = UserID(chunk.uid) {
            answer.updates.append(.authenticated(user, token: token))
        }
        let request = isHead ? ClassicRequest.uploadHead(chunk) : .uploadFile(chunk)
        if error == nil, let taken = Self.resource(of: request) { answer.updates.append(.tookUpload(taken.key)) }
        return answer
    }

    private func download(_ request: DownloadRequest, _ context: RequestContext) -> Answer {
        var service = downloadService(request, context)
        let reply = service.run()
        log(service.errors)
        var answer = answer(request, reply, service, context)
        if request.seq == 1, case .chunk(let chunk) = reply, chunk.key.owner != UserID(request.uid),
            let file = service.found.file(at: chunk.key).flatMap({ $0 })
        {
            answer.met = (chunk.key, file.stamp)
        }
        return answer
    }

    /// What has to be done once the client has its answer; waits for disks and stores.
    func afterwards(_ answer: Answer) {
        if let met = answer.met { foundAvatars.met(met.key, met.stamp, stores) }
    }

    private func downloadService(_ request: DownloadRequest, _ context: RequestContext) -> DownloadService {
        let exchange = DownloadExchange(
            uid: request.uid, name: request.name, seq: request.seq, token: request.token,
            chunkBytes: chunkBytes(for: request), isAuthenticated: context.isAuthenticated,
            begunOwner: context.begunOwner)
        // The first chunk opens the file anew, and so does every chunk of a download that this connection has not begun.
        let isBegun = request.seq > 1 && context.begunOwner != nil
        return DownloadService(exchange, stores: stores, known: isBegun ? context.files : nil)
    }

    private func answer(
        _ request: DownloadRequest, _ reply: DownloadExchange.Reply, _ service: DownloadService,
        _ context: RequestContext
    ) -> Answer {
        var answer = Answer(reply: .download(DownloadReply(request, reply, data: service.data)))
        if service.hasValidToken, let user = UserID(request.uid) {
            answer.updates.append(.authenticated(user, token: request.token))
        }
        guard let asked = Self.key(request.uid, request.name) else { return answer }
        let isBegun = context.begunOwner != nil
        guard case .chunk(let chunk) = reply else {
            if request.seq == 1, isBegun { answer.updates.append(.downloadEnded(asked)) }
            return answer
        }
        if chunk.isLast {
            if isBegun { answer.updates.append(.downloadEnded(asked)) }
        } else if request.seq == 1 || !isBegun, let owner = chunk.key.owner {
            answer.updates.append(.downloadBegan(asked, token: request.token, owner: owner, service.found))
        }
        return answer
    }

    private func sync(_ request: SyncFileRequest, _ context: RequestContext) -> Answer {
        var service = SyncService(request, stores: stores, uploads: context.uploads)
        let reply = service.run()
        log(service.errors)
        return Answer(reply: .syncFile(SyncFileReply(reply, md5: request.md5)))
    }

    private func log(_ errors: [StoreError]) {
        for error in errors where error.code != .missing { errorLog.note(error, logger) }
    }
}

/// Logs the errors of stores for the operator, at most once a second: while a store is down every request fails.
final class StoreErrorLog: Sendable {
    private struct State {
        var loggedAt: ContinuousClock.Instant?
        var unlogged = 0
    }

    private let state = NIOLockedValueBox(State())

    func note(_ error: StoreError, _ logger: Logger) {
        let unlogged = state.withLockedValue { state -> Int? in
            let now = ContinuousClock.now
            if let loggedAt = state.loggedAt, now - loggedAt < .seconds(1) {
                state.unlogged += 1
                return nil
            }
            defer { state = State(loggedAt: now) }
            return state.unlogged
        }
        guard let unlogged else { return }
        logger.warning(
            "a store failed",
            metadata: [
                "cause": "\(error.cause)", "location": "\(error.location)", "errors not logged before": "\(unlogged)",
            ])
    }
}

extension UploadID {
    static func random() -> UploadID {
        var random = SystemRandomNumberGenerator()
        return UploadID(high: random.next(), low: random.next())
    }
}

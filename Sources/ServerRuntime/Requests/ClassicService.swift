import AvatarCore
internal import Logging
internal import NIOConcurrencyHelpers
import TransferMachines
import WireProtocol

/// What a connection knows when it hands a request over.
struct RequestContext: Sendable {
    /// Whether the store need not be asked for the request's token.
    var isAuthenticated = false
    /// Whose file a download's name was at seq 1.
    var rememberedOwner: UserID?
    /// What the first chunk of this download found, where it is still open.
    var found: DownloadFiles?
    /// Whose tokens this connection has shown.
    var authenticatedUsers: [UserID] = []
}

/// A reply, and what the connection learns from it.
struct Answer: Sendable {
    enum SessionUpdate: Sendable {
        case authenticated(UserID, token: String)
        case authorized
        case owner(UserID?, of: AvatarName)
        /// A download has begun, and goes on with what its first chunk found.
        case began(ResourceKey, DownloadFiles)
        /// A download is over, one way or the other.
        case ended(ResourceKey)
    }

    var reply: ClassicReply
    var updates: [SessionUpdate] = []
}

/// Answers one classic request against the stores. Holds nothing between requests; runs on worker threads.
struct ClassicService: Sendable {
    let stores: Stores
    let upload: UploadExchange.Settings
    let chunkBytes: Int64
    let logger: Logger
    private let failureLog = FailureLog()

    init(stores: Stores, upload: UploadExchange.Settings, chunkBytes: Int64, logger: Logger) {
        self.stores = stores
        self.upload = upload
        self.chunkBytes = chunkBytes
        self.logger = logger
    }

    /// Which resource a request touches, and how; nil when it touches none that exists.
    static func resource(
        of request: ClassicRequest
    ) -> (key: ResourceKey, access: ResourceOrder.Access)? {
        switch request {
        case .test: return nil
        case .uploadHead(let chunk): return key(chunk.uid, chunk.name).map { ($0, .write) }
        case .uploadFile(let chunk):
            return (try? AvatarName(chunk.name)).map { (ResourceKey(owner: nil, name: $0), .write) }
        case .syncFile(let request):
            guard let uid = request.uid, let name = request.name else { return nil }
            return key(uid, name).map { ($0, .read) }
        case .download(let request): return key(request.uid, request.name).map { ($0, .read) }
        }
    }

    /// Bytes that a request, or its answer where that is longer, will have in flight.
    func bytesInFlight(_ request: ClassicRequest, frameBytes: Int) -> Int {
        guard case .download = request else { return frameBytes }
        return max(frameBytes, Int(chunkBytes + 2) / 3 * 4 + Limits.Server.uploadFieldsBytes)
    }

    private static func key(_ uid: Int64, _ name: String) -> ResourceKey? {
        guard let owner = UserID(uid), let name = try? AvatarName(name) else { return nil }
        return ResourceKey(owner: owner, name: name)
    }

    /// The answer, where it takes no waiting, to be had on an event loop; nil where a worker has to give it.
    func answerAtOnce(_ request: ClassicRequest, _ context: RequestContext) -> Answer? {
        switch request {
        case .test(let message): return test(message)
        case .download(let request):
            guard context.isAuthenticated else { return nil }
            var service = downloadService(request, context)
            guard let reply = service.runAtOnce() else { return nil }
            return answer(request, reply, service, context)
        case .uploadHead, .uploadFile, .syncFile: return nil
        }
    }

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
            chunk, isHead: isHead, stores: stores, settings: upload, isAuthenticated: context.isAuthenticated,
            freshID: chunk.seq == 1 ? .random() : nil)
        let error = service.run()
        log(service.failures)
        let reply = UploadChunkReply(chunk, isHead: isHead, error)
        var answer = Answer(reply: isHead ? .uploadHead(reply) : .uploadFile(reply))
        if service.hasValidToken, let user = UserID(chunk.uid) {
            answer.updates.append(.authenticated(user, token: chunk.token ?? ""))
        } else if error == nil {
            answer.updates.append(.authorized)
        }
        return answer
    }

    private func download(_ request: DownloadRequest, _ context: RequestContext) -> Answer {
        var service = downloadService(request, context)
        let reply = service.run()
        log(service.failures)
        return answer(request, reply, service, context)
    }

    private func downloadService(_ request: DownloadRequest, _ context: RequestContext) -> DownloadService {
        let exchange = DownloadExchange(
            uid: request.uid, name: request.name, seq: request.seq, token: request.token, chunkBytes: chunkBytes,
            isAuthenticated: context.isAuthenticated, rememberedOwner: context.rememberedOwner)
        // A first chunk looks at what is there now.
        return DownloadService(exchange, stores: stores, known: request.seq > 1 ? context.found : nil)
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
        guard case .chunk(let chunk) = reply else {
            if request.seq == 1, context.found != nil { answer.updates.append(.ended(asked)) }
            return answer
        }
        if chunk.isLast {
            if context.found != nil { answer.updates.append(.ended(asked)) }
            if context.rememberedOwner != nil { answer.updates.append(.owner(nil, of: asked.name)) }
            return answer
        }
        if request.seq == 1 {
            answer.updates.append(.began(asked, service.found))
            // Remembered from the first chunk to the last, so that one download is of one file also where too many are open.
            if let owner = chunk.key.owner, owner != asked.owner {
                answer.updates.append(.owner(owner, of: asked.name))
            }
        }
        return answer
    }

    private func sync(_ request: SyncFileRequest, _ context: RequestContext) -> Answer {
        var service = SyncService(request, stores: stores, authenticatedUsers: context.authenticatedUsers)
        let reply = service.run()
        log(service.failures)
        return Answer(reply: .syncFile(SyncFileReply(reply, md5: request.md5)))
    }

    private func log(_ failures: [StoreError]) {
        for failure in failures where failure.failure != .missing { failureLog.note(failure, logger) }
    }
}

/// A store that fails is the operator's to know; what a client got wrong is not. One line a second says it: a store that is down
/// fails every request.
final class FailureLog: Sendable {
    private struct State {
        var loggedAt: ContinuousClock.Instant?
        var untold = 0
    }

    private let state = NIOLockedValueBox(State())

    func note(_ failure: StoreError, _ logger: Logger) {
        let untold = state.withLockedValue { state -> Int? in
            let now = ContinuousClock.now
            if let loggedAt = state.loggedAt, now - loggedAt < .seconds(1) {
                state.untold += 1
                return nil
            }
            defer { state = State(loggedAt: now) }
            return state.untold
        }
        guard let untold else { return }
        logger.warning(
            "a store failed", metadata: ["detail": "\(failure.detail)", "untold failures before": "\(untold)"])
    }
}

extension UploadID {
    fileprivate static func random() -> UploadID {
        var random = SystemRandomNumberGenerator()
        return UploadID(high: random.next(), low: random.next())
    }
}

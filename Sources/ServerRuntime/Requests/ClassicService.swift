import AvatarCore
internal import Logging
import TransferMachines
import WireProtocol

/// What a connection knows when it hands a request over.
struct RequestContext: Sendable {
    /// Whether this connection has shown the request's token for its user.
    var isProven = false
    /// Whose file a download's name was at seq 1.
    var rememberedOwner: UserID?
    /// Whose tokens this connection has shown.
    var provenUsers: [UserID] = []
}

/// A reply, and what the connection learns from it.
struct Answer: Sendable {
    enum Lesson: Sendable {
        case proven(UserID, token: String)
        case vouched
        case owner(UserID?, of: AvatarName)
    }

    var reply: ClassicReply
    var lessons: [Lesson] = []
}

/// Answers one classic request against the stores. Holds nothing between requests; runs on worker threads.
struct ClassicService<Files: FileStore>: Sendable {
    let stores: Stores<Files>
    let upload: UploadIntake.Settings
    let chunkBytes: Int64
    let logger: Logger

    /// Which resource a request touches, and how; nil when it touches none that exists.
    static func resource(
        of request: ClassicRequest
    ) -> (key: ResourceKey, access: ResourceOrder<WorkQueue.Job>.Access)? {
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

    private static func key(_ uid: Int64, _ name: String) -> ResourceKey? {
        guard let owner = UserID(uid), let name = try? AvatarName(name) else { return nil }
        return ResourceKey(owner: owner, name: name)
    }

    func answer(_ request: ClassicRequest, _ context: RequestContext) -> Answer {
        switch request {
        case .test(let message):
            return Answer(reply: .test(TestMessage(data: message.data, error: ClassicError.success)))
        case .uploadHead(let chunk): return upload(chunk, isHead: true)
        case .uploadFile(let chunk): return upload(chunk, isHead: false)
        case .syncFile(let request): return sync(request, context)
        case .download(let request): return download(request, context)
        }
    }

    private func upload(_ chunk: UploadChunk, isHead: Bool) -> Answer {
        var random = SystemRandomNumberGenerator()
        let fresh = UploadID(high: random.next(), low: random.next())
        var answering = UploadAnswering(chunk, isHead: isHead, stores: stores, settings: upload, freshID: fresh)
        let error = answering.run()
        log(answering.failures)
        let reply = UploadChunkReply(chunk, isHead: isHead, error)
        var answer = Answer(reply: isHead ? .uploadHead(reply) : .uploadFile(reply))
        if answering.hasShownToken, let user = UserID(chunk.uid) {
            answer.lessons.append(.proven(user, token: chunk.token ?? ""))
        } else if error == nil {
            answer.lessons.append(.vouched)
        }
        return answer
    }

    private func download(_ request: DownloadRequest, _ context: RequestContext) -> Answer {
        let serving = DownloadServing(
            uid: request.uid, name: request.name, seq: request.seq, token: request.token, chunkBytes: chunkBytes,
            isProven: context.isProven, rememberedOwner: context.rememberedOwner)
        var answering = DownloadAnswering(serving, stores: stores)
        let reply = answering.run()
        log(answering.failures)
        var answer = Answer(reply: .download(DownloadReply(request, reply, data: answering.data)))
        if answering.hasShownToken, let user = UserID(request.uid) {
            answer.lessons.append(.proven(user, token: request.token))
        }
        if case .chunk(let chunk) = reply, let owner = chunk.key.owner, owner.value != request.uid {
            // Remembered from the first chunk to the last, so that one download is of one file.
            if chunk.isLast {
                if context.rememberedOwner != nil { answer.lessons.append(.owner(nil, of: chunk.key.name)) }
            } else if request.seq == 1 {
                answer.lessons.append(.owner(owner, of: chunk.key.name))
            }
        }
        return answer
    }

    private func sync(_ request: SyncFileRequest, _ context: RequestContext) -> Answer {
        var answering = SyncAnswering(
            md5: request.md5, uid: request.uid, name: request.name, provenUsers: context.provenUsers)
        var action = answering.start()
        while true {
            do throws(StoreError) {
                switch action {
                case .loadProgress(let key):
                    let progress = try stores.progress(of: key)
                    action = answering.handle(.progress(progress?.record, held: progress?.held))
                case .findUploads(let md5):
                    action = answering.handle(.records(try stores.progress.records(md5: md5)))
                case .reply(let reply):
                    return Answer(reply: .syncFile(SyncFileReply(reply, md5: request.md5)))
                }
            } catch {
                log([error])
                action = answering.handle(.failed(error.failure))
            }
        }
    }

    /// A store that fails is the operator's to know; what a client got wrong is not.
    private func log(_ failures: [StoreError]) {
        for failure in failures where failure.failure != .missing {
            logger.warning("a store failed", metadata: ["detail": "\(failure.detail)"])
        }
    }
}

extension SyncFileReply {
    init(_ reply: SyncAnswering.Reply, md5: String) {
        switch reply {
        case .error(let error): self.init(error: error.rawValue)
        case .progress(let record, let seq, let transSize):
            self.init(
                error: ClassicError.success, md5: md5, name: record.key.name.string, seq: seq,
                totalSize: record.totalSize, transSize: transSize)
        }
    }
}

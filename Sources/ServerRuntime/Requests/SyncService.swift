internal import AvatarCore
internal import TransferMachines
internal import WireProtocol

/// Does what ``TransferMachines/SyncExchange`` decides for one 1005, against the stores. Runs on a worker thread.
struct SyncService {
    let stores: Stores
    var exchange: SyncExchange
    private(set) var errors: [StoreError] = []

    init(_ request: SyncFileRequest, stores: Stores, uploads: [ResourceKey]) {
        self.stores = stores
        exchange = SyncExchange(md5: request.md5, uid: request.uid, name: request.name, uploads: uploads)
    }

    /// Does action after action until the exchange answers.
    mutating func run() -> SyncExchange.Reply {
        var action = exchange.start()
        while true {
            if case .reply(let reply) = action { return reply }
            do throws(StoreError) {
                action = exchange.handle(try perform(action))
            } catch {
                errors.append(error)
                action = exchange.handle(.failed(error.code))
            }
        }
    }

    private func perform(_ action: SyncExchange.Action) throws(StoreError) -> SyncExchange.Input {
        switch action {
        case .loadProgress(let key):
            let progress = try stores.progress(of: key)
            return .progress(progress?.record, held: progress?.held)
        case .findUploads(let md5): return .records(try stores.progress.records(md5: md5))
        case .reply: return .failed(.unavailable)
        }
    }
}

extension SyncFileReply {
    init(_ reply: SyncExchange.Reply, md5: String) {
        switch reply {
        case .error(let error): self.init(error: error.rawValue)
        case .progress(let record, let seq, let transSize):
            self.init(
                error: ClassicError.success, md5: md5, name: record.key.name.string, seq: seq,
                totalSize: record.totalSize, transSize: transSize, chunkBytes: record.chunkSize)
        }
    }
}

internal import AvatarCore
internal import TransferMachines
internal import WireProtocol

/// Does what ``TransferMachines/DownloadExchange`` decides for one 1033, against the stores. Runs on a worker thread.
struct DownloadService {
    let stores: Stores
    var exchange: DownloadExchange
    private(set) var errors: [StoreError] = []
    private(set) var data: [UInt8] = []
    private(set) var hasValidToken = false
    /// Every place where the exchange looked for the file.
    private(set) var found = DownloadFiles()
    private let known: DownloadFiles?
    private var file: (any StoredFile)?

    /// - Parameter known: the files that the download's first chunk has opened, when they are still open.
    init(_ exchange: DownloadExchange, stores: Stores, known: DownloadFiles?) {
        self.stores = stores
        self.exchange = exchange
        self.known = known
    }

    /// The answer, when nothing has to be waited for: the file is open, or the kernel has its path in memory, and the kernel has its bytes
    /// in memory. Otherwise nil; then a worker calls ``run()`` on another value of this type.
    mutating func runAtOnce() -> DownloadExchange.Reply? {
        var exchange = exchange
        var action = exchange.start()
        while true {
            switch action {
            case .open(let key):
                guard let here = known?.file(at: key) ?? stores.files.openAtOnce(key) else { return nil }
                file = here
                found.note(here, at: key)
                action = exchange.handle(.opened(size: here?.size))
            case .read(let range):
                guard let bytes = file?.readAtOnce(at: range.lowerBound, count: Int(range.count)) else { return nil }
                data = bytes
                action = exchange.handle(.read(range.upperBound - range.lowerBound))
            case .reply(let reply): return reply
            case .checkToken, .findOwners: return nil
            }
        }
    }

    /// Does action after action until the exchange answers; the bytes of a chunk are then in ``data``.
    mutating func run() -> DownloadExchange.Reply {
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

    private mutating func perform(_ action: DownloadExchange.Action) throws(StoreError) -> DownloadExchange.Input {
        switch action {
        case .checkToken(let token, let user):
            let verdict = try stores.users.checkToken(token, of: user)
            hasValidToken = verdict == .valid
            return .token(verdict)
        case .open(let key):
            if let known = known?.file(at: key) { file = known } else { file = try stores.files.open(key) }
            found.note(file, at: key)
            return .opened(size: file?.size)
        case .findOwners(let name):
            return .owners(try stores.users.users(withIcon: name))
        case .read(let range):
            guard let file else { return .failed(.missing) }
            data = try file.read(at: range.lowerBound, count: Int(range.count))
            return .read(Int64(data.count))
        case .reply: return .failed(.unavailable)
        }
    }
}

extension DownloadReply {
    /// The answer to `request`, field for field as in docs/protocol.md.
    init(_ request: DownloadRequest, _ reply: DownloadExchange.Reply, data: [UInt8]) {
        switch reply {
        case .error(let error):
            self.init(
                error: error.rawValue, name: request.name, clientPath: request.clientPath, reqType: request.reqType)
        case .chunk(let chunk):
            self.init(
                error: ClassicError.success, name: request.name, clientPath: request.clientPath, seq: request.seq,
                totalSize: chunk.totalSize, currentSize: chunk.range.upperBound, isLast: chunk.isLast, data: data,
                reqType: request.reqType)
        }
    }
}

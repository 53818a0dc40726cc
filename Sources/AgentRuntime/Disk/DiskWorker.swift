internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Logging
internal import PosixFiles
internal import TransferMachines

/// Carries out the machine's disk commands with the primitives of AvatarCache. Confined to the disk thread.
final class DiskWorker {
    var cache: CacheFolder
    var crops: UploadFolder
    let catalog: Catalog
    let cacheBytesMax: Int64?
    let uploadBytesMax: Int64
    let clock = SystemClock()
    let logger: Logger
    /// Waits until the watch has handed over what happened until now; nil where the two folders are two.
    let flushWatch: (() throws(WatchError) -> Void)?
    /// Whether one folder is cache and upload folder at once.
    var isShared: Bool { flushWatch != nil }
    /// The server and user that crops and parts are for: `host:port/uid`.
    var account = ""
    var uid: UserID?
    var tokenEpoch: Int64 = 0
    /// Which recorded files are still to be read again before they are trusted.
    var unaudited = Unaudited.nothing
    /// Parts that were verified in the round under way.
    var verified: [AvatarName: VerifiedPart] = [:]
    /// The files behind the crops that the machine knows.
    var cropFacts: [CropID: CropFacts] = [:]
    /// Complete pictures of a shared folder that the machine has not judged yet.
    var candidates: [AvatarName: CropFacts] = [:]
    /// What there was to find when the catalog was opened, told with the first rescan.
    var results: [DiskResult] = []

    init(
        cache: CacheFolder, crops: UploadFolder, catalog: Catalog, cacheBytesMax: Int64?, uploadBytesMax: Int64,
        flushWatch: (() throws(WatchError) -> Void)?, logger: Logger
    ) {
        self.cache = cache
        self.crops = crops
        self.catalog = catalog
        self.flushWatch = flushWatch
        if catalog.opening.needsAudit { unaudited = .everything }
        self.cacheBytesMax = cacheBytesMax
        self.uploadBytesMax = uploadBytesMax
        self.logger = logger
    }

    /// Runs jobs in order; results are delivered as soon as a command has some.
    func run(_ jobs: [DiskThread.Job], deliver: ([DiskResult]) -> Void) {
        var appends: [PartAppend] = []
        for job in jobs {
            if case .command(.append(let name, let offset, let bytes)) = job {
                appends.append(PartAppend(name: name, offset: offset, bytes: bytes))
                continue
            }
            append(&appends)
            switch job {
            case .command(let command): perform(command)
            case .ask(let question): question(self)
            }
            if !results.isEmpty {
                deliver(results)
                results = []
            }
        }
        append(&appends)
        if !results.isEmpty {
            deliver(results)
            results = []
        }
    }

    func close() {
        do {
            try catalog.close()
        } catch {
            logger.warning("the catalog was not closed in order", metadata: ["detail": "\(error)"])
        }
    }

    private func perform(_ command: DiskCommand) {
        switch command {
        case .start: start()
        case .lookUp(let names, let touch): lookUp(names, touch: touch)
        case .touch(let names):
            quietly("noting what was wanted") { () throws(CacheError) in try catalog.touch(names, at: now()) }
        case .beginPart(let name, let totalSize, let chunkSize): begin(name, totalSize: totalSize, chunkSize: chunkSize)
        case .append: break  // Grouped by `run`.
        case .discardPart(let name):
            quietly("discarding a part") { () throws(CacheError) in try cache.discardParts([name]) }
        case .trimParts(let kept):
            quietly("trimming parts") { () throws(CacheError) in
                _ = try cache.trimParts(keep: Set(kept), now: clock.now)
            }
        case .commit(let step, let items): results.append(.committed(step, commit(step, items)))
        case .examine(let name, let mode): results.append(.examined(name, examine(name, mode)))
        case .judged(let name, let refusal): judged(name, refusal)
        case .adopt(let name): adopt(name)
        case .readCrop(let id, let seq, let range): readCrop(id, seq: seq, range: range)
        case .stageCrop(let id): stage(id)
        case .finishCrop(let id): finish(id)
        case .forgetCrop(let id):
            if let facts = cropFacts.removeValue(forKey: id) { crops.finishReading(facts.name) }
        case .setCropAside(let id, let reason): setAside(id, reason: reason)
        case .setNegative(let name, let reason): setNegative(name, reason)
        case .clearNegatives(let names):
            quietly("lifting refusals") { () throws(CacheError) in try catalog.clearNegatives(names) }
        case .clearNegativesOfOtherTokens(let epoch):
            quietly("lifting refusals") { () throws(CacheError) in
                try catalog.clearNegatives(tokenEpochIsNot: epoch)
            }
        case .inspect(let name): inspect(name)
        case .rescan(let folder): rescan(folder)
        case .audit(let name): audit(after: name)
        case .evict(let kept): evict(keep: kept)
        case .forget(let name): forget(name)
        case .importCrop(let stream, let path): importCrop(stream, path: path)
        case .readEvents(let stream, let since, let epoch): readEvents(stream, since: since, epoch: epoch)
        case .list(let stream, let state, let after, let limit): list(stream, state: state, after: after, limit: limit)
        case .probe: results.append(.probed(probe()))
        }
    }

    // MARK: Looking up

    func now() -> UnixTime { clock.wall }

    private func lookUp(_ names: [AvatarName], touch: Bool) {
        do throws(CacheError) {
            results.append(.lookedUp(try rows(names)))
            if touch { try catalog.touch(names, at: now()) }
        } catch {
            logger.error("the catalog cannot be read", metadata: ["detail": "\(error)"])
            results.append(.lookedUp(names.map { CatalogRow(name: $0) }))
        }
    }

    /// What the catalog knows of names, and whether the folder agrees: a file that was taken away unnoticed is gone.
    func rows(_ names: [AvatarName]) throws(CacheError) -> [CatalogRow] {
        let avatars = try catalog.avatars(named: names)
        let negatives = try catalog.negatives(named: names.filter { avatars[$0] == nil })
        let moment = clock.now
        let wall = now()
        var rows: [CatalogRow] = []
        var gone: [AvatarName] = []
        rows.reserveCapacity(names.count)
        for name in names {
            var row = CatalogRow(name: name)
            if let avatar = avatars[name] {
                if try isIntact(avatar) ? true : isKept(avatar) {
                    row.avatar = AvatarRecord(avatar)
                } else {
                    gone.append(name)
                }
            }
            if row.avatar == nil {
                row.part = try cache.resumablePart(name, serverKey: account, now: moment)?.machinePart
                row.negative = negatives[name].map {
                    Negative(reason: $0.reason, keptUntil: $0.until, wall: wall, now: moment)
                }
            }
            rows.append(row)
        }
        for event in try removed(gone) { results.append(.vanished(event.name, [event])) }
        return rows
    }

    /// Whether the file of a row is as it was recorded, or is being replaced by the round of commits under way.
    func isIntact(_ avatar: AvatarRow) throws(CacheError) -> Bool {
        if verified[avatar.name] != nil { return true }
        guard unaudited.contains(avatar.name) else { return try cache.isUnchanged(avatar) }
        guard case .success(let file)? = try cache.examine(avatar.name) else { return false }
        return file.sha256 == avatar.sha256
    }

    // MARK: Parts

    private func begin(_ name: AvatarName, totalSize: Int64, chunkSize: Int64) {
        do throws(CacheError) {
            try cache.beginPart(
                PartStart(name: name, totalSize: totalSize, chunkSize: chunkSize, serverKey: account), now: clock.now)
        } catch {
            results.append(failure(of: name, error))
        }
    }

    /// What a file system cannot take under any circumstances is the name's fault, and no reason to stop all others.
    private func failure(of name: AvatarName, _ error: CacheError) -> DiskResult {
        guard let posix = error.posix, posix.isOfTheName else { return .partFailed(name, error.fault) }
        return .partRefused(name, reason: posix.description)
    }

    private func append(_ appends: inout [PartAppend]) {
        guard !appends.isEmpty else { return }
        defer { appends = [] }
        do throws(CacheError) {
            for (append, outcome) in zip(appends, try cache.appendParts(appends)) {
                switch outcome {
                case .held(let end): results.append(.wrote(append.name, through: end))
                case .failed(let error): results.append(failure(of: append.name, error))
                case .noPart, .wrongOffset, .pastEnd: results.append(.partLost(append.name))
                }
            }
        } catch {
            for append in appends { results.append(.partFailed(append.name, error.fault)) }
        }
    }

    // MARK: Refusals

    private func setNegative(_ name: AvatarName, _ reason: AbsenceReason) {
        let wall = now()
        quietly("keeping a refusal") { () throws(CacheError) in
            let event = try catalog.setNegative(
                NegativeRow(
                    name: name, owner: nil, reason: reason, until: Negative.keptUntil(reason, wall: wall),
                    tokenEpoch: tokenEpoch, generation: nil, attempts: 1), at: wall)
            results.append(.logged([AvatarEvent(event)]))
        }
    }

    // MARK: Helpers

    /// The token's number; see ``Catalog/tokenEpoch(of:)``.
    func tokenEpoch(of account: Account) -> Int64 {
        quietly("numbering the token") { () throws(CacheError) in
            tokenEpoch = try catalog.tokenEpoch(of: "\(account.key)\n\(account.token)")
        }
        return tokenEpoch
    }

    /// From here on crops and parts belong to this server and user. Called in the order of the machine's commands: what it wanted for
    /// another account before was done for that one.
    func use(_ account: Account) {
        self.account = account.key
        uid = account.uid
    }

    /// For what nobody waits for: a failure is logged, and does no more harm than a thing forgotten.
    func quietly(_ what: String, _ body: () throws(CacheError) -> Void) {
        do {
            try body()
        } catch {
            logger.warning("the catalog failed", metadata: ["doing": "\(what)", "detail": "\(error)"])
        }
    }

    /// Takes away the rows of files that are gone.
    func removed(_ names: [AvatarName], reason: String? = nil) throws(CacheError) -> [AvatarEvent] {
        try cache.recordRemoved(names, reason: reason, at: now()).map { AvatarEvent($0) }
    }
}

/// How far the files that a power cut may have harmed have been read again, in the order of their names.
enum Unaudited {
    case nothing
    case after(AvatarName)
    case everything

    func contains(_ name: AvatarName) -> Bool {
        switch self {
        case .nothing: false
        case .after(let last): last < name
        case .everything: true
        }
    }
}

extension CacheError {
    /// What the machine makes of it.
    var fault: StorageFault { code == .diskFull ? .full : .failed(description) }
}

extension PartRow {
    /// The part as a download goes on from it.
    var machinePart: DownloadMachine.Part? {
        guard let geometry = ChunkGeometry(totalSize: totalSize, chunkSize: chunkSize) else { return nil }
        return DownloadMachine.Part(geometry: geometry, held: offset, begun: startedAt)
    }
}

extension AvatarRecord {
    init(_ row: AvatarRow) {
        self.init(
            name: row.name, owner: row.owner, size: row.identity.size, sha256: row.sha256, assurance: row.assurance,
            generation: row.generation, isOwn: row.origin == .own)
    }
}

extension AvatarEvent {
    init(_ row: EventRow) {
        self.init(cursor: row.cursor, kind: Kind(row.kind), name: row.name)
    }
}

extension AvatarEvent.Kind {
    init(_ kind: EventRow.Kind) {
        switch kind {
        case .ready: self = .ready
        case .changed: self = .changed
        case .removed: self = .removed
        case .failed: self = .failed
        case .uploaded: self = .uploaded
        case .icon: self = .icon
        }
    }
}

internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Logging
internal import PosixFiles
internal import TransferMachines

/// Carries out the machine's disk commands with the primitives of AvatarCache, and decides nothing. Confined to the disk thread.
final class DiskWorker {
    var cache: CacheFolder
    var crops: UploadFolder
    var catalog: Catalog
    /// The state folder and the locks.
    let home: StateHome
    let paths: HeldPaths
    /// Writes the kept login again, where the state folder has lost it.
    let restoreLogin: () throws -> Void
    /// Crops that wait and came back with their folder, for the next look through it.
    var returned: [AvatarName] = []
    let cacheBytesMax: Int64?
    let uploadBytesMax: Int64
    let clock = SystemClock()
    let logger: Logger
    /// Waits until the watch has handed over what happened until now; nil where the two folders are two.
    let flushWatch: (() throws(WatchError) -> Void)?
    /// Whether one folder is cache and upload folder at once.
    var isShared: Bool { flushWatch != nil }
    /// Whose crops, parts and refusals the commands are about; nil while nobody is logged in.
    private(set) var account: Account?
    /// The number of the account's token, once the catalog has given one.
    var tokenEpoch: Int64 = 0
    /// Which recorded files are still to be read again before they are trusted.
    var unaudited = Unaudited.nothing
    /// The files behind the crops that the machine knows.
    var cropFacts: [CropID: CropFacts] = [:]
    /// Settled files of which the machine has not decided whether they are crops.
    var candidates: [AvatarName: CropFacts] = [:]
    /// Files that lack their end mark, and since when they have been as they are.
    var unended: [AvatarName: (identity: FileIdentity, since: MonotonicTime)] = [:]
    /// Results that are to be delivered after the command.
    var results: [DiskResult] = []
    private var toldTotals: (files: Int, bytes: Int64)?
    /// Parts that wait for a round of commits, and since when the first of them does.
    private var commits: [CommitMachine.Item] = []
    private var commitsSince = MonotonicTime.never

    init(
        cache: CacheFolder, crops: UploadFolder, catalog: Catalog, home: StateHome, paths: HeldPaths,
        cacheBytesMax: Int64?, uploadBytesMax: Int64, flushWatch: (() throws(WatchError) -> Void)?,
        restoreLogin: @escaping () throws -> Void, logger: Logger
    ) {
        self.home = home
        self.paths = paths
        self.restoreLogin = restoreLogin
        self.cache = cache
        self.crops = crops
        self.catalog = catalog
        self.flushWatch = flushWatch
        if catalog.opening.needsAudit { unaudited = .everything }
        self.cacheBytesMax = cacheBytesMax
        self.uploadBytesMax = uploadBytesMax
        self.logger = logger
    }

    func close() {
        do {
            try catalog.close()
        } catch {
            logger.warning("the catalog was not closed in order", metadata: ["detail": "\(error)"])
        }
    }

    /// Names the account for the commands that follow; the machine has the catalog open it.
    func use(_ account: Account?) { self.account = account }

    /// What the catalog calls whose crops and parts are whose; nil while nobody is logged in.
    var accountKey: String? { account?.key }

    // MARK: A batch of jobs

    /// Runs jobs in order; results are delivered as soon as a command has some. Chunks that come together share a transaction. Parts that were
    /// finished wait in ``commits`` for each other, until a command comes that is about something else, or the thread has nothing
    /// else to do (``finishCommits(deliver:)``).
    func run(_ jobs: [DiskThread.Job], deliver: ([DiskResult]) -> Void) {
        var appends: [PartAppend] = []
        func writeChunks() {
            append(appends)
            appends = []
        }
        for job in jobs {
            switch job {
            case .command(.append(let name, let offset, let bytes)):
                if isCommitting(name) { commitAll() }
                appends.append(PartAppend(name: name, offset: offset, bytes: bytes))
                continue
            case .command(.beginPart(let name, let plan)):
                if appends.contains(where: { $0.name == name }) { writeChunks() }
                if isCommitting(name) { commitAll() }
                begin(name, plan)
            case .command(.commit(let items)):
                if commits.isEmpty { commitsSince = clock.now }
                commits += items
                continue
            // What crops need on their way up does not end the wait: their copies share a round, too.
            case .command(.readCrop), .command(.finishCrops), .command(.stageCrop):
                guard case .command(let command) = job else { continue }
                if case .stageCrop(let id) = command, let facts = cropFacts[id], isCommitting(facts.name) {
                    commitAll()
                }
                perform(command)
            case .command(let command):
                writeChunks()
                commitAll()
                perform(command)
            case .ask(let question):
                writeChunks()
                commitAll()
                question(self)
            }
            hand(over: deliver)
        }
        writeChunks()
        hand(over: deliver)
        guard commits.count >= Limits.Commit.groupMax || clock.now - commitsSince >= Limits.Commit.delayMax else {
            return
        }
        finishCommits(deliver: deliver)
    }

    /// Commits what waits.
    func finishCommits(deliver: ([DiskResult]) -> Void) {
        commitAll()
        hand(over: deliver)
    }

    private func isCommitting(_ name: AvatarName) -> Bool { commits.contains { $0.name == name } }

    private func commitAll() {
        commit(commits)
        commits = []
    }

    private func hand(over deliver: ([DiskResult]) -> Void) {
        guard !results.isEmpty else { return }
        tellTotals()
        deliver(results)
        results = []
    }

    func perform(_ command: DiskCommand) {
        do throws(CacheError) {
            try carryOut(command)
        } catch {
            logger.warning(
                "the disk or the catalog failed",
                metadata: ["doing": "\(String("\(command)".prefix(120)))", "detail": "\(error)"])
            results.append(.failed(command, fault(of: error)))
        }
    }

    /// What the machine makes of an error: which disk is full, where one is. SQLite says only that something is.
    func fault(of error: CacheError) -> StorageFault {
        switch error.code {
        case .diskFull: error.posix == nil ? .stateFull : .full
        case .io where error.posix == nil && home.isFull(): .stateFull
        default: .failed(error.description)
        }
    }

    private func carryOut(_ command: DiskCommand) throws(CacheError) {
        switch command {
        case .start: try start()
        case .openAccount: try openAccount()
        case .lookUp(let names, let touch): try lookUp(names, touch: touch)
        case .touch(let names): try catalog.touch(names, at: now())
        case .beginPart, .append, .commit: break  // `run` takes them together.
        case .discardPart(let name): try cache.discardParts([name])
        case .trimParts(let kept): try trimParts(keep: kept)
        case .examine(let name): results.append(.examined(name, try examine(name)))
        case .judge(let name, let verdict): try judged(name, verdict)
        case .adopt(let name): try adopt(name)
        case .readCrop(let id, let range): readCrop(id, range)
        case .stageCrop(let id): stage(id)
        case .finishCrops(let ids): try finish(ids)
        case .forgetCrop(let id): forgetCrop(id)
        case .setCropAside(let id, let reason): try setAside(id, reason: reason)
        case .setNegative(let name, let reason, let attempts): try setNegative(name, reason, attempts: attempts)
        case .clearNegatives(let names): try catalog.clearNegatives(names)
        case .inspect(let name): try inspect(name)
        case .rescan(.cache): try rescanCache()
        case .rescan(.crops): try rescanCrops()
        case .audit(let name): try audit(after: name)
        case .evict(let kept): try evict(keep: kept)
        case .forget(let stream, let name): try forget(stream, name)
        case .importCrop(let stream, let path): importCrop(stream, path: path)
        case .readEvents(let stream, let since, let epoch): try readEvents(stream, since: since, epoch: epoch)
        case .list(let stream, let state, let after, let limit):
            try list(stream, state: state, after: after, limit: limit)
        case .probe: results.append(.probed(probe()))
        case .comparePaths: comparePaths()
        case .restoreState: try restoreState()
        }
    }

    // MARK: Helpers

    func now() -> UnixTime { clock.wall }

    /// Tells how much the cache holds, when that is not what was told last.
    func tellTotals() {
        let totals = catalog.totals
        guard toldTotals?.files != totals.files || toldTotals?.bytes != totals.bytes else { return }
        toldTotals = totals
        let isOverfull = cacheBytesMax.map { totals.bytes > $0 } ?? false
        results.append(.totals(files: totals.files, bytes: totals.bytes, isOverfull: isOverfull))
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

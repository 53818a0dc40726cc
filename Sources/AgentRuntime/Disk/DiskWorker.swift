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
    private(set) var cacheBytesMax: Int64?
    private(set) var uploadBytesMax: Int64
    let clock = SystemClock()
    let logger: Logger
    /// Waits until the watch has handed over what happened until now; nil where the two folders are two.
    let flushWatch: (() throws(WatchError) -> Void)?
    /// Has the watch tell once when a writer of this file of the upload folder closes it.
    let awaitClose: (AvatarName) throws(WatchError) -> Void
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
    /// Crops that left their names, and may have been given others.
    var departed = DepartedCrops()
    /// Results that are to be delivered after the command.
    var results: [DiskResult] = []
    private var toldTotals: (files: Int, bytes: Int64)?
    /// Parts that wait for a round of commits, and since when the first of them does.
    private var commits: [CommitMachine.Item] = []
    private var commitsSince = MonotonicTime.never

    init(
        cache: CacheFolder, crops: UploadFolder, catalog: Catalog, home: StateHome, paths: HeldPaths,
        cacheBytesMax: Int64?, uploadBytesMax: Int64, flushWatch: (() throws(WatchError) -> Void)?,
        awaitClose: @escaping (AvatarName) throws(WatchError) -> Void, restoreLogin: @escaping () throws -> Void,
        logger: Logger
    ) {
        self.home = home
        self.paths = paths
        self.restoreLogin = restoreLogin
        self.cache = cache
        self.crops = crops
        self.catalog = catalog
        self.flushWatch = flushWatch
        self.awaitClose = awaitClose
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

    /// Bounds that were configured anew.
    func setBounds(cacheBytesMax: Int64?, uploadBytesMax: Int64) throws(CacheError) {
        self.cacheBytesMax = cacheBytesMax
        self.uploadBytesMax = uploadBytesMax
        crops.bytesMax = uploadBytesMax
        toldTotals = nil
        tellTotals()
        try forgetWhatFitsNow()
    }

    /// Files that were too large under the bound of before, perhaps in an earlier run, and are not any more: they are forgotten, so that the
    /// next look through the folder finds them.
    func forgetWhatFitsNow() throws(CacheError) {
        let key = "upload_bytes_max"
        let before = try catalog.setting(key).flatMap { Int64($0) } ?? uploadBytesMax
        if uploadBytesMax > before { try catalog.forgetRefusedCrops(largerThan: before, upTo: uploadBytesMax) }
        try catalog.set(key, to: "\(uploadBytesMax)")
    }

    // MARK: A batch of jobs

    /// Runs jobs in order; results are delivered as soon as a command has some. What comes together shares transactions: parts that begin and
    /// their chunks, and notes of crops that the server has. Parts that were finished wait in ``commits`` for each other, until a command
    /// comes that is about something else, or the thread has nothing else to do (``finishCommits(deliver:)``).
    func run(_ jobs: [DiskThread.Job], deliver: ([DiskResult]) -> Void) {
        var chunks = ChunkBatch()
        var finished: [CropID] = []
        var afterWriting: [@Sendable () -> Void] = []
        for job in jobs {
            switch job {
            case .command(.append(let name, let offset, let bytes)):
                if isCommitting(name) { commitAll() }
                chunks.append(PartAppend(name: name, offset: offset, bytes: bytes))
                continue
            case .command(.beginPart(let name, let plan)):
                if chunks.concern(name) { writeOut(&chunks) }
                // The new part takes the place of the one that waits to become a picture.
                if isCommitting(name) { commitAll() }
                chunks.begin(name, plan)
                continue
            case .command(.commit(let items)):
                if commits.isEmpty { commitsSince = clock.now }
                commits += items
                continue
            case .command(.finishCrops(let ids)):
                finished += ids
                continue
            case .afterWriting(let tell):
                afterWriting.append(tell)
                continue
            // What crops need on their way up does not end the wait: their copies share a round, too.
            case .command(let command) where isOfCrops(command):
                noteFinished(&finished, before: command)
                if let name = name(of: command) {
                    if chunks.concern(name) { writeOut(&chunks) }
                    if isCommitting(name) { commitAll() }
                }
                perform(command)
            case .command(let command):
                noteFinished(&finished)
                writeOut(&chunks)
                commitAll()
                perform(command)
            case .ask(let question):
                noteFinished(&finished)
                writeOut(&chunks)
                commitAll()
                question(self)
            }
            hand(over: deliver)
        }
        noteFinished(&finished)
        writeOut(&chunks)
        for tell in afterWriting { tell() }
        hand(over: deliver)
        guard commits.count >= Limits.Commit.groupMax || clock.now - commitsSince >= Limits.Commit.delayMax else {
            return
        }
        finishCommits(deliver: deliver)
    }

    private func writeOut(_ chunks: inout ChunkBatch) {
        write(chunks)
        chunks = ChunkBatch()
    }

    /// Notes the crops that the server has, in the order in which it took them.
    private func noteFinished(_ ids: inout [CropID], before command: DiskCommand? = nil) {
        // Bytes of other crops are read meanwhile, and change nothing.
        if case .readCrop = command { return }
        if !ids.isEmpty { perform(.finishCrops(ids)) }
        ids = []
    }

    /// Whether a command is about crops and one name at most, so that pictures of other names need not be committed before it.
    private func isOfCrops(_ command: DiskCommand) -> Bool {
        switch command {
        case .readCrop, .stageCrop, .examine, .judge, .look, .forgetCrop, .keepLocation, .setCropAside, .logRefusal:
            true
        default: false
        }
    }

    /// The picture that such a command is about, where it matters to a commit.
    private func name(of command: DiskCommand) -> AvatarName? {
        switch command {
        case .stageCrop(let id): cropFacts[id]?.name
        case .examine(let name), .judge(let name, _), .look(let name): name
        default: nil
        }
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
        case .beginPart, .append, .commit: break  // `run(_:deliver:)` takes them together.
        case .discardPart(let name): try cache.discardParts([name])
        case .trimParts(let kept): try trimParts(keep: kept)
        case .look(let name): look(name)
        case .findRefused: try findRefused()
        case .check(let stream): try check(stream)
        case .examine(let name): results.append(.examined(name, try examine(name)))
        case .judge(let name, let verdict): try judged(name, verdict)
        case .adopt(let name): try adopt(name)
        case .readCrop(let id, let range): readCrop(id, range)
        case .stageCrop(let id): stage(id)
        case .finishCrops(let ids): try finish(ids)
        case .noteIcon(let name, let account):
            results.append(.logged([AvatarEvent(try catalog.noteIcon(name, of: account, at: now()))]))
        case .forgetCrop(let id): forgetCrop(id)
        case .keepLocation(let id, let location): try keepLocation(id, location)
        case .setCropAside(let id, let reason): try setAside(id, reason: reason)
        case .logRefusal(let name, let reason): try logRefusal(name, reason)
        case .setNegative(let name, let reason, let attempts): try setNegative(name, reason, attempts: attempts)
        case .noteChecked(let name): try catalog.noteChecked([name], at: now())
        case .noteChanges(let notes):
            if let accountKey { try catalog.noteChanges(notes, by: accountKey, at: now()) }
            results.append(.changesNoted(notes))
        case .clearNegatives(let names): try catalog.clearNegatives(names)
        case .inspect(let name): try inspect(name)
        case .rescan(.cache): try rescanCache()
        case .rescan(.crops): try rescanCrops()
        case .audit(let name): try audit(after: name)
        case .evict(let kept): try evict(keep: kept)
        case .forget(let stream, let name): try forget(stream, name)
        case .dismiss(let stream, let name): try dismiss(stream, name)
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

/// Parts that begin and chunks behind those that are held: what one transaction takes.
struct ChunkBatch {
    private(set) var begins: [(name: AvatarName, plan: PartPlan)] = []
    private(set) var appends: [PartAppend] = []
    private var names: Set<AvatarName> = []

    var isEmpty: Bool { names.isEmpty }

    func concern(_ name: AvatarName) -> Bool { names.contains(name) }

    mutating func begin(_ name: AvatarName, _ plan: PartPlan) {
        names.insert(name)
        begins.append((name, plan))
    }

    mutating func append(_ append: PartAppend) {
        names.insert(append.name)
        appends.append(append)
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

internal import AvatarCore

/// Finds the user's crops in the upload folder: which files are to be examined, in which order, and what the examination makes of them.
struct CropDiscovery: Sendable {
    /// What the rest of the machine has to do.
    enum Action: Hashable, Sendable {
        case disk(DiskCommand)
        case log(ActivityLog.Entry)
        /// More files settled than are kept in memory: the folder is to be looked through once more.
        case rescan
        /// The crop is to be sent.
        case found(Crop)
        /// The server has the file, or it is not the user's to send.
        case known(AvatarName)
        /// The file is gone, or no picture any more: a crop of that name that was not sent is sent no longer.
        case withdrawn(AvatarName)
        /// Calls that follow the upload of this file end with the reason.
        case refused(AvatarName, reason: String)
        /// The examination failed: the folder is to be looked through when the disk is well.
        case failed(StorageFault)
    }

    /// What the machine knows besides the file, for ``CropRule``.
    struct Context: Sendable {
        let user: UserID?
        /// Whether a label, a fetch or a transfer under way is for the name.
        let isWanted: Bool
        let isIcon: Bool
        /// Whether the crop of that name is the last one that waits.
        let isLastWaiting: Bool
    }

    /// Whether one folder is cache and upload folder at once, and how often its files were closed.
    let isShared: Bool
    private var closes = SharedFolderCloses()
    /// Looks through the folder that have not come back.
    private var pendingScans = 0
    /// Files that settled while a look through the folder was due.
    private var deferred: [AvatarName] = []
    /// Files that a person asked for while a look through the folder was due, which may still find crops that were closed before. Each was
    /// placed in the folder when it was asked for, so that its time says where it belongs.
    private var askedFor: [(name: AvatarName, isExamined: Bool)] = []
    private var queue = ExaminationQueue()
    /// When files without an end mark are looked at again.
    private var unended: [AvatarName: MonotonicTime] = [:]

    init(isShared: Bool) { self.isShared = isShared }

    /// How many files wait for a look through the folder.
    var deferredCount: Int { max(deferred.count, askedFor.count) }

    // MARK: What is to be examined

    /// A file was closed after writing, or moved in. `isScanDue` when the folder is to be looked through before.
    mutating func settled(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        if isShared { closes.closed(name) }
        return examineInOrder(name, isScanDue: isScanDue)
    }

    /// A file was removed or moved away.
    mutating func gone(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        closes.begin(name)
        return [.log(.uploadSolved(name))] + examineInOrder(name, isScanDue: isScanDue)
    }

    /// What settles while the folder is looked through waits its turn: the look may still find crops that were closed before.
    mutating func examineInOrder(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        guard isScanDue || pendingScans > 0 else { return examine(name, .normal) }
        deferred.removeAll { $0 == name }
        if deferred.count < Limits.Upload.deferredMax {
            deferred.append(name)
            return []
        }
        deferred = []
        return [.rescan]
    }

    /// A person asked for the upload of this file, which lies in the folder.
    mutating func asked(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        guard isScanDue || pendingScans > 0, askedFor.count < Limits.Upload.deferredMax else {
            return examine(name, .forced)
        }
        remember(name, isExamined: !isScanDue)
        return isScanDue ? [] : examine(name, .forced)
    }

    private mutating func remember(_ name: AvatarName, isExamined: Bool) {
        askedFor.removeAll { $0.name == name }
        if askedFor.count < Limits.Upload.deferredMax { askedFor.append((name, isExamined)) }
    }

    mutating func examine(_ name: AvatarName, _ mode: CropRule.Mode) -> [Action] {
        queue.add(name, mode)
        return next()
    }

    private mutating func next() -> [Action] { queue.next().map { [.disk(.examine($0))] } ?? [] }

    /// The disk was told to look through the folder.
    mutating func scanBegan() { pendingScans += 1 }

    /// A look through the folder found these files, oldest first.
    mutating func scanned(_ settled: [AvatarName], unnameable: [AvatarNameError], isScanDue: Bool) -> [Action] {
        let (asked, found) = (Set(askedFor.map(\.name)), Set(settled))
        askedFor.removeAll { found.contains($0.name) }
        return settled.flatMap { examine($0, asked.contains($0) ? .forced : .normal) }
            + unnameable.flatMap { self.unnameable($0) } + scanEnded(isScanDue: isScanDue)
    }

    /// The last look through the folder lets those files go that waited for it.
    mutating func scanEnded(isScanDue: Bool) -> [Action] {
        pendingScans = max(0, pendingScans - 1)
        guard pendingScans == 0, !isScanDue else { return [] }
        let (waiting, asked) = (deferred, askedFor)
        (deferred, askedFor) = ([], [])
        return waiting.flatMap { examine($0, .confirming) }
            + asked.flatMap { examine($0.name, $0.isExamined ? .normal : .forced) }
    }

    /// A file settled under a name that no avatar may have.
    func unnameable(_ name: AvatarNameError) -> [Action] {
        [.log(.notUploaded(String(name.name.prefix(Limits.Name.bytesMax)), reason: name.description))]
    }

    // MARK: What an examination finds

    mutating func examined(
        _ name: AvatarName, _ examination: Examination, _ context: Context, now: MonotonicTime
    ) -> [Action] {
        unended[name] = nil
        if case .settled(let candidate) = examination { return judge(name, candidate, context) }
        if case .unended(let reason) = examination { return waitForTheEnd(of: name, reason, now: now) }
        if examination != .busy { closes.begin(name) }
        _ = queue.finished()
        let actions: [Action]
        switch examination {
        case .settled, .unended: actions = []
        case .busy: actions = [.log(.step(name: name.string, what: "somebody is writing it"))]
        case .missing: actions = [.withdrawn(name)]
        case .refused(let reason):
            // In a shared folder a file that is no crop is somebody else's affair.
            let entry: ActivityLog.Entry =
                isShared
                ? .step(name: name.string, what: "no crop", detail: reason)
                : .notUploaded(name.string, reason: reason)
            actions = [.withdrawn(name), .log(entry), .refused(name, reason: reason)]
        }
        return actions + next()
    }

    /// Nobody writes the file, and it may be whole: its writer gets time to go on.
    private mutating func waitForTheEnd(of name: AvatarName, _ reason: String, now: MonotonicTime) -> [Action] {
        _ = queue.finished()
        // Of too many such files, those that come last are looked at with the next look through the folder.
        guard unended.count < Limits.Upload.unendedMax else { return next() }
        unended[name] = now + Limits.Upload.unendedQuiet
        return [.log(.step(name: name.string, what: "somebody may go on writing it", detail: reason))] + next()
    }

    // MARK: Time

    /// When a file without an end mark is to be looked at again.
    var deadline: MonotonicTime { unended.values.reduce(.never) { min($0, $1) } }

    mutating func tick(now: MonotonicTime, isScanDue: Bool) -> [Action] {
        guard deadline <= now else { return [] }
        let due = unended.filter { $0.value <= now }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
        for name in due { unended[name] = nil }
        return due.flatMap { examineInOrder($0, isScanDue: isScanDue) }
    }

    private mutating func judge(_ name: AvatarName, _ found: CropRule.Candidate, _ context: Context) -> [Action] {
        var candidate = found
        // The user's own icon is wanted, too, and its name is the user's to use again.
        candidate.shared?.isWanted = context.isWanted && !context.isIcon
        if context.isIcon { candidate.shared?.wasFetched = false }
        candidate.shared?.user = context.user
        candidate.shared?.closesHeard = closes.closes(of: name)
        // What a person asks for goes last, so that it is the icon: it is there already.
        let mode = queue.mode == .forced && context.isLastWaiting ? .confirming : queue.mode
        let verdict = CropRule.verdict(candidate, mode)
        closes.begin(name)
        let command = Action.disk(.judge(name, verdict))
        switch verdict {
        // The examination goes on until the crop is recorded.
        case .waits, .isNew: return [command]
        case .known: return [command] + notACrop(name)
        case .refused(let refusal):
            let step = ActivityLog.Entry.step(name: name.string, what: "not the user's own", detail: refusal.rawValue)
            return [command, .log(step)] + notACrop(name)
        }
    }

    /// A person who wants the file sent all the same has the last word.
    private mutating func notACrop(_ name: AvatarName) -> [Action] {
        let isForced = queue.finished()
        return (isForced ? [] : [.log(.uploadSolved(name)), .known(name)]) + next()
    }

    /// The verdict that the file is a crop is in the catalog.
    mutating func recorded(_ crop: Crop) -> [Action] {
        _ = queue.finished()
        return [.log(.uploadSolved(crop.name)), .found(crop)] + next()
    }

    /// The file could not be read, or not be recorded: it is found again when the disk is well, and so is what waits behind it.
    mutating func failed(_ name: AvatarName, _ fault: StorageFault) -> [Action] {
        closes.begin(name)
        for asked in queue.forced { remember(asked, isExamined: false) }
        _ = queue.finished()
        let reason = "the disk or the catalog failed: \(fault)"
        return [.failed(fault)] + ([name] + queue.giveUp()).map { .refused($0, reason: reason) }
    }
}

extension ActivityLog.Entry {
    /// Under which problem it stands that a file of the upload folder is not sent.
    static func uploadKey(_ name: String) -> ExactString { ExactString("upload \(name)") }

    /// A file of the upload folder is not sent: said once, in `Status` and the log.
    static func notUploaded(
        _ name: String, reason: String,
        remedy: String = "put right or remove the file; avatarctl upload FILE tries again"
    ) -> ActivityLog.Entry {
        .problem(
            key: uploadKey(name), what: "not uploaded: \(name): \(reason)", remedy: remedy,
            note: Note(.warning, "not uploaded", name: name, detail: reason))
    }

    /// The server refuses a crop that waits: a person should know until the server takes it.
    static func notUploaded(_ name: String, reason: UploadRefusal) -> ActivityLog.Entry {
        .problem(
            key: uploadKey(name), what: "not uploaded yet: \(name): \(reason.detail)", remedy: reason.remedy,
            note: Note(.warning, "upload refused", name: name, detail: reason.detail))
    }

    /// The file is sent after all, or is none of the user's any more.
    static func uploadSolved(_ name: AvatarName) -> ActivityLog.Entry { .solved(key: uploadKey(name.string)) }
}

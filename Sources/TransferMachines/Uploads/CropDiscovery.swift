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
        /// Somebody saved the picture again that is the user's avatar already, as far as is known.
        case savedAgain(AvatarName)
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
        /// Whether the name is the icon, and no crop waits to become it.
        let isCurrent: Bool
    }

    /// Whether one folder is cache and upload folder at once, and how often its files were closed.
    let isShared: Bool
    private var closes = SharedFolderCloses()
    /// The closes of the file whose verdict the disk is carrying out.
    private var judged: (name: AvatarName, closes: Int64)?
    /// Looks through the folder that have not come back.
    private var pendingScans = 0
    /// Names that no avatar may have, of which a person was told.
    private var unnameables: [AvatarNameError] = []
    /// Such names that came or went while the folder was looked through: the look may have been there before.
    private var unnameablesHeard: [AvatarNameError] = []
    /// Files that settled while a look through the folder was due.
    private var deferred: [AvatarName] = []
    /// Files that a person asked for while a look through the folder was due, which may still find crops that were closed before. Each was
    /// placed in the folder when it was asked for, so that its time says where it belongs.
    private var askedFor: [(name: AvatarName, isExamined: Bool)] = []
    private var queue = ExaminationQueue()
    /// Files that a look took for known although something had happened to them, and when: the word of a close before that look may come
    /// after it, and is about what the look has seen.
    private var passedOver: [AvatarName: MonotonicTime] = [:]
    /// When files without an end mark are looked at again.
    private var unended: [AvatarName: MonotonicTime] = [:]

    init(isShared: Bool) { self.isShared = isShared }

    /// How many files wait for a look through the folder.
    var deferredCount: Int { max(deferred.count, askedFor.count) }
    /// Whether every file that was heard of has been examined, but those that get time to end.
    var isIdle: Bool { pendingScans == 0 && deferred.isEmpty && askedFor.isEmpty && queue.isEmpty }
    /// Whether a file is examined, or waits for that.
    var isExamining: Bool { !queue.isEmpty }
    /// Whether the file is still to be examined.
    func isDue(_ name: AvatarName) -> Bool {
        queue.contains(name) || deferred.contains(name) || unended[name] != nil || askedFor.contains { $0.name == name }
    }

    // MARK: What is to be examined

    /// A file was closed after writing, or moved in. `isScanDue` when the folder is to be looked through before.
    mutating func settled(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        if isShared { closes.closed(name) }
        return examineInOrder(name, isScanDue: isScanDue)
    }

    /// A file was renamed within the folder.
    mutating func renamed(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        if isShared { closes.closed(name) }
        return examineInOrder(name, .renamed, isScanDue: isScanDue)
    }

    /// A file appeared without a writer.
    mutating func appeared(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        examineInOrder(name, .appeared, isScanDue: isScanDue)
    }

    /// Attributes of a file were changed: it may be readable now.
    mutating func touched(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        examineInOrder(name, .found, isScanDue: isScanDue)
    }

    /// A file was removed or moved away.
    mutating func gone(_ name: AvatarName, isScanDue: Bool) -> [Action] {
        closes.begin(name)
        return [.log(.uploadSolved(name))] + examineInOrder(name, isScanDue: isScanDue)
    }

    /// What settles while the folder is looked through waits its turn: the look may still find crops that were closed before.
    mutating func examineInOrder(
        _ name: AvatarName, _ mode: CropRule.Mode = .normal, isScanDue: Bool
    ) -> [Action] {
        guard isScanDue || pendingScans > 0 else { return examine(name, mode) }
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
        let gone = unnameables.filter { !unnameable.contains($0) && !unnameablesHeard.contains($0) }
        let told = unnameable.filter { !unnameablesHeard.contains($0) }
        return settled.flatMap { examine($0, asked.contains($0) ? .forced : .found) }
            + gone.flatMap { endUnnameable($0) } + told.flatMap { tellUnnameable($0) }
            + scanEnded(isScanDue: isScanDue)
    }

    /// These files were refused before, and are tried again.
    mutating func refusedFound(_ names: [AvatarName]) -> [Action] { names.flatMap { examine($0, .found) } }

    /// A person does not want the file sent: a crop of it that waits is taken back.
    func dismissed(_ name: AvatarName) -> [Action] {
        [
            .withdrawn(name), .log(.uploadSolved(name)), .log(.step(name: name.string, what: CropRule.dismissed)),
            .refused(name, reason: CropRule.dismissed),
        ]
    }

    /// The last look through the folder lets those files go that waited for it.
    mutating func scanEnded(isScanDue: Bool) -> [Action] {
        pendingScans = max(0, pendingScans - 1)
        if pendingScans == 0 { unnameablesHeard = [] }
        guard pendingScans == 0, !isScanDue else { return [] }
        let (waiting, asked) = (deferred, askedFor)
        (deferred, askedFor) = ([], [])
        return waiting.flatMap { examine($0, .confirming) }
            + asked.flatMap { examine($0.name, $0.isExamined ? .normal : .forced) }
    }

    /// Something lies under a name that no avatar may have. A name that begins with a dot is nobody's business.
    mutating func unnameable(_ name: AvatarNameError) -> [Action] {
        heard(name)
        return tellUnnameable(name)
    }

    /// What lay under a name that no avatar may have is gone.
    mutating func unnameableGone(_ name: AvatarNameError) -> [Action] {
        heard(name)
        return endUnnameable(name)
    }

    private mutating func heard(_ name: AvatarNameError) {
        guard pendingScans > 0, !unnameablesHeard.contains(name) else { return }
        if unnameablesHeard.count >= Limits.Upload.unnameableMax { unnameablesHeard.removeFirst() }
        unnameablesHeard.append(name)
    }

    private mutating func tellUnnameable(_ name: AvatarNameError) -> [Action] {
        guard name.code != .leadingDot else { return [] }
        if !unnameables.contains(name) {
            if unnameables.count >= Limits.Upload.unnameableMax { unnameables.removeFirst() }
            unnameables.append(name)
        }
        return [
            .log(
                .notUploaded(
                    Self.shown(name), reason: name.description, remedy: "rename or remove the file",
                    isDismissable: false))
        ]
    }

    private mutating func endUnnameable(_ name: AvatarNameError) -> [Action] {
        unnameables.removeAll { $0 == name }
        return [.log(.solved(key: ActivityLog.Entry.uploadKey(Self.shown(name))))]
    }

    private static func shown(_ name: AvatarNameError) -> String { String(name.name.prefix(Limits.Name.bytesMax)) }

    // MARK: What an examination finds

    mutating func examined(
        _ name: AvatarName, _ examination: Examination, _ context: Context, now: MonotonicTime
    ) -> [Action] {
        unended[name] = nil
        if case .settled(let candidate) = examination { return judge(name, candidate, context, now: now) }
        if case .unended(let reason) = examination { return waitForTheEnd(of: name, reason, now: now) }
        // A close that was counted may have its own examination still to come: the file may be there only since.
        if examination != .busy, !queue.isDueAgain(name) { closes.begin(name) }
        _ = queue.finished()
        let actions: [Action]
        switch examination {
        case .settled, .unended: actions = []
        case .busy: actions = [.log(.step(name: name.string, what: "somebody is writing it"))]
        case .missing:
            actions = [.log(.uploadSolved(name)), .withdrawn(name), .refused(name, reason: "the file is gone")]
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

    private mutating func judge(
        _ name: AvatarName, _ found: CropRule.Candidate, _ context: Context, now: MonotonicTime
    ) -> [Action] {
        var candidate = found
        if queue.mode == .normal, let seen = passedOver.removeValue(forKey: name),
            now - seen <= Limits.Upload.closeLateMax
        {
            candidate.recorded = found.recorded?.touched
        }
        // The user's own icon is wanted, too, and its name is the user's to use again.
        candidate.isCurrent = context.isCurrent
        candidate.shared?.isWanted = context.isWanted && !context.isIcon
        if context.isIcon { candidate.shared?.wasFetched = false }
        candidate.shared?.user = context.user
        let heard = closes.closes(of: name)
        judged = (name, heard)
        // Every close of a whole picture was counted by now: one that appeared without a close came by a link, all at once.
        candidate.shared?.closesHeard = queue.mode == .appeared ? max(1, heard) : heard
        // What a person asks for goes last, so that it is the icon: it is there already.
        let mode = queue.mode == .forced && context.isLastWaiting ? .confirming : queue.mode
        let verdict = CropRule.verdict(candidate, mode)
        let isPassedOver = verdict == .known && mode != .normal && candidate.recorded?.wasTouched == true
        if isPassedOver { passOver(name, now: now) }
        // A close that was counted may have its own examination still to come.
        if !isPassedOver || !queue.isDueAgain(name) { closes.begin(name) }
        let command = Action.disk(.judge(name, verdict))
        switch verdict {
        // The examination goes on until the crop is recorded.
        case .waits, .isNew, .renamed(.waiting): return [command]
        // A crop of the new name that was not sent was replaced.
        case .renamed(.dealtWith): return [command, .withdrawn(name)] + notACrop(name)
        case .known:
            let isSaved = mode == .normal && candidate.isCurrent && candidate.recorded?.wasTouched == true
            return [command] + (isSaved ? [.savedAgain(name)] : []) + notACrop(name)
        case .refused(let refusal):
            let step = ActivityLog.Entry.step(name: name.string, what: "not the user's own", detail: refusal.rawValue)
            return [command, .log(step)] + notACrop(name)
        }
    }

    private mutating func passOver(_ name: AvatarName, now: MonotonicTime) {
        if passedOver.count >= Limits.Upload.deferredMax {
            passedOver = passedOver.filter { now - $0.value <= Limits.Upload.closeLateMax }
        }
        if passedOver.count < Limits.Upload.deferredMax { passedOver[name] = now }
    }

    /// A person who wants the file sent all the same has the last word.
    private mutating func notACrop(_ name: AvatarName) -> [Action] {
        judged = nil
        let isForced = queue.finished()
        return (isForced ? [] : [.log(.uploadSolved(name)), .known(name)]) + next()
    }

    /// The verdict that the file is a crop is in the catalog.
    mutating func recorded(_ crop: Crop) -> [Action] {
        judged = nil
        _ = queue.finished()
        return [.log(.uploadSolved(crop.name)), .found(crop)] + next()
    }

    /// The file could not be read, or not be recorded: it is found again when the disk is well, and so is what waits behind it. Its close
    /// stays counted: in a shared folder a file that a look finds without one is somebody else's.
    mutating func failed(_ name: AvatarName, _ fault: StorageFault) -> [Action] {
        if let judged, judged.name == name { closes.closed(name, times: judged.closes) }
        judged = nil
        for asked in queue.forced { remember(asked, isExamined: false) }
        _ = queue.finished()
        let reason = "the disk or the catalog failed: \(fault)"
        return [.failed(fault)] + ([name] + queue.giveUp()).map { .refused($0, reason: reason) }
    }
}

extension ActivityLog.Entry {
    /// Under which problem it stands that a file of the upload folder is not sent.
    static func uploadKey(_ name: String) -> ExactString { ExactString("upload \(name)") }

    /// A file of the upload folder is not sent: said once, in `Status` and the log. A file whose name is no picture's cannot be dismissed.
    static func notUploaded(
        _ name: String, reason: String,
        remedy: String = "put right or remove the file; avatarctl upload FILE tries again", isDismissable: Bool = true
    ) -> ActivityLog.Entry {
        .problem(
            key: uploadKey(name), what: "not uploaded: \(name): \(reason)",
            remedy: remedy + (isDismissable ? dismissal(of: name) : ""),
            note: Note(.warning, "not uploaded", name: name, detail: reason), file: try? AvatarName(name))
    }

    /// The server refuses a crop that waits: a person should know until the server takes it.
    static func notUploaded(_ name: String, reason: UploadRefusal) -> ActivityLog.Entry {
        .problem(
            key: uploadKey(name), what: "not uploaded yet: \(name): \(reason.detail)",
            remedy: reason.remedy + dismissal(of: name),
            note: Note(.warning, "upload refused", name: name, detail: reason.detail), file: try? AvatarName(name))
    }

    /// The line to type that leaves the file alone, the name as a shell takes it.
    private static func dismissal(of name: String) -> String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._+@%:,="
        let word = name.allSatisfy(plain.contains) ? name : "'" + name.replacing("'", with: "'\\''") + "'"
        return "; avatarctl dismiss \(name.hasPrefix("-") ? "-- " : "")\(word) leaves it as it is"
    }

    /// The file is sent after all, or is none of the user's any more.
    static func uploadSolved(_ name: AvatarName) -> ActivityLog.Entry { .solved(key: uploadKey(name.string)) }
}

internal import AvatarCore

extension AgentMachine {
    /// Whether the disk and the catalog take writes, and when to ask again.
    struct StorageState: Sendable {
        var fault: StorageFault?
        var retryAt: MonotonicTime?
        /// Folders that are to be looked through when the disk is well again.
        var rescansDue: [WatchedFolder] = []
        var backoff = Backoff(first: Limits.Storage.retryFirst, longest: Limits.Storage.retryMax)

        var isFine: Bool { fault == nil }
        var deadline: MonotonicTime? { retryAt }
    }

    mutating func diskResult(_ result: DiskResult) {
        switch result {
        case .started(let facts): start(facts)
        case .notStarted(let fault): storageFailed(fault)
        case .lookedUp(let rows): for row in rows { lookedUp(row) }
        case .logged(let events): changed(events)
        case .overfull: actions.append(.disk(.evict(keep: kept())))
        case .wrote(let name, let offset): wrote(name, through: offset)
        case .partLost(let name): stall(name)
        case .partFailed(let name, let fault):
            storageFailed(fault)
            stall(name)
        case .partRefused(let name, let reason):
            if entries[name]?.status == .active { fail(name, .unsupported, detail: reason) }
        case .committed(let step, let outcomes): committed(step, outcomes)
        case .examined(let name, let examination): examined(name, examination)
        case .cropRead(let id, let seq, let bytes): perform(uploads.read(id, seq: seq, bytes: bytes, now: now))
        case .cropChanged(let id): cropChanged(id)
        case .cropStaged(let id): cropStaged(id)
        case .cropAdopted(let id, let record, let events): cropAdopted(id, record, events)
        case .cropNotStaged(let id, let fault): cropNotStaged(id, fault)
        case .cropFinished(let id, let name, let events): cropFinished(id, name, events)
        case .cropNotFinished(let id, let fault): cropNotFinished(id, fault)
        case .vanished(let name, let events):
            vanished([name])
            changed(events)
        case .rescanned(let folder, let settled, let unnameable, let gone, let events):
            rescanned(folder, settled: settled, unnameable: unnameable, gone: gone)
            changed(events)
        case .notRescanned(let folder, let fault):
            rescanLater(folder, fault)
            if folder == .crops { scanEnded() }
        case .moved(let folder):
            if folder == .crops { scanEnded() }
            guard lostFolders[folder] == nil else { return }
            folderEvent(.lost(folder, reason: "another folder, or none, lies at its path", remedy: nil))
        case .audited(let gone, let events, let next):
            vanished(gone)
            changed(events)
            if let next { actions.append(.disk(.audit(after: next))) }
        case .adopted(let record, let events): adopted(record, events)
        case .evicted(let names, let events):
            vanished(names)
            changed(events)
        case .imported(let stream, let name): imported(stream, name)
        case .refused(let stream, let fault):
            uploadCalls[stream] = nil
            if watchers.removeValue(forKey: stream) != nil { watcherOrder.removeAll { $0 == stream } }
            actions.append(.bus(.failed(stream, fault)))
        case .events(let stream, let page): eventsRead(stream, page)
        case .listed(let stream, let rows, let next): listed(stream, rows, next)
        case .probed(let fault): probed(fault)
        }
    }

    private mutating func lookedUp(_ row: CatalogRow) {
        guard let entry = entries[row.name], entry.status == .unknown || entry.status == .stalled else { return }
        entries[row.name]?.record = row.avatar
        entries[row.name]?.part = row.part
        entries[row.name]?.status = .idle
        if row.avatar != nil {
            entries[row.name]?.status = .ready
        } else if let negative = row.negative, negative.until > now {
            entries[row.name]?.status = .failed(
                negative.reason, detail: negative.reason.rawValue, until: negative.until)
        }
        let isFetched = entry.fetchWish != nil || entry.followWish != nil
        if isFetched, case .failed = entries[row.name]?.status { liftNegatives([row.name]) }
        // Before anybody is answered: what is wanted and not there is pending from now on. The entry stays for those who wait.
        refreshWish(row.name)
        entries[row.name]?.questions = []
        for (stream, question, target) in entry.questions { answer(question, of: target, stream) }
        entries[row.name]?.snapshotWaiters = []
        for stream in entry.snapshotWaiters { catalogAnswered(stream) }
        // Labels of a name that was not known yet have just had their first state.
        if entries[row.name]?.status == .ready {
            if entry.status == .stalled { concluded(row.name) } else { callsConcluded(row.name) }
        } else {
            tellFetches(row.name)
            tellUploadCalls(row.name)
        }
        dropIfUnwanted(row.name)
    }

    private mutating func wrote(_ name: AvatarName, through offset: Int64) {
        guard entries[name]?.status == .active else { return }
        for step in downloads[name]?.wrote(through: offset) ?? [] {
            guard case .commit(let totalSize) = step else { continue }
            finishedReceiving(name, totalSize: totalSize)
        }
    }

    /// Every byte is in the part.
    mutating func finishedReceiving(_ name: AvatarName, totalSize: Int64) {
        active.removeAll { $0 == name }
        downloads[name] = nil
        entries[name]?.status = .committing
        commit(CommitMachine.Item(name: name, origin: .download(size: totalSize, owner: labels.owner(of: name))))
    }

    // MARK: Commits

    mutating func commit(_ item: CommitMachine.Item) {
        if entries[item.name] == nil { entries[item.name] = Entry() }
        entries[item.name]?.status = .committing
        if let (step, items) = commits.add(item) { actions.append(.disk(.commit(step, items))) }
    }

    private mutating func committed(_ step: CommitMachine.Step, _ outcomes: [CommitOutcome]) {
        let (next, ended) = commits.finished(step, outcomes.map { ($0.name, $0.outcome) })
        if let (step, items) = next { actions.append(.disk(.commit(step, items))) }
        for (item, outcome) in ended { commitEnded(item, outcome) }
    }

    private mutating func commitEnded(_ item: CommitMachine.Item, _ outcome: CommitMachine.Outcome) {
        let name = item.name
        switch outcome {
        case .recorded(let record, let events):
            // A crop may have come through with nobody waiting for its name; it is the icon now.
            if case .crop = item.origin, entries[name] == nil { entries[name] = Entry() }
            entries[name]?.record = record
            entries[name]?.part = nil
            entries[name]?.status = .ready
            note(.info, "complete", name: name.string, detail: "\(record.size) bytes, \(record.assurance.rawValue)")
            storage.backoff.reset()
            if case .crop(let id) = item.origin { cropPlaced(id, name) }
            // Before the name may be forgotten: who follows the log is told of the picture, not of its name alone.
            changed(events)
            concluded(name)
        case .corrupt(let detail): commitFailed(item, .corrupt, detail)
        case .nameTaken:
            commitFailed(item, .nameTaken, "the name is there for another owner, or is not the agent's own")
        case .diskFull: commitStalled(item, .full)
        case .failed(let detail): commitStalled(item, .failed(detail))
        case .done: break
        }
    }

    private mutating func commitFailed(_ item: CommitMachine.Item, _ reason: AbsenceReason, _ detail: String) {
        switch item.origin {
        case .download: fail(item.name, reason, detail: detail)
        case .crop(let id):
            entries[item.name]?.status = .idle
            actions.append(.disk(.discardPart(item.name)))
            if let crop = uploads.finishing[id] { cropNotPlaced(crop, detail) }
        }
    }

    private mutating func commitStalled(_ item: CommitMachine.Item, _ fault: StorageFault) {
        storageFailed(fault)
        entries[item.name]?.status = .stalled
        if case .crop(let id) = item.origin { uploads.unstaged.append(id) }
    }

    // MARK: Storage that fails, and comes back

    /// Its bytes did not get to the disk: once nothing is in flight, the catalog says what is there.
    private mutating func stall(_ name: AvatarName) {
        guard entries[name]?.status == .active || entries[name]?.status == .queued else { return }
        downloads[name]?.stop()
        entries[name]?.status = .stalled
        queue.remove(name)
        releaseIfQuiet(name)
    }

    /// What a look at the folder would have found is found when the disk is well.
    mutating func rescanLater(_ folder: WatchedFolder, _ fault: StorageFault) {
        if !storage.rescansDue.contains(folder) { storage.rescansDue.append(folder) }
        storageFailed(fault)
    }

    mutating func storageFailed(_ fault: StorageFault) {
        guard storage.fault == nil else { return }
        storage.fault = fault
        storage.retryAt = now + storage.backoff.next(using: &random)
        switch fault {
        case .full:
            activity.problem(
                key: "storage", what: "the disk is full; transfers wait",
                remedy: "make room on the cache's file system",
                now: now)
        case .failed(let detail):
            activity.problem(
                key: "storage", what: "the disk or the catalog failed: \(detail)", remedy: "see the log", now: now)
        }
        note(.warning, "transfers wait for the disk", detail: "\(fault)")
    }

    mutating func storageTick() {
        guard let retryAt = storage.retryAt, retryAt <= now else { return }
        storage.retryAt = nil
        actions.append(.disk(.probe))
    }

    private mutating func probed(_ fault: StorageFault?) {
        guard storage.fault != nil else { return }
        if let fault {
            storage.fault = fault
            storage.retryAt = now + storage.backoff.next(using: &random)
            return
        }
        // The waits begin anew only with a picture that is there: a probe says little of a disk with room for a probe.
        storage.fault = nil
        storage.retryAt = nil
        activity.solved(key: "storage")
        note(.info, "the disk takes writes again")
        guard hasStarted else { return actions.append(.disk(.start)) }
        let stalled = entries.filter { $0.value.status == .stalled && downloads[$0.key] == nil }.keys.sorted()
        if !stalled.isEmpty { actions.append(.disk(.lookUp(stalled, touch: false))) }
        if let id = uploads.unnoted { actions.append(.disk(.finishCrop(id))) }
        for id in uploads.unstaged { actions.append(.disk(.stageCrop(id))) }
        uploads.unstaged = []
        let due = storage.rescansDue
        storage.rescansDue = []
        for folder in due { rescan(folder) }
    }

    // MARK: The cache folder

    /// Cache files went, by a person's hand or by eviction; what is wanted is fetched again.
    mutating func vanished(_ names: [AvatarName]) {
        for name in names {
            guard entries[name]?.status == .ready else { continue }
            entries[name]?.record = nil
            entries[name]?.status = .idle
            activity.step(name: name.string, what: "gone from the cache", detail: nil, now: now)
            refreshWish(name)
            if entries[name] != nil { tellLabels(name) }
        }
    }

    /// A picture has come to lie under its name by another hand than a commit's.
    mutating func adopted(_ record: AvatarRecord, _ events: [AvatarEvent]) {
        switch entries[record.name]?.status {
        case .idle, .failed, .unknown, .ready, .stalled:
            entries[record.name]?.record = record
            entries[record.name]?.status = .ready
        // A transfer under way comes to its end by itself, and finds the same bytes or another's.
        default: break
        }
        changed(events)
        concluded(record.name)
    }

    /// What eviction and trimming must leave: whatever somebody wants now.
    func kept() -> [AvatarName] {
        var names = Set(entries.filter { $0.value.rank != nil || $0.value.status == .committing }.keys)
        if let icon { names.insert(icon) }
        return names.sorted()
    }
}

internal import AvatarCore

extension AgentMachine {
    mutating func pumpUploads() {
        guard connection.online != nil, !paused.contains(.up), let login else { return }
        perform(uploads.pump(chunkBytes: login.uploadChunkBytes, now: now))
    }

    mutating func perform(_ steps: [UploadLine.Action]) {
        for step in steps {
            switch step {
            case .stray(let detail): stray(detail)
            case .machine(let crop, let action): uploadStep(crop, action)
            }
        }
    }

    private mutating func uploadStep(_ crop: Crop, _ step: UploadMachine.Action) {
        switch step {
        case .askProgress:
            actions.append(.send(.askProgress(crop)))
        case .read(let seq, let range):
            if paused.contains(.up) {
                uploads.connectionLost()
            } else {
                actions.append(.disk(.readCrop(crop.id, seq: seq, range: range)))
            }
        case .send(let chunk):
            if chunk.seq == 1 {
                story.step(name: crop.name.string, what: "uploading", detail: "\(crop.size) bytes", now: now)
            }
            story.bytesUp += Int64(chunk.data.count)
            actions.append(.send(.upload(crop, chunk)))
            tellUploadProgress(crop.name)
        case .done:
            connection.proven()
            story.solved(key: "upload \(crop.name)")
            note(.info, "uploaded", name: crop.name.string, detail: "\(crop.size) bytes")
            uploads.done()
            actions.append(.disk(.finishCrop(crop.id)))
        case .tokenRefused(let error):
            tokenRefused(error)
        case .refused(let detail):
            connection.proven()
            guard uploads.refused(now: now, random: &random) else {
                story.step(name: crop.name.string, what: "upload refused", detail: detail, now: now)
                return
            }
            setAside(crop, reason: "the server refused it \(Limits.Upload.refusalsMax) times: \(detail)")
        }
    }

    private mutating func setAside(_ crop: Crop, reason: String) {
        uploads.remove(crop.id)
        actions.append(.disk(.setCropAside(crop.id, reason: reason)))
        notUploaded(crop.name.string, reason: reason)
        tellUploadCalls(crop.name, failed: reason)
        tellLabels(crop.name)
    }

    /// A file of the upload folder that is no crop: said once, in `Status` and the log.
    mutating func notUploaded(_ name: String, reason: String) {
        let isNew = story.problem(
            key: "upload \(name)", what: "not uploaded: \(name): \(reason)",
            remedy: "put right or remove the file; avatarctl upload FILE tries again", now: now)
        if isNew { note(.warning, "not uploaded", name: name, detail: reason) }
    }

    // MARK: What the upload folder holds

    mutating func folderEvent(_ event: FolderChange) {
        switch event {
        case .settled(.crops, let name): settled(name)
        // The start finds out what is gone.
        case .gone(.crops, _) where !hasStarted: break
        case .gone(.crops, let name):
            story.solved(key: "upload \(name)")
            closes.begin(name)
            lookInOrder(name)
        case .settled(.cache, let name):
            actions.append(.disk(.inspect(name)))
            // The name was another's file; now that file may be the very picture.
            if isShared, case .failed(.nameTaken, _, _) = entries[name]?.status { actions.append(.disk(.adopt(name))) }
        case .gone(.cache, let name): actions.append(.disk(.inspect(name)))
        case .unnameable(.crops, let name): unnameable(name)
        case .unnameable(.cache, _): break
        case .overflow:
            story.overflows += 1
            note(.info, "the kernel dropped events; both folders are read again")
            rescan(.cache)
            rescan(.crops)
        case .lost(let folder, let reason, let remedy):
            let isNew = story.problem(
                key: "folder \(folder.rawValue)", what: "the \(folder.rawValue) folder is not watched: \(reason)",
                remedy: remedy ?? "put it back where the configuration says", now: now)
            if isNew { note(.warning, "a folder is not watched", detail: "\(folder.rawValue): \(reason)") }
            let firstWaits = Backoff(first: Limits.Storage.retryFirst, longest: Limits.Storage.retryMax)
            var backoff = lostFolders[folder]?.backoff ?? firstWaits
            let wait = backoff.next(using: &random)
            lostFolders[folder] = LostFolder(retryAt: now + wait, backoff: backoff)
        case .back(let folder):
            story.solved(key: "folder \(folder.rawValue)")
            lostFolders[folder] = nil
            note(.info, "a folder is watched again", detail: folder.rawValue)
            rescan(folder)
        }
    }

    /// A folder that is not watched is looked for again, and looked through meanwhile.
    mutating func retryFolders() {
        for folder in [WatchedFolder.crops, .cache] {
            guard let lost = lostFolders[folder], let retryAt = lost.retryAt, retryAt <= now else { continue }
            lostFolders[folder]?.retryAt = nil
            actions.append(.attach(folder))
            rescan(folder)
        }
    }

    mutating func rescan(_ folder: WatchedFolder) {
        // The start looks through both.
        guard hasStarted else { return }
        if folder == .crops { pendingScans += 1 }
        actions.append(.disk(.rescan(folder)))
    }

    private mutating func settled(_ name: AvatarName) {
        if isShared { closes.closed(name) }
        lookInOrder(name)
    }

    /// What settles while the folder is looked through waits its turn: the look may still find crops that were closed
    /// before.
    mutating func lookInOrder(_ name: AvatarName) {
        guard isLookDue else { return examine(name, .normal) }
        deferredCrops.removeAll { $0 == name }
        if deferredCrops.count < Limits.Upload.deferredMax { return deferredCrops.append(name) }
        // More than can be kept in mind: another look finds them.
        deferredCrops = []
        rescan(.crops)
    }

    /// Whether crops that were closed before what settles now may still be found by a look through the folder.
    private var isLookDue: Bool { !hasStarted || pendingScans > 0 || storage.rescansDue.contains(.crops) }

    mutating func examine(_ name: AvatarName, _ mode: ExamineMode) {
        looks.add(name, mode)
        lookAtNext()
    }

    private mutating func lookAtNext() {
        if let (name, mode) = looks.next() { actions.append(.disk(.examine(name, mode))) }
    }

    private mutating func unnameable(_ name: AvatarNameError) {
        notUploaded(String(name.name.prefix(Limits.Name.bytesMax)), reason: name.description)
    }

    mutating func rescanned(
        _ folder: WatchedFolder, settled: [AvatarName], unnameable: [AvatarNameError], gone: [AvatarName]
    ) {
        vanished(gone)
        guard folder == .crops else { return }
        for name in settled { examine(name, .normal) }
        for name in unnameable { self.unnameable(name) }
        scanEnded()
    }

    /// The last look through the upload folder lets those go that waited for it.
    mutating func scanEnded() {
        pendingScans = max(0, pendingScans - 1)
        guard !isLookDue else { return }
        let deferred = deferredCrops
        deferredCrops = []
        for name in deferred { examine(name, .confirming) }
    }

    mutating func examined(_ name: AvatarName, _ examination: Examination) {
        if case .candidate(let candidate) = examination { return judge(name, candidate) }
        if examination != .busy { closes.begin(name) }
        // A person wants it sent all the same: that look has the last word.
        let isForced = looks.finished()
        if !isForced || examination != .known { conclude(name, examination) }
        lookAtNext()
    }

    /// A picture that was closed in a shared folder: the user's next avatar, or somebody's download.
    private mutating func judge(_ name: AvatarName, _ found: SharedFolderRule.Candidate) {
        var candidate = found
        // The user's own icon is wanted too, and its name is the user's to use again.
        candidate.isWanted = name != icon && (entries[name]?.rank != nil || entries[name]?.status == .committing)
        candidate.user = login?.uid
        candidate.closesHeard = closes.closes(of: name)
        candidate.wasSeen = candidate.closesHeard > 0
        let refusal = SharedFolderRule.refusal(of: candidate)
        actions.append(.disk(.judged(name, refusal)))
        guard let refusal else { return }
        story.step(name: name.string, what: "not the user's own", detail: refusal.rawValue, now: now)
        examined(name, .known)
    }

    private mutating func conclude(_ name: AvatarName, _ examination: Examination) {
        switch examination {
        case .candidate: break
        case .failed(let fault):
            rescanLater(.crops, fault)
            for name in [name] + looks.giveUp() {
                tellUploadCalls(name, failed: "the disk or the catalog failed: \(fault)")
            }
        case .crop(let crop):
            story.solved(key: "upload \(name)")
            stopFetching(name)
            guard uploads.count < Limits.Upload.queueMax else {
                return notUploaded(name.string, reason: "more than \(Limits.Upload.queueMax) crops wait")
            }
            if let old = uploads.waitingCrop(of: name), old != crop.id { actions.append(.disk(.forgetCrop(old))) }
            uploads.add(crop)
            note(.info, "new crop", name: name.string, detail: "\(crop.size) bytes")
            tellLabels(name)
            tellUploadCalls(name)
        case .known:
            story.solved(key: "upload \(name)")
            lookUp([name], touch: false)
            tellUploadCalls(name)
        case .busy:
            story.step(name: name.string, what: "somebody is writing it", detail: nil, now: now)
        case .missing:
            withdraw(name)
        case .refused(let reason):
            withdraw(name)
            // In a shared folder what is no crop is somebody else's affair.
            if isShared {
                story.step(name: name.string, what: "no crop", detail: reason, now: now)
            } else {
                notUploaded(name.string, reason: reason)
            }
            tellUploadCalls(name, failed: reason)
        }
    }

    /// The crop takes the name: its copy goes into the very part that a download would write to.
    private mutating func stopFetching(_ name: AvatarName) {
        guard entries[name]?.status == .active || entries[name]?.status == .queued else { return }
        queue.remove(name)
        entries[name]?.part = nil
        entries[name]?.status = .idle
        downloads[name]?.stop()
        releaseIfQuiet(name)
    }

    private mutating func withdraw(_ name: AvatarName) {
        guard let (crop, _) = uploads.pending(name), uploads.waiting[crop.id] != nil else { return }
        uploads.remove(crop.id)
        actions.append(.disk(.forgetCrop(crop.id)))
        note(.info, "the crop was taken away before it was uploaded", name: name.string)
        if entries[name] != nil {
            want(name)
            tellLabels(name)
        }
    }

    /// The crop at the head is being written again, was replaced, or is gone: look at it anew.
    mutating func cropChanged(_ id: CropID) {
        guard let crop = uploads.waiting[id] ?? uploads.removed(id) else { return }
        uploads.remove(id)
        uploads.noted(id)
        story.step(name: crop.name.string, what: "changed while it was uploaded", detail: nil, now: now)
        lookInOrder(crop.name)
    }

    // MARK: After the upload

    /// The catalog knows that the server has it: it is the user's avatar, and the next crop may go. Its copy in the cache comes last,
    /// since nothing but a download is lost with it.
    mutating func cropFinished(_ id: CropID, _ name: AvatarName, _ events: [AvatarEvent]) {
        uploads.noted(id)
        becomeIcon(name)
        changed(events)
        if uploads.finishing[id] != nil { actions.append(.disk(.stageCrop(id))) }
    }

    mutating func cropNotFinished(_ id: CropID, _ fault: StorageFault) {
        storageFailed(fault)
        story.step(
            name: uploads.finishing[id]?.name.string ?? "", what: "uploaded, and not noted yet", detail: nil, now: now)
    }

    mutating func cropStaged(_ id: CropID) {
        guard let crop = uploads.finishing[id] else { return }
        commit(CommitMachine.Item(name: crop.name, origin: .crop(id)))
    }

    /// In a shared folder there is nothing to copy.
    mutating func cropAdopted(_ id: CropID, _ record: AvatarRecord, _ events: [AvatarEvent]) {
        cropPlaced(id, record.name)
        adopted(record, events)
    }

    mutating func cropNotStaged(_ id: CropID, _ fault: StorageFault) {
        guard let crop = uploads.finishing[id] else { return }
        switch fault {
        case .full:
            storageFailed(.full)
            uploads.unstaged.append(id)
        case .failed(let detail): cropNotPlaced(crop, detail)
        }
    }

    /// The crop is on the server and stays out of the cache: labels get it from the server like any other.
    mutating func cropNotPlaced(_ crop: Crop, _ detail: String) {
        note(.warning, "uploaded, but not placed in the cache", name: crop.name.string, detail: detail)
        actions.append(.disk(.forgetCrop(crop.id)))
        cropPlaced(crop.id, crop.name)
        refreshWish(crop.name)
    }

    /// The crop's way ends here.
    mutating func cropPlaced(_ id: CropID, _ name: AvatarName) {
        _ = uploads.removed(id)
        tellUploadCalls(name, isOver: true)
    }

    private mutating func becomeIcon(_ name: AvatarName) {
        let old = icon
        icon = name
        if let old, old != name { refreshWish(old) }
        if entries[name] == nil { lookUp([name], touch: false) } else { refreshWish(name) }
    }
}

internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import PosixFiles
internal import TransferMachines

// The upload folder: facts for the machine's rule, and what comes of its verdicts.
extension DiskWorker {
    func rescanCrops() throws(CacheError) {
        guard crops.standing() == .held else { return results.append(.moved(.crops)) }
        let comparison = try crops.compare(with: catalog, shared: isShared)
        results.append(
            .rescanned(
                .crops, settled: comparison.vanished + comparison.candidates + takeReturned(),
                unnameable: comparison.invalid,
                vanished: [], events: []))
    }

    /// The crops that came back with their folder, once.
    private func takeReturned() -> [AvatarName] {
        defer { returned = [] }
        return returned
    }

    // MARK: Examining

    func examine(_ name: AvatarName) throws(CacheError) -> Examination {
        let earlier = unended.removeValue(forKey: name)
        let isQuiet = earlier.map { clock.now - $0.since >= Limits.Upload.unendedQuiet } ?? false
        switch crops.examine(name, whole: isQuiet ? earlier?.identity : nil) {
        case .busy:
            awaitWriter(of: name)
            return .busy
        case .vanished:
            if let row = try catalog.crop(name) {
                departed.remember(row)
                try catalog.forgetCrops([name])
            }
            return .missing
        // One file that cannot be read keeps nobody from the others; what this process lacks, it lacks for all of them.
        case .rejected(let error, _) where error.posix?.isShortage == true:
            throw CacheError(.io, "reading the crop \(name)", posix: error.posix)
        case .rejected(let fault, let file?) where fault.image?.code == .unended:
            if unended.count >= Limits.Upload.unendedMax { unended = [:] }
            let isSame = earlier?.identity == file.identity
            unended[name] = (file.identity, isSame ? earlier?.since ?? clock.now : clock.now)
            return .unended(reason: fault.description)
        case .rejected(let fault, let file):
            // A file that could not be read is not recorded, so that every look through the folder tries it again.
            if let file {
                try catalog.recordRejected(
                    name, identity: file.identity, changed: file.changed, reason: fault.description,
                    incomplete: fault.isIncomplete)
            }
            return .refused(reason: fault.description)
        case .settled(let facts):
            let candidate = try candidate(facts)
            candidates[name] = facts
            return .settled(candidate)
        }
    }

    /// Looks at a name that has appeared.
    func look(_ name: AvatarName) {
        switch crops.appearance(of: name) {
        case .nothing: break
        case .whole: results.append(.appeared(name))
        case .writer: awaitWriter(of: name)
        }
    }

    /// The close of a writer who has opened the file under another name, or before it had one, is not heard through the folder.
    private func awaitWriter(of name: AvatarName) {
        do {
            try awaitClose(name)
        } catch {
            // The next look through the folder finds the file.
            return logger.debug(
                "the writer of a file is not waited for", metadata: ["name": "\(name)", "detail": "\(error)"])
        }
        // The writer may have closed the file before the watch was there.
        if crops.appearance(of: name) == .whole { results.append(.appeared(name)) }
    }

    func findRefused() throws(CacheError) {
        results.append(.refusedFound(try catalog.rejectedCropsToRetry(but: CropRule.lasting)))
    }

    private func candidate(_ facts: CropFacts) throws(CacheError) -> CropRule.Candidate {
        let row = try catalog.crop(facts.name)
        var candidate = CropRule.Candidate(recorded: try recorded(row, of: facts))
        if candidate.recorded == nil, let before = departed.row(of: facts) {
            candidate.renamed = before.state == .pending && before.account == accountKey ? .waiting : .dealtWith
        }
        if isShared { candidate.shared = try sharedCandidate(facts, row) }
        return candidate
    }

    /// What the row says of a file that was found under its name.
    private func recorded(_ row: CropRow?, of facts: CropFacts) throws(CacheError) -> CropRule.Recorded? {
        guard let row else { return nil }
        let trace = trace(of: facts, since: row)
        // Of these rows no digest is kept.
        if row.state == .baseline { return row.identity.isSameFile(as: facts.identity) ? .baseline(trace) : nil }
        if CropRule.lasting.contains(where: { row.state == .rejected($0) }) {
            return row.identity.isSameFile(as: facts.identity) ? .superseded : nil
        }
        guard row.sha256 == facts.sha256 else { return nil }
        switch row.state {
        case .pending:
            let isSameFile = row.identity.isSameFile(as: facts.identity)
            guard row.account == accountKey else { return .waitingForAnother(isSameFile: isSameFile) }
            return .waiting(isSameFile: isSameFile, isInOrder: try catalog.isInOrder(row))
        case .done: return .sent(toThisAccount: row.uploadedTo == accountKey, trace)
        case .baseline, .rejected: return nil
        }
    }

    private func trace(of facts: CropFacts, since row: CropRow) -> CropRule.Trace {
        guard row.identity.isSameFile(as: facts.identity) else {
            return facts.identity.modified > row.identity.modified ? .rewritten : .replaced
        }
        return row.changed.map { $0 == facts.changed } ?? true ? .untouched : .changed
    }

    /// What speaks for and against a complete picture that was closed in a shared folder.
    private func sharedCandidate(_ facts: CropFacts, _ row: CropRow?) throws(CacheError) -> SharedFolderRule.Candidate {
        var candidate = SharedFolderRule.Candidate()
        candidate.isOwnWrite = try cache.isOwnWrite(facts.name, identity: facts.identity, sha256: facts.sha256)
        let avatar = try catalog.avatars(named: [facts.name])[facts.name]
        candidate.owner = avatar?.owner
        candidate.wasFetched = avatar?.origin == .downloaded
        if let row, row.identity.inode == facts.identity.inode { candidate.incompleteCloses = row.incompleteCloses }
        // A whole picture's closes have all happened: once they are handed over, the machine has counted them.
        do { try flushWatch?() } catch { logger.warning("the folder watch is gone", metadata: ["detail": "\(error)"]) }
        return candidate
    }

    func judged(_ name: AvatarName, _ verdict: CropRule.Verdict) throws(CacheError) {
        guard let facts = candidates[name] else {
            switch verdict {
            // Done already.
            case .known, .refused, .renamed(.dealtWith): return
            case .waits, .isNew, .renamed(.waiting): throw CacheError(.notFound, "recording the crop \(name)")
            }
        }
        switch verdict {
        case .known: try catalog.refreshCrop(facts)
        case .renamed:
            guard let before = departed.take(facts) else {
                throw CacheError(.notFound, "looking up the earlier name of the crop \(name)")
            }
            let row = try catalog.renameCrop(before, to: facts)
            if verdict == .renamed(.waiting) { try found(row, facts, everSent: true) }
        case .waits:
            guard let row = try catalog.crop(name) else { throw CacheError(.notFound, "looking up the crop \(name)") }
            try found(row, facts, everSent: true)
        case .isNew(let everSent):
            try found(try catalog.recordCrop(facts, account: accountKey), facts, everSent: everSent)
        case .refused(let refusal):
            try catalog.recordRejected(
                name, identity: facts.identity, changed: facts.changed, reason: refusal.rawValue,
                incomplete: refusal == .appended)
        }
        candidates[name] = nil
    }

    private func found(_ row: CropRow, _ facts: CropFacts, everSent: Bool) throws(CacheError) {
        guard let crop = Crop(row, everSent: everSent) else {
            throw CacheError(.catalog, "the crop \(row.name) has no digest")
        }
        cropFacts[crop.id] = facts
        results.append(.cropRecorded(crop))
    }

    // MARK: Sending

    func readCrop(_ id: CropID, _ range: Range<Int64>) {
        guard let facts = cropFacts[id] else { return results.append(.cropChanged(id)) }
        do throws(CacheError) {
            switch try crops.readChunk(of: facts, range) {
            case .bytes(let bytes): results.append(.cropRead(id, offset: range.lowerBound, bytes: bytes))
            case .changed:
                cropFacts[id] = nil
                results.append(.cropChanged(id))
            }
        } catch {
            // An examination finds out what is wrong with the file.
            logger.warning("a crop cannot be read", metadata: ["name": "\(facts.name)", "detail": "\(error)"])
            results.append(.cropChanged(id))
        }
    }

    /// Of a place that is no path of usual length a later run need not know.
    func keepLocation(_ id: CropID, _ location: ExactString) throws(CacheError) {
        guard location.string.utf8.count <= Limits.HTTPWay.locationBytesMax else { return }
        try catalog.keep(location: location.string, ofCrop: id.value)
    }

    /// Copies an uploaded crop into a part, to be committed like a download; in a shared folder the crop lies where its copy would.
    func stage(_ id: CropID) {
        guard let facts = cropFacts[id] else {
            return results.append(.cropNotStaged(id, .failed("the crop is gone")))
        }
        do throws(CacheError) {
            guard isShared else {
                try cache.stageCopy(of: facts, owner: account?.uid, from: crops, now: clock.now)
                return results.append(.cropStaged(id))
            }
            let found = FoundFile(
                name: facts.name, owner: account?.uid, origin: .foreign, file: VerifiedPart(crop: facts))
            guard let adopted = try adopt(found) else {
                return results.append(.cropNotStaged(id, .failed("the catalog does not keep it")))
            }
            cropFacts[id] = nil
            results.append(.cropAdopted(id, adopted.record, adopted.events))
        } catch {
            results.append(.cropNotStaged(id, fault(of: error)))
        }
    }

    /// The server has the crops: they are not sent again, and the last one is the user's avatar.
    func finish(_ ids: [CropID]) throws(CacheError) {
        let found = ids.compactMap { id in account == nil ? nil : cropFacts[id].map { (id: id, facts: $0) } }
        for id in ids where !found.contains(where: { $0.id == id }) { results.append(.cropChanged(id)) }
        guard let account, !found.isEmpty else { return }
        for (_, facts) in found { crops.finishReading(facts.name) }
        let events = try catalog.recordUploaded(
            found.map { ($0.facts.name, $0.facts.sha256) }, to: account.key, at: now())
        for ((id, facts), events) in zip(found, events) {
            results.append(.cropFinished(id, facts.name, events.map { AvatarEvent($0) }))
        }
    }

    func forgetCrop(_ id: CropID) {
        if let facts = cropFacts.removeValue(forKey: id) { crops.finishReading(facts.name) }
    }

    func setAside(_ id: CropID, reason: String) throws(CacheError) {
        guard let facts = cropFacts[id] else { return }
        crops.finishReading(facts.name)
        try catalog.recordRejected(
            facts.name, identity: facts.identity, changed: facts.changed, reason: reason, incomplete: false)
        cropFacts[id] = nil
    }

    /// An event for whoever reads what happened, once for each file and reason: a start looks at refused files anew.
    func logRefusal(_ name: AvatarName, _ reason: String) throws(CacheError) {
        let file: RejectedFile?
        // What cannot be looked at is told without its size.
        do throws(CacheError) { file = try crops.lying(at: name) } catch { file = nil }
        guard
            let event = try catalog.logRefusal(
                name, size: file.flatMap { $0.isRegular ? $0.identity.size : nil }, changed: file?.changed,
                reason: reason,
                at: now())
        else { return }
        results.append(.logged([AvatarEvent(event)]))
    }

    /// Notes that the file is to be left alone as it lies there now. What was sent is nobody's problem.
    func dismiss(_ stream: StreamID, _ name: AvatarName) throws(CacheError) {
        let row = try catalog.crop(name)
        guard let file = try crops.lying(at: name), row?.state != .done, row?.state != .baseline else {
            return results.append(.refused(stream, .unknownAvatar(name.string)))
        }
        try catalog.recordRejected(
            name, identity: file.identity, changed: file.changed, reason: CropRule.dismissed, incomplete: false)
        results.append(.dismissed(stream, name))
    }

    func importCrop(_ stream: StreamID, path: String) {
        guard crops.standing() == .held else {
            let reason =
                "the upload folder \(crops.path) is gone, or another lies in its place: put it back, or wait until the agent has opened the new one"
            results.append(.moved(.crops))
            return results.append(.refused(stream, .storage(reason)))
        }
        do {
            // In a shared folder the copy is the cache's picture as well.
            results.append(.imported(stream, try crops.importFile(path: path, renewing: !isShared)))
        } catch let error as ImportError {
            results.append(.refused(stream, error.busFault))
        } catch {
            results.append(.refused(stream, .storage("\(error)")))
        }
    }
}

extension Crop {
    /// A crop of the catalog; nil for a row without digests, whose file was never read.
    init?(_ row: CropRow, everSent: Bool) {
        guard let md5 = row.md5, let sha256 = row.sha256 else { return nil }
        self.init(
            id: CropID(row.closedOrder), name: row.name, size: row.identity.size, md5: md5, sha256: sha256,
            everSent: everSent, account: row.account, location: row.location.map { ExactString($0) })
    }
}

extension ImportError {
    var busFault: BusFault {
        guard code == .tooLarge, let size, let limit else { return .notAnImage(path: path, reason: reason) }
        return .tooLarge(path: path, size: size, limit: limit)
    }
}

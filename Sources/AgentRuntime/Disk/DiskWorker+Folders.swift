internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import PosixFiles
internal import TransferMachines

// The two folders: what is in them, and what goes out of them.
extension DiskWorker {
    // MARK: The cache folder

    /// Something happened at a name of the cache: a file that is not the recorded one any more has no row.
    func inspect(_ name: AvatarName) {
        quietly("looking at \(name)") { () throws(CacheError) in
            guard let row = try catalog.avatars(named: [name])[name], try !isIntact(row) else { return }
            guard let event = try reconsider(row) else { return }
            results.append(.vanished(name, [event]))
        }
    }

    /// A recorded file that looks different is kept when its bytes are the same: somebody touched it, or copied the folder.
    func isKept(_ row: AvatarRow) throws(CacheError) -> Bool {
        guard case .success(let file)? = try cache.examine(row.name), file.sha256 == row.sha256 else { return false }
        _ = try cache.adopt([FoundFile(name: row.name, owner: row.owner, origin: row.origin, file: file)], at: now())
        return true
    }

    /// Otherwise its row goes.
    private func reconsider(_ row: AvatarRow) throws(CacheError) -> AvatarEvent? {
        try isKept(row) ? nil : try removed([row.name], reason: "gone or changed").first
    }

    func rescan(_ folder: WatchedFolder) {
        do throws(CacheError) {
            switch folder {
            case .cache: try rescanCache()
            case .crops: try rescanCrops()
            }
        } catch {
            logger.error("a folder cannot be compared", metadata: ["folder": "\(folder)", "detail": "\(error)"])
            results.append(.notRescanned(folder, error.fault))
        }
    }

    private func rescanCache() throws(CacheError) {
        guard cache.isAtItsPath() else { return results.append(.moved(.cache)) }
        var vanished: [AvatarName] = []
        var events: [AvatarEvent] = []
        // What was found before a failure is told all the same.
        defer { results.append(.rescanned(.cache, settled: [], unnameable: [], vanished: vanished, events: events)) }
        _ = try cache.compare { differences throws(CacheError) in
            var missing: [AvatarName] = []
            for difference in differences {
                switch difference {
                case .missing(let row) where verified[row.name] == nil: missing.append(row.name)
                case .changed(let row, _) where verified[row.name] == nil:
                    guard let event = try reconsider(row) else { continue }
                    vanished.append(row.name)
                    events.append(event)
                case .missing, .changed, .unknown: break
                }
            }
            events += try removed(missing, reason: "gone")
            vanished += missing
        }
    }

    private func rescanCrops() throws(CacheError) {
        guard crops.isAtItsPath() else { return results.append(.moved(.crops)) }
        let comparison = try crops.compare(with: catalog, shared: isShared)
        results.append(
            .rescanned(
                .crops, settled: comparison.candidates + comparison.vanished, unnameable: comparison.invalid,
                vanished: [], events: []))
    }

    /// A page of recorded files, read again after the machine went down.
    func audit(after: AvatarName?) {
        do throws(CacheError) {
            let page = try cache.audit(after: after, limit: Limits.Cache.auditPageRows)
            for found in try cache.adopt(page.replaced, at: now()) {
                results.append(.adopted(AvatarRecord(found.avatar), [AvatarEvent(found.event)]))
            }
            let events = try cache.removeLost(page.lost, at: now()).map { AvatarEvent($0) }
            unaudited = page.next.map { .after($0) } ?? .nothing
            if page.next == nil { try catalog.auditDone() }
            results.append(.audited(vanished: page.lost.map(\.name), events: events, next: page.next))
        } catch {
            logger.error("the cache cannot be read again", metadata: ["detail": "\(error)"])
            results.append(.audited(vanished: [], events: [], next: nil))
        }
    }

    func tellIfOverfull() {
        guard let cacheBytesMax, catalog.totals.bytes > cacheBytesMax else { return }
        results.append(.overfull)
    }

    func evict(keep: [AvatarName]) {
        guard let cacheBytesMax else { return }
        quietly("making room in the cache") { () throws(CacheError) in
            let eviction = try cache.evict(bytesMax: cacheBytesMax, keep: Set(keep), at: now())
            let events = eviction.removed.map { AvatarEvent($0) }
            results.append(.evicted(events.map(\.name), events))
        }
    }

    /// Whether the disk takes writes: a page in the parts folder, and a row in the catalog. A folder that was taken away under the open
    /// one is made again, and commits that the disk cut short are brought to their end.
    func probe() -> StorageFault? {
        do {
            if verified.isEmpty { try reopenCache() }
            let parts = try Folder(path: cache.path + "/" + CacheFolder.partsName)
            let file = try parts.openForWriting("probe")
            defer { _ = try? parts.remove("probe") }
            let page = [UInt8](repeating: 0, count: 4096)
            try file.write(page.span.bytes, at: 0)
            try catalog.set("probe", to: "\(now().milliseconds)")
            if verified.isEmpty {
                for committed in try cache.recoverIntents(at: now()) {
                    results.append(.adopted(AvatarRecord(committed.avatar), [AvatarEvent(committed.event)]))
                }
            }
            return nil
        } catch let error as PosixError {
            return error.isDiskFull ? .full : .failed(error.description)
        } catch let error as CacheError {
            return error.fault
        } catch {
            return .failed("\(error)")
        }
    }

    /// Opens the cache folder anew by its path; what was open of the old one is let go.
    func reopenCache() throws(CacheError) {
        cache = try CacheFolder(path: cache.path, catalog: catalog, bootID: try BootID.current())
    }

    // MARK: The upload folder

    /// Is this file a crop, and is it new?
    func examine(_ name: AvatarName, _ mode: ExamineMode) -> Examination {
        do throws(CacheError) {
            switch crops.examine(name) {
            case .busy: return .busy
            case .vanished:
                try catalog.forgetCrops([name])
                return .missing
            case .rejected(let error, _) where error.posix?.isOfTheMoment == true:
                return .failed(.failed(error.description))
            case .rejected(let fault, let identity):
                if let identity {
                    try catalog.recordRejected(
                        name, identity: identity, reason: fault.description, incomplete: fault.isIncomplete)
                }
                return .refused(reason: fault.description)
            case .settled(let facts): return try settled(facts, mode)
            }
        } catch {
            return .failed(error.fault)
        }
    }

    private func settled(_ facts: CropFacts, _ mode: ExamineMode) throws(CacheError) -> Examination {
        let row = try catalog.crop(facts.name)
        let recorded = try row?.recorded(of: facts, account: account, isInOrder: catalog.isInOrder)
        switch (CropRule.verdict(recorded, mode), row) {
        case (.known, _): return .known
        case (.waits, let row?):
            cropFacts[CropID(row.closedOrder)] = facts
            return .crop(Crop(facts, order: row.closedOrder, everSent: true))
        case (.closedAgain, _): return .crop(try self.recorded(facts, everSent: true))
        default:
            guard !isShared || mode == .forced else { return try candidate(facts) }
            return .crop(try self.recorded(facts, everSent: recorded != nil))
        }
    }

    func recorded(_ facts: CropFacts, everSent: Bool = false) throws(CacheError) -> Crop {
        let row = try catalog.recordCrop(facts, account: account.isEmpty ? nil : account)
        cropFacts[CropID(row.closedOrder)] = facts
        return Crop(facts, order: row.closedOrder, everSent: everSent)
    }

    func readCrop(_ id: CropID, seq: Int64, range: Range<Int64>) {
        guard let facts = cropFacts[id] else { return results.append(.cropChanged(id)) }
        do throws(CacheError) {
            switch try crops.readChunk(of: facts, range) {
            case .bytes(let bytes): results.append(.cropRead(id, seq: seq, bytes: bytes))
            case .changed:
                cropFacts[id] = nil
                results.append(.cropChanged(id))
            }
        } catch {
            logger.warning("a crop cannot be read", metadata: ["name": "\(facts.name)", "detail": "\(error)"])
            results.append(.cropChanged(id))
        }
    }

    /// Copies an uploaded crop into a part, to be committed like a download.
    func stage(_ id: CropID) {
        guard let facts = cropFacts[id] else {
            return results.append(.cropNotStaged(id, .failed("the crop is gone")))
        }
        do throws(CacheError) {
            guard !isShared else { return try adoptCrop(id, facts) }
            try cache.stageCopy(of: facts, owner: uid, from: crops, now: clock.now)
            results.append(.cropStaged(id))
        } catch {
            results.append(.cropNotStaged(id, error.fault))
        }
    }

    /// The server has the crop: it is not sent again, and it is the user's avatar.
    func finish(_ id: CropID) {
        guard let facts = cropFacts[id] else {
            return results.append(.cropChanged(id))
        }
        do throws(CacheError) {
            crops.finishReading(facts.name)
            let events = try catalog.recordUploaded(facts.name, sha256: facts.sha256, to: account, at: now())
            results.append(.cropFinished(id, facts.name, events.map { AvatarEvent($0) }))
        } catch {
            results.append(.cropNotFinished(id, error.fault))
        }
    }

    func setAside(_ id: CropID, reason: String) {
        guard let facts = cropFacts.removeValue(forKey: id) else { return }
        crops.finishReading(facts.name)
        quietly("setting a crop aside") { () throws(CacheError) in
            try catalog.recordRejected(facts.name, identity: facts.identity, reason: reason, incomplete: false)
        }
    }

    func importCrop(_ stream: StreamID, path: String) {
        do {
            results.append(.imported(stream, try crops.importFile(path: path)))
        } catch let error as ImportError {
            results.append(.refused(stream, error.busFault))
        } catch {
            results.append(.refused(stream, .storage("\(error)")))
        }
    }
}

extension Crop {
    init(_ facts: CropFacts, order: Int64, everSent: Bool) {
        self.init(
            id: CropID(order), name: facts.name, size: facts.identity.size, md5: facts.md5, sha256: facts.sha256,
            everSent: everSent)
    }
}

extension CropRow {
    /// What this row says of a file that was found under its name.
    func recorded(
        of facts: CropFacts, account: String, isInOrder: (CropRow) throws(CacheError) -> Bool
    ) throws(CacheError) -> CropRule.Recorded? {
        guard sha256 == facts.sha256 else { return nil }
        switch state {
        case .pending:
            return .waiting(isSameFile: identity.isSameFile(as: facts.identity), isInOrder: try isInOrder(self))
        case .done: return .sent(toThisAccount: uploadedTo == account)
        case .baseline, .rejected: return nil
        }
    }
}

extension ImportError {
    var busFault: BusFault {
        guard code == .tooLarge, let size, let limit else { return .notAnImage(path: path, reason: reason) }
        return .tooLarge(path: path, size: size, limit: limit)
    }
}

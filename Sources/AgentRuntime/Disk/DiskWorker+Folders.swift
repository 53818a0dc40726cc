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

    /// A recorded file that looks different: kept when its bytes are the same, otherwise its row goes.
    private func reconsider(_ row: AvatarRow) throws(CacheError) -> AvatarEvent? {
        if case .success(let file)? = try cache.examine(row.name), file.sha256 == row.sha256 {
            _ = try cache.adopt(
                [FoundFile(name: row.name, owner: row.owner, origin: row.origin, file: file)], at: now())
            return nil
        }
        return try removed([row.name], reason: "gone or changed").first
    }

    func rescan(_ folder: WatchedFolder) {
        do throws(CacheError) {
            switch folder {
            case .cache: try rescanCache()
            case .crops: try rescanCrops()
            }
        } catch {
            logger.error("a folder cannot be compared", metadata: ["folder": "\(folder)", "detail": "\(error)"])
            results.append(.rescanned(folder, settled: [], unnameable: [], vanished: [], events: []))
        }
    }

    private func rescanCache() throws(CacheError) {
        var vanished: [AvatarName] = []
        var events: [AvatarEvent] = []
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
        results.append(.rescanned(.cache, settled: [], unnameable: [], vanished: vanished, events: events))
    }

    private func rescanCrops() throws(CacheError) {
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

    func evict(keep: [AvatarName]) {
        guard let cacheBytesMax else { return }
        quietly("making room in the cache") { () throws(CacheError) in
            let eviction = try cache.evict(bytesMax: cacheBytesMax, keep: Set(keep), at: now())
            let events = eviction.removed.map { AvatarEvent($0) }
            results.append(.evicted(events.map(\.name), events))
        }
    }

    /// Whether the disk takes writes: a page in the parts folder, and a row in the catalog.
    func probe() -> StorageFault? {
        do {
            let parts = try Folder(path: cache.path + "/" + CacheFolder.partsName)
            let file = try parts.openForWriting("probe")
            defer { _ = try? parts.remove("probe") }
            let page = [UInt8](repeating: 0, count: 4096)
            try file.write(page.span.bytes, at: 0)
            try catalog.set("probe", to: "\(now().milliseconds)")
            return nil
        } catch let error as PosixError {
            return error.isDiskFull ? .full : .failed(error.description)
        } catch let error as CacheError {
            return error.fault
        } catch {
            return .failed("\(error)")
        }
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
            case .rejected(let fault, let identity):
                if let identity {
                    try catalog.recordRejected(
                        name, identity: identity, reason: fault.description, incomplete: fault.isIncomplete)
                }
                return .refused(reason: fault.description)
            case .settled(let facts): return try settled(facts, mode)
            }
        } catch {
            return .refused(reason: error.description)
        }
    }

    private func settled(_ facts: CropFacts, _ mode: ExamineMode) throws(CacheError) -> Examination {
        let row = try catalog.crop(facts.name)
        let recorded = try row?.recorded(of: facts, account: account, isLast: catalog.isLastClosed)
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
        let row = try catalog.recordCrop(facts)
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
            return results.append(.cropNotFinished(id, .failed("nothing is known of the crop any more")))
        }
        do throws(CacheError) {
            crops.finishReading(facts.name)
            var events: [AvatarEvent] = []
            if let event = try catalog.recordUploaded(facts.name, sha256: facts.sha256, to: account, at: now()) {
                events.append(AvatarEvent(event))
            }
            if let event = try catalog.setIcon(facts.name, at: now()) { events.append(AvatarEvent(event)) }
            results.append(.cropFinished(id, facts.name, events))
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
            results.append(.refused(stream, error.busFault(path: path)))
        } catch {
            results.append(.refused(stream, .storage("\(error)")))
        }
    }

    // MARK: Start

    /// What an earlier run left behind, brought to an end; and what the machine starts from.
    func start() throws(CacheError) -> StartFacts {
        var facts = StartFacts()
        if !catalog.opening.existed, cache.wasHereBefore {
            facts.isBaseline = true
            _ = try cache.adoptBaseline(shared: isShared, at: now())
            _ = try crops.adoptBaseline(in: catalog)
        }
        _ = try cache.recoverIntents(at: now())
        _ = try cache.trimParts(keep: [], now: clock.now)
        facts.needsAudit = catalog.opening.needsAudit
        facts.icon = try catalog.icon()
        for row in try catalog.pendingCrops() {
            guard let md5 = row.md5, let sha256 = row.sha256 else { continue }
            // The file itself decides whether it still is that crop.
            guard case .settled(let found) = crops.examine(row.name), found.sha256 == sha256 else { continue }
            if found.identity != row.identity { continue }
            cropFacts[CropID(row.closedOrder)] = found
            facts.crops.append(
                Crop(
                    id: CropID(row.closedOrder), name: row.name, size: row.identity.size, md5: md5, sha256: sha256,
                    everSent: true))
        }
        return facts
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
        of facts: CropFacts, account: String, isLast: (CropRow) throws(CacheError) -> Bool
    ) throws(CacheError) -> CropRule.Recorded? {
        guard sha256 == facts.sha256 else { return nil }
        switch state {
        case .pending: return .waiting(isSameFile: identity == facts.identity, isLast: try isLast(self))
        case .done: return .sent(toThisAccount: uploadedTo == account)
        case .baseline, .rejected: return nil
        }
    }
}

extension ImportError {
    func busFault(path: String) -> BusFault {
        switch self {
        case .notAnImage(let path, let fault): .notAnImage(path: path, reason: fault.description)
        case .tooLarge(let path, let size, let limit): .tooLarge(path: path, size: size, limit: limit)
        case .notRegular(let path): .notAnImage(path: path, reason: "it is no regular file")
        case .unreadable(let error): .notAnImage(path: path, reason: error.description)
        }
    }
}

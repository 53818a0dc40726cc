internal import AvatarCore
internal import Digests
internal import TransferMachines

// What AvatarCache's primitives do, done to the simulated disk.
extension SimDisk {
    func perform(_ command: DiskCommand) -> [DiskResult] {
        switch command {
        case .lookUp(let names, _):
            var results: [DiskResult] = []
            let rows = names.map { name in
                if let avatar = catalog.avatars[name], cache[name.string] != avatar.inode {
                    results.append(.vanished(name, remove(name)))
                }
                return row(name)
            }
            return [.lookedUp(rows)] + results
        case .beginPart(let name, let totalSize, let chunkSize): return begin(name, totalSize, chunkSize)
        case .append(let name, let offset, let bytes): return append(name, offset, bytes)
        case .discardPart(let name):
            catalog.parts[name] = nil
            if parts[name.string] != nil { setName(.parts, name.string, nil) }
            return []
        case .trimParts(let kept):
            for (name, part) in catalog.parts
            where !kept.contains(name) && world.now - part.begun >= Limits.Download.partAge {
                catalog.parts[name] = nil
                setName(.parts, name.string, nil)
            }
            return []
        case .commit(let step, let items): return [.committed(step, commit(step, items))]
        case .examine(let name, let mode): return [.examined(name, examine(name, mode))]
        case .readCrop(let id, let seq, let range): return [read(id, seq, range)]
        case .stageCrop(let id): return [stage(id)]
        case .finishCrop(let id):
            guard !isFull else { return [.cropNotFinished(id, .full)] }
            guard let name = cropNames[id] else { return [.cropNotFinished(id, .failed("no such crop"))] }
            return [.cropFinished(id, name, uploaded(id))]
        case .setCropAside(let id, _):
            if let name = catalog.row(of: id)?.crop.name { catalog.crops[name]?.state = .setAside }
            return []
        case .setNegative(let name, let reason):
            catalog.negatives[name] = (reason, world.now + Negative.timeToLive(reason))
            return [.logged([log(.failed, name)])]
        case .clearNegatives(let names):
            for name in names { catalog.negatives[name] = nil }
            return []
        case .clearNegativesOfOtherTokens(let epoch):
            if catalog.tokenEpoch != epoch { catalog.negatives = [:] }
            catalog.tokenEpoch = epoch
            return []
        case .inspect(let name):
            guard let avatar = catalog.avatars[name], cache[name.string] != avatar.inode else { return [] }
            return [.vanished(name, remove(name))]
        case .rescan(let folder): return rescan(folder)
        // A start hands its facts over by itself. The others: asked for by nobody in these lives, or for one shared folder and after a boot.
        case .start, .forgetCrop, .touch, .evict, .importCrop, .forget, .judged, .adopt, .audit: return []
        case .readEvents(let stream, let since, let epoch): return [.events(stream, page(since: since, epoch: epoch))]
        case .list(let stream, _, _, _): return [.listed(stream, [], next: nil)]
        case .probe: return [.probed(isFull ? .full : nil)]
        }
    }

    func log(_ kind: AvatarEvent.Kind, _ name: AvatarName) -> AvatarEvent {
        catalog.log(kind, name, repeating: mutation == .repeatCursor && random.happens(0.2))
    }

    func remove(_ name: AvatarName) -> [AvatarEvent] {
        guard catalog.avatars.removeValue(forKey: name) != nil else { return [] }
        return [log(.removed, name)]
    }

    private func row(_ name: AvatarName) -> CatalogRow {
        var row = CatalogRow(name: name, avatar: catalog.avatars[name]?.record)
        if let part = catalog.parts[name], part.boot == boot,
            part.server == account, world.now - part.begun < Limits.Download.partAge, let inode = parts[name.string],
            let size = files[inode]?.bytes.count, size >= Int(part.held)
        {
            row.part = DownloadMachine.Part(geometry: part.geometry, held: part.held, begun: part.begun)
        }
        row.negative = catalog.negatives[name].map { Negative(reason: $0.reason, until: $0.until) }
        return row
    }

    private func page(since: Int64?, epoch: String?) -> EventPage {
        let current = "e\(catalog.epoch)"
        var page = EventPage(epoch: current, cursor: catalog.lastCursor, reset: false, events: [], rows: [])
        guard let since else { return page }
        if epoch != current || since > catalog.lastCursor {
            page.reset = true
        } else {
            page.events = Array(catalog.events.filter { $0.cursor > since }.prefix(Limits.Labels.changesPerReplyMax))
        }
        return page
    }

    // MARK: Parts

    private func begin(_ name: AvatarName, _ totalSize: Int64, _ chunkSize: Int64) -> [DiskResult] {
        guard !isFull else { return [.partFailed(name, .full)] }
        guard let geometry = ChunkGeometry(totalSize: totalSize, chunkSize: chunkSize) else { return [] }
        setName(.parts, name.string, newFile([]))
        catalog.parts[name] = SimCatalog.Part(
            geometry: geometry, held: 0, begun: world.now, boot: boot, server: account)
        return []
    }

    private func append(_ name: AvatarName, _ offset: Int64, _ bytes: [UInt8]) -> [DiskResult] {
        guard !isFull else { return [.partFailed(name, .full)] }
        guard let part = catalog.parts[name], part.held >= offset, let inode = parts[name.string],
            let size = files[inode]?.bytes.count, size >= Int(offset)
        else { return [.partLost(name)] }
        // What a torn write left behind the offset is written over.
        files[inode]?.bytes.removeLast(size - Int(offset))
        files[inode]?.bytes += bytes
        files[inode]?.isSynced = false
        if random.happens(flipRate), let last = files[inode]?.bytes.indices.last {
            files[inode]?.bytes[last] ^= 1
            world.log("a bit flips in the part of", name.string)
        }
        catalog.parts[name]?.held = offset + Int64(bytes.count)
        return [.wrote(name, through: offset + Int64(bytes.count))]
    }

    // MARK: Commit

    private func commit(_ step: CommitMachine.Step, _ items: [CommitMachine.Item]) -> [CommitOutcome] {
        if isFull, step == .writeIntents || step == .record { return items.map { CommitOutcome($0.name, .diskFull) } }
        switch step {
        case .verify: return items.map { CommitOutcome($0.name, verify($0)) }
        case .syncParts:
            for item in items where mutation != .skipSyncParts {
                if let inode = parts[item.name.string] { files[inode]?.isSynced = true }
            }
        case .writeIntents:
            for item in items {
                guard let part = verified[item.name] else { continue }
                catalog.intents[item.name] = SimCatalog.Intent(
                    inode: part.inode, sha256: part.sha256, size: Int64(files[part.inode]?.bytes.count ?? 0),
                    origin: item.origin)
            }
        case .rename: return items.map { CommitOutcome($0.name, rename($0.name)) }
        case .syncFolder: if mutation != .skipSyncFolder { syncNames() }
        case .record: return items.map { CommitOutcome($0.name, record($0)) }
        }
        return items.map { CommitOutcome($0.name, .done) }
    }

    private func verify(_ item: CommitMachine.Item) -> CommitMachine.Outcome {
        guard let inode = parts[item.name.string], let bytes = files[inode]?.bytes,
            let sha256 = try? SHA256Digest(of: bytes.span.bytes)
        else { return .corrupt("there is no part") }
        verified[item.name] = (inode, sha256)
        guard mutation != .skipVerify else { return .done }
        if case .download(let size, _) = item.origin, size != Int64(bytes.count) { return .corrupt("wrong size") }
        do throws(ImageFault) {
            _ = try ImageStructure.examine(bytes.span.bytes)
            return .done
        } catch {
            return .corrupt(error.description)
        }
    }

    private func rename(_ name: AvatarName) -> CommitMachine.Outcome {
        guard mutation != .recordBeforeRename else {
            lateRenames.append(name)
            return .done
        }
        return place(name)
    }

    func place(_ name: AvatarName) -> CommitMachine.Outcome {
        guard let intent = catalog.intents[name], parts[name.string] == intent.inode else {
            return .failed("no intent")
        }
        if let there = cache[name.string], there != catalog.avatars[name]?.inode,
            files[there]?.bytes != files[intent.inode]?.bytes
        {
            return .nameTaken
        }
        setName(.parts, name.string, nil)
        setName(.cache, name.string, intent.inode)
        return .done
    }

    func record(_ item: CommitMachine.Item) -> CommitMachine.Outcome {
        let name = item.name
        guard let intent = catalog.intents[name] else { return .failed("no intent") }
        var events: [AvatarEvent] = []
        let earlier = catalog.avatars[name]?.record
        let isOwn = if case .crop = item.origin { true } else { false }
        let record = AvatarRecord(
            name: name, owner: nil, size: intent.size, sha256: intent.sha256, assurance: .structural,
            generation: (earlier?.generation ?? 0) + 1, isOwn: isOwn)
        catalog.avatars[name] = SimCatalog.Avatar(record: record, inode: intent.inode)
        catalog.intents[name] = nil
        catalog.parts[name] = nil
        catalog.negatives[name] = nil
        events.append(log(earlier == nil ? .ready : .changed, name))
        if mutation == .recordBeforeRename, let late = lateRenames.firstIndex(of: name) {
            lateRenames.remove(at: late)
            world.schedule(in: .milliseconds(2)) { [self] in
                guard parts[name.string] == intent.inode else { return }
                setName(.parts, name.string, nil)
                setName(.cache, name.string, intent.inode)
            }
        }
        return .recorded(record, events)
    }

    private func uploaded(_ id: CropID) -> [AvatarEvent] {
        guard let name = cropNames[id] else { return [] }
        if catalog.row(of: id) != nil { catalog.crops[name]?.state = .done }
        catalog.icon = name
        return [log(.uploaded, name), log(.icon, name)]
    }

    // MARK: Crops

    private func examine(_ name: AvatarName, _ mode: ExamineMode) -> Examination {
        guard let inode = crops[name.string], let file = files[inode] else {
            catalog.crops[name] = nil
            return .missing
        }
        guard !file.isBeingWritten || mutation == .ignoreWriters else { return .busy }
        guard let sha256 = try? SHA256Digest(of: file.bytes.span.bytes),
            let md5 = try? MD5Digest(of: file.bytes.span.bytes)
        else { return .missing }
        if mutation != .ignoreWriters, (try? ImageStructure.examine(file.bytes.span.bytes)) == nil {
            return .refused(reason: "no complete picture")
        }
        if let known = catalog.crops[name], known.crop.sha256 == sha256, mode != .forced {
            catalog.crops[name]?.inode = inode
            catalog.crops[name]?.version = file.version
            switch known.state {
            case .pending: return .crop(known.crop)
            case .done, .setAside: return .known
            }
        }
        guard !isFull else { return .failed(.full) }
        catalog.lastCrop += 1
        let id = mutation == .newestCropFirst ? 1_000_000 - catalog.lastCrop : catalog.lastCrop
        let crop = Crop(
            id: CropID(id), name: name, size: Int64(file.bytes.count), md5: md5, sha256: sha256, everSent: false)
        catalog.crops[name] = SimCatalog.CropRow(
            crop: crop, inode: inode, version: file.version, state: .pending)
        cropNames[crop.id] = name
        return .crop(crop)
    }

    private func current(_ row: SimCatalog.CropRow) -> [UInt8]? { isCurrent(row) ? files[row.inode]?.bytes : nil }

    /// Whether the file at the crop's name still is the one that was examined, and nobody writes it.
    func isCurrent(_ row: SimCatalog.CropRow) -> Bool {
        guard crops[row.crop.name.string] == row.inode, let file = files[row.inode] else { return false }
        return file.version == row.version && !file.isBeingWritten
    }

    private func read(_ id: CropID, _ seq: Int64, _ range: Range<Int64>) -> DiskResult {
        guard let row = catalog.row(of: id), let bytes = current(row), range.upperBound <= bytes.count else {
            return .cropChanged(id)
        }
        return .cropRead(id, seq: seq, bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    private func stage(_ id: CropID) -> DiskResult {
        guard !isFull else { return .cropNotStaged(id, .full) }
        guard let row = catalog.row(of: id), let bytes = current(row),
            let geometry = ChunkGeometry(totalSize: Int64(bytes.count), chunkSize: 64)
        else { return .cropNotStaged(id, .failed("the crop changed after it was uploaded")) }
        setName(.parts, row.crop.name.string, newFile(bytes))
        catalog.parts[row.crop.name] = SimCatalog.Part(
            geometry: geometry, held: Int64(bytes.count), begun: world.now, boot: boot, server: account)
        return .cropStaged(id)
    }

    private func rescan(_ folder: WatchedFolder) -> [DiskResult] {
        switch folder {
        case .cache:
            var gone: [AvatarName] = []
            var events: [AvatarEvent] = []
            for name in catalog.avatars.keys.sorted() where cache[name.string] != catalog.avatars[name]?.inode {
                gone.append(name)
                events += remove(name)
            }
            return [.rescanned(.cache, settled: [], unnameable: [], vanished: gone, events: events)]
        case .crops:
            guard mutation != .skipStartScan else { return [] }
            var changed: [(name: String, inode: Int)] = []
            for (text, inode) in crops {
                guard let name = try? AvatarName(text) else { continue }
                let known = catalog.crops[name]
                if known?.inode != inode || known?.version != files[inode]?.version { changed.append((text, inode)) }
            }
            for name in catalog.crops.keys where crops[name.string] == nil { changed.append((name.string, 0)) }
            changed.sort { left, right in
                let times = (files[left.inode]?.modified ?? .zero, files[right.inode]?.modified ?? .zero)
                return times.0 == times.1 ? left.name < right.name : times.0 < times.1
            }
            let settled = changed.compactMap { try? AvatarName($0.name) }
            return [.rescanned(.crops, settled: settled, unnameable: [], vanished: [], events: [])]
        }
    }
}

internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

// What AvatarCache's primitives do, done to the simulated disk.
extension SimDisk {
    func perform(_ command: DiskCommand) -> [DiskResult] {
        switch command {
        case .lookUp(let names, _):
            var results: [DiskResult] = []
            let rows = names.map { name in
                if let avatar = catalog.avatars[name], cache[name] != avatar.inode {
                    results.append(.vanished(name, remove(name)))
                }
                return row(name)
            }
            return results + [.lookedUp(rows)]
        case .beginPart(let name, let totalSize, let chunkSize): return begin(name, totalSize, chunkSize)
        case .append(let name, let offset, let bytes): return append(name, offset, bytes)
        case .discardPart(let name):
            discardPart(name)
            return []
        case .trimParts(let kept):
            for name in catalog.parts.keys.sorted() where !kept.contains(name) {
                guard catalog.parts[name]?.origin.isAbandoned(bootID: bootID, now: world.now) == true else { continue }
                discardPart(name)
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
            // A refusal that cannot be kept is forgotten, and does no more harm.
            guard !isFull else {
                refusalLost(name)
                return []
            }
            guard mutation != .forgetRefusals else { return [.logged([log(.failed, name)])] }
            catalog.negatives[name] = SimCatalog.Refusal(
                reason: reason, until: Negative.keptUntil(reason, wall: wall), tokenEpoch: tokenEpoch)
            return [.logged([log(.failed, name)])]
        case .clearNegatives(let names):
            for name in names { catalog.negatives[name] = nil }
            return []
        case .clearNegativesOfOtherTokens(let epoch):
            for name in catalog.negatives.keys where catalog.negatives[name]?.tokenEpoch != epoch {
                catalog.negatives[name] = nil
            }
            return []
        case .inspect(let name):
            guard let avatar = catalog.avatars[name], cache[name] != avatar.inode else { return [] }
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
        // Once its going is on the disk: a power cut must not bring it back without its row.
        syncNames()
        return [log(.removed, name)]
    }

    private func row(_ name: AvatarName) -> CatalogRow {
        var row = CatalogRow(name: name, avatar: catalog.avatars[name]?.record)
        if let part = catalog.parts[name], let inode = parts[name], let size = files[inode]?.bytes.count,
            part.origin.isResumable(from: account, bootID: bootID, now: world.now) || mutation == .keepPartsAcrossBoots
        {
            row.part = DownloadMachine.Part(
                geometry: part.geometry, held: min(part.held, Int64(size)), begun: part.origin.startedAt)
        }
        row.negative = catalog.negatives[name].map { kept in
            guard mutation != .trustWallClock else {
                let left = Duration.milliseconds(kept.until.milliseconds - wall.milliseconds)
                return Negative(reason: kept.reason, until: world.now + left)
            }
            return Negative(reason: kept.reason, keptUntil: kept.until, wall: wall, now: world.now)
        }
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

    func discardPart(_ name: AvatarName) {
        catalog.parts[name] = nil
        if parts[name] != nil { setName(.parts, name, nil) }
    }

    private var origin: PartOrigin { PartOrigin(bootID: bootID, serverKey: account, startedAt: world.now) }

    private func begin(_ name: AvatarName, _ totalSize: Int64, _ chunkSize: Int64) -> [DiskResult] {
        guard !isFull else { return [.partFailed(name, .full)] }
        guard let geometry = ChunkGeometry(totalSize: totalSize, chunkSize: chunkSize) else { return [] }
        setName(.parts, name, newFile([]))
        catalog.parts[name] = SimCatalog.Part(geometry: geometry, held: 0, origin: origin)
        return []
    }

    private func append(_ name: AvatarName, _ offset: Int64, _ bytes: [UInt8]) -> [DiskResult] {
        guard !isFull else {
            tear(name, offset, bytes)
            return [.partFailed(name, .full)]
        }
        guard let part = catalog.parts[name], part.held >= offset, let inode = parts[name],
            let size = files[inode]?.bytes.count, size >= Int(offset)
        else { return [.partLost(name)] }
        write(inode, bytes[...], at: Int(offset))
        if random.happens(flipRate) {
            let at = Int(offset) + random.pick(0...bytes.count - 1)
            files[inode]?.bytes[at] ^= 1 << UInt8(random.pick(0...7))
            world.log("a bit flips in the part of", name.string)
            harmed(name)
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
                if let inode = parts[item.name] { files[inode]?.isSynced = true }
            }
        case .writeIntents:
            for item in items {
                guard let part = verified[item.name] else { continue }
                // An earlier round may have given the name and not recorded it.
                let left = catalog.intents[item.name]?.inode
                let replaces = left != nil && left == cache[item.name] ? left : catalog.avatars[item.name]?.inode
                catalog.intents[item.name] = SimCatalog.Intent(
                    inode: part.inode, sha256: part.sha256, size: Int64(files[part.inode]?.bytes.count ?? 0),
                    origin: item.origin, replaces: replaces)
            }
        case .rename: return items.map { CommitOutcome($0.name, rename($0.name)) }
        case .syncFolder: if mutation != .skipSyncFolder { syncNames() }
        case .record: return items.map { CommitOutcome($0.name, record($0)) }
        }
        return items.map { CommitOutcome($0.name, .done) }
    }

    private func verify(_ item: CommitMachine.Item) -> CommitMachine.Outcome {
        guard let promised = catalog.parts[item.name]?.geometry.totalSize, let inode = parts[item.name],
            let bytes = files[inode]?.bytes, let sha256 = try? SHA256Digest(of: bytes.span.bytes)
        else { return .corrupt("there is no part") }
        verified[item.name] = (inode, sha256)
        guard mutation != .skipVerify else { return .done }
        guard promised == Int64(bytes.count) else { return .corrupt("wrong size") }
        do throws(ImageError) {
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
        guard let intent = catalog.intents[name], parts[name] == intent.inode else {
            return .failed("no intent")
        }
        if let there = cache[name], there != intent.replaces,
            files[there]?.bytes != files[intent.inode]?.bytes
        {
            return .nameTaken
        }
        setName(.parts, name, nil)
        setName(.cache, name, intent.inode)
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
        refusalLost(name)
        events.append(log(earlier == nil ? .ready : .changed, name))
        if mutation == .recordBeforeRename, let late = lateRenames.firstIndex(of: name) {
            lateRenames.remove(at: late)
            world.schedule(in: .milliseconds(2)) { [self] in
                guard parts[name] == intent.inode else { return }
                setName(.parts, name, nil)
                setName(.cache, name, intent.inode)
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
        guard let inode = crops[name], let file = files[inode] else {
            catalog.crops[name] = nil
            return .missing
        }
        guard !file.isBeingWritten || mutation == .ignoreWriters else { return .busy }
        guard let sha256 = try? SHA256Digest(of: file.bytes.span.bytes),
            let md5 = try? MD5Digest(of: file.bytes.span.bytes)
        else { return .missing }
        if mutation != .ignoreWriters, (try? ImageStructure.examine(file.bytes.span.bytes)) == nil {
            catalog.crops[name]?.state = .setAside
            catalog.crops[name]?.inode = inode
            catalog.crops[name]?.version = file.version
            return .refused(reason: "no complete picture")
        }
        let known = catalog.crops[name]
        switch (CropRule.verdict(known.flatMap { recorded($0, inode, file, sha256) }, mode), known) {
        case (.known, _): return .known
        case (.waits, let known?):
            return .crop(
                Crop(
                    id: known.crop.id, name: name, size: known.crop.size, md5: md5, sha256: sha256, everSent: true))
        default: break
        }
        guard !isFull else { return .failed(.full) }
        let wasWaiting = known?.state == .pending && known?.crop.sha256 == sha256
        catalog.lastCrop += 1
        let id = mutation == .newestCropFirst ? 1_000_000 - catalog.lastCrop : catalog.lastCrop
        let crop = Crop(
            id: CropID(id), name: name, size: Int64(file.bytes.count), md5: md5, sha256: sha256,
            everSent: wasWaiting)
        catalog.crops[name] = SimCatalog.CropRow(
            crop: crop, inode: inode, version: file.version, state: .pending)
        cropNames[crop.id] = name
        return .crop(crop)
    }

    private func recorded(
        _ row: SimCatalog.CropRow, _ inode: Int, _ file: File, _ sha256: SHA256Digest
    ) -> CropRule.Recorded? {
        guard row.crop.sha256 == sha256 else { return nil }
        switch row.state {
        case .pending:
            let isInOrder = !catalog.crops.values.contains { other in
                other.state != .setAside && other.crop.id > row.crop.id
                    && (files[other.inode]?.modified ?? .zero) < file.modified
            }
            return .waiting(
                isSameFile: row.inode == inode && row.version == file.version, isInOrder: isInOrder)
        case .done: return .sent(toThisAccount: true)
        case .setAside: return nil
        }
    }

    private func current(_ row: SimCatalog.CropRow) -> [UInt8]? { isCurrent(row) ? files[row.inode]?.bytes : nil }

    /// Whether the file at the crop's name still is the one that was examined, and nobody writes it.
    func isCurrent(_ row: SimCatalog.CropRow) -> Bool {
        guard crops[row.crop.name] == row.inode, let file = files[row.inode] else { return false }
        return file.version == row.version && !file.isBeingWritten
    }

    private func read(_ id: CropID, _ seq: Int64, _ range: Range<Int64>) -> DiskResult {
        guard let row = catalog.row(of: id), let bytes = mutation == .ignoreCropChange ? lying(row) : current(row),
            range.upperBound <= bytes.count
        else { return .cropChanged(id) }
        return .cropRead(id, seq: seq, bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    /// Whatever lies under the crop's name now.
    private func lying(_ row: SimCatalog.CropRow) -> [UInt8]? { crops[row.crop.name].flatMap { files[$0]?.bytes } }

    private func stage(_ id: CropID) -> DiskResult {
        guard !isFull else { return .cropNotStaged(id, .full) }
        guard let row = catalog.row(of: id), let bytes = current(row),
            let geometry = ChunkGeometry(totalSize: Int64(bytes.count), chunkSize: 64)
        else { return .cropNotStaged(id, .failed("the crop changed after it was uploaded")) }
        setName(.parts, row.crop.name, newFile(bytes))
        catalog.parts[row.crop.name] = SimCatalog.Part(
            geometry: geometry, held: Int64(bytes.count),
            origin: PartOrigin(bootID: bootID, serverKey: "own", startedAt: world.now))
        return .cropStaged(id)
    }

    private func rescan(_ folder: WatchedFolder) -> [DiskResult] {
        switch folder {
        case .cache:
            var gone: [AvatarName] = []
            var events: [AvatarEvent] = []
            for name in catalog.avatars.keys.sorted() where cache[name] != catalog.avatars[name]?.inode {
                gone.append(name)
                events += remove(name)
            }
            return [.rescanned(.cache, settled: [], unnameable: [], vanished: gone, events: events)]
        case .crops:
            guard mutation != .skipStartScan else { return [] }
            var changed: [(name: AvatarName, inode: Int)] = []
            for (name, inode) in crops {
                let known = catalog.crops[name]
                if known?.inode != inode || known?.version != files[inode]?.version { changed.append((name, inode)) }
            }
            for name in catalog.crops.keys where crops[name] == nil { changed.append((name, 0)) }
            changed.sort { left, right in
                let times = (files[left.inode]?.modified ?? .zero, files[right.inode]?.modified ?? .zero)
                return times.0 == times.1 ? left.name < right.name : times.0 < times.1
            }
            return [.rescanned(.crops, settled: changed.map(\.name), unnameable: [], vanished: [], events: [])]
        }
    }
}

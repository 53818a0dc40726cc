internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

// What AvatarCache's primitives do, done to the simulated disk.
extension SimDisk {
    func perform(_ command: DiskCommand) -> [DiskResult] {
        switch command {
        case .openAccount: return [openAccount()]
        case .lookUp(let names, let touch): return lookUp(names, touch: touch)
        case .beginPart(let name, let plan): return begin(name, plan)
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
        case .examine(let name): return [.examined(name, examine(name))]
        case .judge(let name, let verdict): return judged(name, verdict)
        case .readCrop(let id, let range): return [read(id, range)]
        case .stageCrop(let id): return [stage(id)]
        case .finishCrops(let ids):
            guard !isFull else { return [.failed(command, .full)] }
            return ids.map { id in
                guard let name = cropNames[id] else { return .cropChanged(id) }
                return .cropFinished(id, name, uploaded(id))
            }
        case .setCropAside(let id, _):
            guard !isFull else { return failed(command) }
            if let name = catalog.row(of: id)?.crop.name { catalog.crops[name]?.state = .setAside }
            return []
        case .setNegative(let name, let reason, let attempts):
            guard !isFull else {
                refusalLost(name)
                return failed(command)
            }
            guard mutation != .forgetRefusals else { return [.logged([log(.failed, name)])] }
            catalog.negatives[name] = SimCatalog.Refusal(
                reason: reason, attempts: attempts,
                until: Negative.keptUntil(reason, of: name, attempts: attempts, wall: wall), tokenEpoch: tokenEpoch)
            return [.logged([log(.failed, name)])]
        case .clearNegatives(let names):
            for name in names { catalog.negatives[name] = nil }
            return []
        case .inspect(let name):
            guard let avatar = catalog.avatars[name], cache[name] != avatar.inode else { return [] }
            return isFull ? failed(command) : [.vanished(name, remove(name))]
        case .rescan(let folder): return rescan(folder)
        case .touch: return isFull ? failed(command) : []
        // The start hands its facts over by itself, and a commit is driven step by step. The others are asked for by nobody in these
        // lives, or for one shared folder and after a boot.
        case .start, .commit, .forgetCrop, .evict, .forget, .adopt, .audit: return []
        case .importCrop(let stream, let path): return importCrop(stream, path)
        case .readEvents(let stream, let since, let epoch): return [.events(stream, page(since: since, epoch: epoch))]
        case .list(let stream, _, _, _): return [.listed(stream, [], next: nil)]
        case .probe: return [.probed(isFull ? .full : nil)]
        case .comparePaths: return [comparePaths()]
        case .restoreState: return [restoreState()]
        }
    }

    /// The command could not write; a mutation keeps that from the machine.
    private func failed(_ command: DiskCommand) -> [DiskResult] {
        mutation == .hideFailures ? [] : [.failed(command, .full)]
    }

    private func lookUp(_ names: [AvatarName], touch: Bool) -> [DiskResult] {
        let gone = names.filter { name in catalog.avatars[name].map { cache[name] != $0.inode } ?? false }
        // The rows of files that are gone cannot be taken away while the disk is full.
        if isFull, !gone.isEmpty { return [.failed(.lookUp(names, touch: touch), .full)] }
        let vanished = gone.map { DiskResult.vanished($0, remove($0)) }
        let noteFails = touch && isFull
        if noteFails, mutation == .answerByNote { return [.lookedUp(names.map { CatalogRow(name: $0) })] }
        return vanished + [.lookedUp(names.map(row))] + (noteFails ? failed(.touch(names)) : [])
    }

    private func openAccount() -> DiskResult {
        for name in catalog.crops.keys where catalog.crops[name]?.crop.account == nil || mutation == .shareCrops {
            catalog.crops[name]?.crop.account = account
        }
        for name in catalog.negatives.keys where catalog.negatives[name]?.tokenEpoch != tokenEpoch {
            catalog.negatives[name] = nil
        }
        var facts = AccountFacts(account: account)
        facts.icon = account.flatMap { catalog.icons[$0] }
        let waiting = catalog.crops.values.filter { $0.state == .pending && $0.crop.account == account }
            .sorted { $0.crop.id < $1.crop.id }
        for row in waiting {
            guard isCurrent(row) else {
                facts.doubtful.append(row.crop.name)
                continue
            }
            facts.crops.append(row.crop.sentBefore)
        }
        return .accountOpened(facts)
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
            part.origin.isResumable(from: account ?? "", bootID: bootID, now: world.now)
                || mutation == .keepPartsAcrossBoots
        {
            row.part = Part(plan: part.plan, held: min(part.held, Int64(size)), begun: part.origin.startedAt)
        }
        row.negative = catalog.negatives[name].map { kept in
            guard mutation != .trustWallClock else {
                let left = Duration.milliseconds(kept.until.milliseconds - wall.milliseconds)
                return Negative(reason: kept.reason, until: world.now + left, attempts: kept.attempts)
            }
            return Negative(
                reason: kept.reason, of: name, attempts: kept.attempts, keptUntil: kept.until, wall: wall,
                now: world.now)
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

    private var origin: PartOrigin { PartOrigin(bootID: bootID, serverKey: account ?? "", startedAt: world.now) }

    private func begin(_ name: AvatarName, _ plan: PartPlan) -> [DiskResult] {
        guard !isFull else { return [.partFailed(name, .full)] }
        setName(.parts, name, newFile([]))
        catalog.parts[name] = SimCatalog.Part(plan: plan, held: 0, origin: origin)
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

    /// One step of a commit, for all files of its round.
    func commit(
        _ step: CommitMachine.Step, _ items: [CommitMachine.Item]
    ) -> [(AvatarName, CommitMachine.Outcome)] {
        if isFull, step == .writeIntents || step == .record { return items.map { ($0.name, .diskFull) } }
        switch step {
        case .verify: return items.map { ($0.name, verify($0)) }
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
        case .rename: return items.map { ($0.name, rename($0.name)) }
        case .syncFolder: if mutation != .skipSyncFolder { syncNames() }
        case .record: return items.map { ($0.name, record($0)) }
        }
        return items.map { ($0.name, .done) }
    }

    private func verify(_ item: CommitMachine.Item) -> CommitMachine.Outcome {
        guard let promised = catalog.parts[item.name]?.plan.totalSize, let inode = parts[item.name],
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
        for folder in catalog.cropsElsewhere.keys where catalog.cropsElsewhere[folder]?[name]?.crop.id == id {
            catalog.cropsElsewhere[folder]?[name]?.state = .done
        }
        if let account { catalog.icons[account] = name }
        return [log(.uploaded, name), log(.icon, name)]
    }

    // MARK: Crops

    /// A person's picture, which lies in the upload folder already, is placed there anew.
    private func importCrop(_ stream: StreamID, _ path: String) -> [DiskResult] {
        guard let name = try? AvatarName(path), let inode = crops[name], let file = files[inode], !file.isBeingWritten,
            (try? ImageStructure.examine(file.bytes.span.bytes)) != nil
        else { return [] }
        let copy = newFile(file.bytes)
        crops[name] = copy
        touch(copy)
        imported(name)
        return [.imported(stream, name)]
    }

    private func examine(_ name: AvatarName) -> Examination {
        guard let inode = heldCrops[name], let file = files[inode] else {
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
        candidates[name] = (inode, file.version, md5, sha256)
        return .settled(
            CropRule.Candidate(recorded: catalog.crops[name].flatMap { recorded($0, inode, file, sha256) }))
    }

    private func judged(_ name: AvatarName, _ verdict: CropRule.Verdict) -> [DiskResult] {
        guard let file = candidates[name] else { return [] }
        switch verdict {
        case .known, .refused:
            candidates[name] = nil
            return []
        case .waits:
            candidates[name] = nil
            return catalog.crops[name].map { [.cropRecorded($0.crop.sentBefore)] } ?? []
        case .isNew(let everSent):
            guard !isFull else { return failed(.judge(name, verdict)) }
            candidates[name] = nil
            catalog.lastCrop += 1
            let id = mutation == .newestCropFirst ? 1_000_000 - catalog.lastCrop : catalog.lastCrop
            let crop = Crop(
                id: CropID(id), name: name, size: Int64(files[file.inode]?.bytes.count ?? 0), md5: file.md5,
                sha256: file.sha256, everSent: everSent, account: account)
            catalog.crops[name] = SimCatalog.CropRow(
                crop: crop, inode: file.inode, version: file.version, state: .pending)
            cropNames[crop.id] = name
            recorded(crop)
            return [.cropRecorded(crop)]
        }
    }

    private func recorded(
        _ row: SimCatalog.CropRow, _ inode: Int, _ file: File, _ sha256: SHA256Digest
    ) -> CropRule.Recorded? {
        guard row.crop.sha256 == sha256 else { return nil }
        let isSameFile = row.inode == inode && row.version == file.version
        switch row.state {
        case .pending where row.crop.account != account: return .waitingForAnother(isSameFile: isSameFile)
        case .pending:
            let isInOrder = !catalog.crops.values.contains { other in
                other.state != .setAside && other.crop.id > row.crop.id
                    && (files[other.inode]?.modified ?? .zero) < file.modified
            }
            return .waiting(isSameFile: isSameFile, isInOrder: isInOrder)
        case .done: return .sent(toThisAccount: row.crop.account == account)
        case .setAside: return nil
        }
    }

    private func current(_ row: SimCatalog.CropRow) -> [UInt8]? { isCurrent(row) ? files[row.inode]?.bytes : nil }

    /// Whether the file at the crop's name still is the one that was examined, and nobody writes it.
    func isCurrent(_ row: SimCatalog.CropRow) -> Bool {
        guard heldCrops[row.crop.name] == row.inode, let file = files[row.inode] else { return false }
        return file.version == row.version && !file.isBeingWritten
    }

    private func read(_ id: CropID, _ range: Range<Int64>) -> DiskResult {
        guard let row = catalog.row(of: id), let bytes = mutation == .ignoreCropChange ? lying(row) : current(row),
            range.upperBound <= bytes.count
        else { return .cropChanged(id) }
        return .cropRead(
            id, offset: range.lowerBound, bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    /// Whatever lies under the crop's name now.
    private func lying(_ row: SimCatalog.CropRow) -> [UInt8]? { heldCrops[row.crop.name].flatMap { files[$0]?.bytes } }

    private func stage(_ id: CropID) -> DiskResult {
        guard !isFull else { return .cropNotStaged(id, .full) }
        guard let row = catalog.row(of: id), let bytes = current(row) else {
            return .cropNotStaged(id, .failed("the crop changed after it was uploaded"))
        }
        setName(.parts, row.crop.name, newFile(bytes))
        catalog.parts[row.crop.name] = SimCatalog.Part(
            plan: PartPlan(totalSize: Int64(bytes.count), chunkSize: nil), held: Int64(bytes.count),
            origin: PartOrigin(bootID: bootID, serverKey: "own", startedAt: world.now))
        return .cropStaged(id)
    }

    private func rescan(_ folder: WatchedFolder) -> [DiskResult] {
        guard isAtItsPath(folder) else { return [.moved(folder)] }
        switch folder {
        case .cache:
            let gone = catalog.avatars.keys.sorted().filter { cache[$0] != catalog.avatars[$0]?.inode }
            if isFull, !gone.isEmpty { return failed(.rescan(folder)) }
            let events = gone.flatMap { remove($0) }
            return [.rescanned(.cache, settled: [], unnameable: [], vanished: gone, events: events)]
        case .crops:
            guard mutation != .skipStartScan else { return [] }
            var changed: [(name: AvatarName, inode: Int)] = []
            for (name, inode) in crops {
                let known = catalog.crops[name]
                if known?.inode != inode || known?.version != files[inode]?.version { changed.append((name, inode)) }
            }
            for name in catalog.crops.keys where crops[name] == nil { changed.append((name, 0)) }
            for name in returned { changed.append((name, crops[name] ?? 0)) }
            returned = []
            changed.sort { left, right in
                let times = (files[left.inode]?.modified ?? .zero, files[right.inode]?.modified ?? .zero)
                return times.0 == times.1 ? left.name < right.name : times.0 < times.1
            }
            return [.rescanned(.crops, settled: changed.map(\.name), unnameable: [], vanished: [], events: [])]
        }
    }
}

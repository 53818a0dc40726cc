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
        case .look where mutation == .ignoreLinks: return []
        case .look(let name):
            guard let file = crops[name].flatMap({ files[$0] }) else { return [] }
            if file.isBeingWritten { awaited.insert(name) }
            return file.isBeingWritten || file.bytes.isEmpty ? [] : [.appeared(name)]
        case .findRefused: return [.refusedFound([])]
        case .check(let stream): return [.checked(stream, FolderCheck())]
        case .examine(let name): return [.examined(name, examine(name))]
        case .judge(let name, let verdict): return judged(name, verdict)
        case .readCrop(let id, let range): return [read(id, range)]
        case .stageCrop(let id): return [stage(id)]
        case .finishCrops(let ids):
            guard !isFull else { return [.failed(command, .full)] }
            unsyncedCrops = []
            return ids.map { id in
                guard let name = cropNames[id] else { return .cropChanged(id) }
                return .cropFinished(id, name, uploaded(id))
            }
        case .keepLocation(let id, let location):
            guard !isFull else { return failed(command) }
            if let name = catalog.row(of: id)?.crop.name { catalog.crops[name]?.crop.location = location }
            return []
        case .noteIcon(let name, let account):
            guard !isFull else { return failed(command) }
            catalog.icons[account] = name
            return [.logged([log(.icon, name)])]
        case .setCropAside(let id, let reason):
            guard !isFull else { return failed(command) }
            unsyncedCrops = []
            guard let name = catalog.row(of: id)?.crop.name else { return [] }
            catalog.crops[name]?.state = reason == CropRule.superseded ? .superseded : .setAside
            return []
        case .logRefusal(let name, _):
            guard !isFull else { return failed(command) }
            return [.logged([log(.refused, name)])]
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
        case .noteChecked(let name):
            guard !isFull else { return failed(command) }
            if catalog.avatars[name]?.record.isOwn == false { catalog.avatars[name]?.checked = wall }
            return []
        case .noteChanges(let notes):
            var kept = notes
            if isFull || mutation == .forgetChanges { (kept.changes, kept.mayBeOld) = ([:], []) }
            if isFull { kept.avatars = [:] }
            if mutation == .keepOldAvatars { kept.avatars = kept.avatars.filter { !isKnown($0.key) } }
            if !isFull || mutation == .keepPlaceAlone { catalog.note(kept, of: account) }
            return isFull ? failed(command) : [.changesNoted(notes)]
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
        case .start, .commit, .forgetCrop, .evict, .forget, .dismiss, .adopt, .audit: return []
        case .importCrop(let stream, let path): return importCrop(stream, path)
        case .readEvents(let stream, let since, let epoch): return [.events(stream, page(since: since, epoch: epoch))]
        case .list(let stream, _, _, _): return [.listed(stream, [], next: nil)]
        case .probe: return [.probed(isFull ? .full : isCacheMoved ? .failed("no cache folder") : nil)]
        case .comparePaths: return [comparePaths()]
        case .restoreState: return [restoreState()]
        }
    }

    /// The command could not write; a mutation keeps that from the machine.
    func failed(_ command: DiskCommand) -> [DiskResult] {
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

    private func isKnown(_ user: UserID) -> Bool { account.flatMap { catalog.userAvatars[$0]?[user] } != nil }

    private func openAccount() -> DiskResult {
        unsyncedCrops = []
        if let account {
            if let last = catalog.lastLogin, last.tokenEpoch == tokenEpoch, last.account != account,
                last.account.split(separator: "/").last == account.split(separator: "/").last
            {
                catalog.takeOver(from: last.account, to: account)
                tookOver(last.account, account)
            }
            catalog.lastLogin = (account, tokenEpoch)
        }
        for name in catalog.crops.keys where catalog.crops[name]?.crop.account == nil || mutation == .shareCrops {
            catalog.crops[name]?.crop.account = account
        }
        for name in catalog.negatives.keys where catalog.negatives[name]?.tokenEpoch != tokenEpoch {
            catalog.negatives[name] = nil
        }
        var facts = AccountFacts(account: account)
        facts.icon = account.flatMap { catalog.icons[$0] }
        facts.followed = account.flatMap { catalog.followed[$0] } ?? []
        facts.position = account.flatMap { catalog.positions[$0] }
        let avatars = account.flatMap { catalog.userAvatars[$0] } ?? [:]
        facts.avatars = mutation == .forgetAvatars ? [:] : avatars
        avatarsKnown(avatars, facts.position)
        var places: [AvatarName: ExactString] = [:]
        let waiting = catalog.crops.values.filter { $0.state == .pending && $0.crop.account == account }
            .sorted { $0.crop.id < $1.crop.id }
        for row in waiting {
            guard isCurrent(row) else {
                facts.doubtful.append(row.crop.name)
                continue
            }
            var crop = row.crop.sentBefore
            places[crop.name] = crop.location
            if mutation == .forgetKeptPlaces { crop.location = nil }
            facts.crops.append(crop)
        }
        placesKept(places)
        return .accountOpened(facts)
    }

    func log(_ kind: AvatarEvent.Kind, _ name: AvatarName) -> AvatarEvent {
        catalog.log(kind, name, at: wall, repeating: mutation == .repeatCursor && random.happens(0.2))
    }

    func remove(_ name: AvatarName) -> [AvatarEvent] {
        guard catalog.avatars.removeValue(forKey: name) != nil else { return [] }
        // Once its going is on the disk: a power cut must not bring it back without its row.
        syncNames()
        return [log(.removed, name)]
    }

    private func row(_ name: AvatarName) -> CatalogRow {
        var row = CatalogRow(name: name, avatar: catalog.avatars[name]?.record)
        if let avatar = catalog.avatars[name], !avatar.record.isOwn {
            let ago = avatar.checked.map { wall.milliseconds - $0.milliseconds } ?? -1
            row.checked = world.now + (.zero - (ago < 0 ? Limits.Download.longAgo : .milliseconds(ago)))
        }
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
                    origin: item.origin, replaces: replaces,
                    assurance: catalog.parts[item.name]?.plan.sha256 == nil ? .structural : .digest)
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
        if mutation != .ignoreDigests, let digest = catalog.parts[item.name]?.plan.sha256, digest != sha256 {
            return .corrupt("another digest")
        }
        do throws(ImageError) {
            _ = try ImageStructure.examine(bytes.span.bytes)
        } catch {
            return .corrupt(error.description)
        }
        return samePicture(item, bytes, sha256).map { .unchanged($0) } ?? .done
    }

    /// The picture that was fetched earlier, when it has the very bytes of the part, which goes then.
    private func samePicture(
        _ item: CommitMachine.Item, _ bytes: [UInt8], _ sha256: SHA256Digest
    ) -> AvatarRecord? {
        guard case .download = item.origin, let avatar = catalog.avatars[item.name], !avatar.record.isOwn,
            cache[item.name] == avatar.inode
        else { return nil }
        let isSame =
            mutation == .compareSizes ? avatar.record.size == Int64(bytes.count) : avatar.record.sha256 == sha256
        guard isSame else { return nil }
        discardPart(item.name)
        catalog.avatars[item.name]?.checked = wall
        return avatar.record
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
        unsyncedCrops = []
        guard let intent = catalog.intents[name] else { return .failed("no intent") }
        var events: [AvatarEvent] = []
        let earlier = catalog.avatars[name]?.record
        let isOwn = if case .crop = item.origin { true } else { false }
        let owner: UserID? = if case .download(let owner) = item.origin { owner } else { nil }
        let record = AvatarRecord(
            name: name, owner: owner, size: intent.size, sha256: intent.sha256, assurance: intent.assurance,
            generation: (earlier?.generation ?? 0) + 1, isOwn: isOwn)
        catalog.avatars[name] = SimCatalog.Avatar(
            record: record, inode: intent.inode, checked: isOwn ? nil : wall)
        catalog.intents[name] = nil
        catalog.parts[name] = nil
        catalog.negatives[name] = nil
        refusalLost(name)
        events.append(log(earlier == nil ? .ready : .changed, name))
        if !isOwn { placed(record) }
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
            looked(changed.map(\.name))
            return [.rescanned(.crops, settled: changed.map(\.name), unnameable: [], vanished: [], events: [])]
        }
    }
}

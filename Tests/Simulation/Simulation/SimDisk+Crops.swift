internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

// What the disk thread does with files of the upload folder, done to the simulated disk.
extension SimDisk {
    /// A person's picture, which lies in the upload folder already, is placed there anew.
    func importCrop(_ stream: StreamID, _ path: String) -> [DiskResult] {
        guard let name = try? AvatarName(path), let inode = crops[name], let file = files[inode], !file.isBeingWritten,
            (try? ImageStructure.examine(file.bytes.span.bytes)) != nil
        else { return [] }
        let copy = newFile(file.bytes)
        crops[name] = copy
        touch(copy)
        imported(name)
        return [.imported(stream, name)]
    }

    func examine(_ name: AvatarName) -> Examination {
        guard let inode = heldCrops[name], let file = files[inode] else {
            if let row = catalog.crops.removeValue(forKey: name), row.state == .pending || row.state == .done {
                departed[row.inode] = row
            }
            return .missing
        }
        guard !unreadable.contains(inode) else { return .refused(reason: "it cannot be read") }
        guard !file.isBeingWritten || mutation == .ignoreWriters else {
            awaited.insert(name)
            return .busy
        }
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
        var candidate = CropRule.Candidate(
            recorded: catalog.crops[name].flatMap { recorded($0, inode, file, sha256) })
        if let before = departed[inode], before.version == file.version, before.crop.sha256 == sha256 {
            candidate.renamed = before.state == .pending && before.crop.account == account ? .waiting : .dealtWith
        }
        return .settled(candidate)
    }

    func judged(_ name: AvatarName, _ verdict: CropRule.Verdict) -> [DiskResult] {
        guard let file = candidates[name] else { return [] }
        switch verdict {
        case .known:
            candidates[name] = nil
            // The file is read again when it changes once more, and not before.
            catalog.crops[name]?.inode = file.inode
            catalog.crops[name]?.version = file.version
            return []
        case .refused:
            candidates[name] = nil
            return []
        case .renamed(let before):
            candidates[name] = nil
            guard let row = departed.removeValue(forKey: file.inode) else { return [] }
            let crop = Crop(
                id: row.crop.id, name: name, size: row.crop.size, md5: row.crop.md5, sha256: row.crop.sha256,
                everSent: true, account: row.crop.account)
            catalog.crops[name] = SimCatalog.CropRow(
                crop: crop, inode: file.inode, version: file.version, state: row.state)
            cropNames[crop.id] = name
            return before == .waiting ? [.cropRecorded(crop)] : []
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
            if durable { unsyncedCrops.append((name, catalog.crops[name])) }
            catalog.crops[name] = SimCatalog.CropRow(
                crop: crop, inode: file.inode, version: file.version, state: .pending)
            cropNames[crop.id] = name
            recorded(crop)
            return [.cropRecorded(crop)]
        }
    }

    func recorded(
        _ row: SimCatalog.CropRow, _ inode: Int, _ file: File, _ sha256: SHA256Digest
    ) -> CropRule.Recorded? {
        guard row.crop.sha256 == sha256 else { return nil }
        let isSameFile = row.inode == inode && row.version == file.version
        switch row.state {
        case .pending where row.crop.account != account: return .waitingForAnother(isSameFile: isSameFile)
        case .pending:
            let isInOrder = !catalog.crops.values.contains { other in
                (other.state == .pending || other.state == .done) && other.crop.id > row.crop.id
                    && (files[other.inode]?.modified ?? .zero) < file.modified
            }
            return .waiting(isSameFile: isSameFile, isInOrder: isInOrder)
        case .done:
            return .sent(toThisAccount: row.crop.account == account, isSameFile ? .untouched : .rewritten)
        case .superseded: return isSameFile ? .superseded : nil
        case .setAside: return nil
        }
    }

    func current(_ row: SimCatalog.CropRow) -> [UInt8]? { isCurrent(row) ? files[row.inode]?.bytes : nil }

    /// Whether the file at the crop's name still is the one that was examined, and nobody writes it.
    func isCurrent(_ row: SimCatalog.CropRow) -> Bool {
        guard heldCrops[row.crop.name] == row.inode, let file = files[row.inode] else { return false }
        return file.version == row.version && !file.isBeingWritten
    }

    func read(_ id: CropID, _ range: Range<Int64>) -> DiskResult {
        guard let row = catalog.row(of: id), let bytes = mutation == .ignoreCropChange ? lying(row) : current(row),
            range.upperBound <= bytes.count
        else { return .cropChanged(id) }
        return .cropRead(
            id, offset: range.lowerBound, bytes: Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    }

    /// Whatever lies under the crop's name now.
    func lying(_ row: SimCatalog.CropRow) -> [UInt8]? { heldCrops[row.crop.name].flatMap { files[$0]?.bytes } }

    func stage(_ id: CropID) -> DiskResult {
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
}

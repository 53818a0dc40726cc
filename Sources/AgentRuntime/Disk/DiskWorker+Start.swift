internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import PosixFiles
internal import TransferMachines

// What an earlier run left behind, and whose it is.
extension DiskWorker {
    /// Brings an earlier run to its end, and says what the machine starts from.
    func start() throws(CacheError) {
        var facts = StartFacts()
        try noteCropFolder()
        try catalog.liftRefusals(whenTypesAreNot: cache.types)
        if try catalog.isBaselineDue() {
            facts.isBaseline = true
            // The crops first: they are one transaction, and what is not known to be dealt with would be sent.
            _ = try crops.adoptBaseline(in: catalog)
            _ = try cache.adoptBaseline(shared: isShared, at: now())
            try catalog.baselineDone()
        }
        try takeInWhatWasThere()
        _ = try cache.recoverIntents(at: now())
        try forgetWhatFitsNow()
        facts.needsAudit = catalog.opening.needsAudit
        results.append(.started(facts))
        perform(.trimParts(keep: []))
        // The bound may have been lowered meanwhile.
        tellTotals()
    }

    /// Pictures that lay in the cache folder before any agent had it are another program's: they are shown, and left alone.
    private func takeInWhatWasThere() throws(CacheError) {
        if !cache.wasHereBefore { try catalog.set(Self.takingIn, to: cache.path) }
        guard try catalog.setting(Self.takingIn) == cache.path else { return }
        let taken = try cache.adoptBaseline(as: .foreign, at: now())
        try catalog.set(Self.takingIn, to: nil)
        guard taken.adopted > 0 else { return }
        logger.info("pictures of another program lay in the cache folder", metadata: ["count": "\(taken.adopted)"])
    }

    /// The setting that says in which folder pictures are being taken in, should the process die meanwhile.
    private static let takingIn = "taking-in"

    /// Removes what nobody will go on from: old parts, and what an import that was killed left in the upload folder.
    func trimParts(keep: [AvatarName]) throws(CacheError) {
        _ = try cache.trimParts(keep: Set(keep), now: clock.now)
        try crops.removeLeftovers()
    }

    /// Opens the account that the driver named last, and tells what the catalog keeps of it.
    func openAccount() throws(CacheError) {
        var facts = AccountFacts(account: accountKey)
        if let account {
            let opened = try catalog.openAccount(account.key, credential: account.token) { account.isOtherWay(of: $0) }
            facts.icon = opened.icon
            tokenEpoch = opened.tokenEpoch
            let following = try catalog.followed(by: account.key)
            (facts.followed, facts.avatars) = (following.users, following.avatars)
            facts.position = following.position.map { ExactString($0) }
        }
        var last: Int64 = 0
        while true {
            let page = try catalog.pendingCrops(of: accountKey, after: last)
            for row in page { pending(row, &facts) }
            guard let end = page.last?.closedOrder else { break }
            last = end
        }
        results.append(.accountOpened(facts))
    }

    /// A crop that waits: the file itself decides whether it still is that crop, and otherwise is examined like any other.
    private func pending(_ row: CropRow, _ facts: inout AccountFacts) {
        if let known = cropFacts[CropID(row.closedOrder)], let crop = Crop(row, everSent: true),
            known.identity.isSameFile(as: row.identity)
        {
            return facts.crops.append(crop)
        }
        guard let crop = Crop(row, everSent: true),
            case .settled(let found) = crops.examine(row.name, whole: row.identity),
            found.sha256 == crop.sha256, found.identity.isSameFile(as: row.identity)
        else { return facts.doubtful.append(row.name) }
        cropFacts[crop.id] = found
        facts.crops.append(crop)
    }

    /// Whether the disk takes writes: a page in the parts folder, and a row in the catalog. A folder that was taken away under the open
    /// one is made again, and commits that the disk cut short are brought to their end.
    func probe() -> StorageFault? {
        do {
            try reopenCache()
            let parts = try Folder(path: cache.path + "/" + CacheFolder.partsName)
            let file = try parts.openForWriting("probe")
            defer { _ = try? parts.remove("probe") }
            let page = [UInt8](repeating: 0, count: 4096)
            try file.write(page.span.bytes, at: 0)
            try catalog.set("probe", to: "\(now().milliseconds)")
            for committed in try cache.recoverIntents(at: now()) {
                results.append(.adopted(AvatarRecord(committed.avatar), [AvatarEvent(committed.event)]))
            }
            return nil
        } catch let error as PosixError {
            return error.isDiskFull ? .full : .failed(error.description)
        } catch let error as CacheError {
            return fault(of: error)
        } catch {
            return .failed("\(error)")
        }
    }
}

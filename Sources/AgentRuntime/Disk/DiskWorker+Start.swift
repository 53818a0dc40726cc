internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import PosixFiles
internal import TransferMachines

// What an earlier run left behind.
extension DiskWorker {
    /// Brings it to an end, and says what the machine starts from; or why neither could be done.
    func start() {
        do throws(CacheError) {
            results.append(.started(try startFacts()))
            // The bound may have been lowered meanwhile.
            tellIfOverfull()
        } catch {
            logger.error("the agent cannot go on from its last run yet", metadata: ["detail": "\(error)"])
            results.append(.notStarted(error.fault))
        }
    }

    private func startFacts() throws(CacheError) -> StartFacts {
        var facts = StartFacts()
        if try catalog.isBaselineDue() {
            facts.isBaseline = true
            // The crops first: they are one transaction, and what is not known to be dealt with would be sent.
            _ = try crops.adoptBaseline(in: catalog)
            _ = try cache.adoptBaseline(shared: isShared, at: now())
            try catalog.baselineDone()
        }
        _ = try cache.recoverIntents(at: now())
        quietly("clearing up behind an earlier run") { () throws(CacheError) in
            _ = try cache.trimParts(keep: [], now: clock.now)
            try crops.removeLeftovers()
        }
        facts.needsAudit = catalog.opening.needsAudit
        facts.icon = try catalog.icon()
        var last: Int64 = 0
        while true {
            let page = try catalog.pendingCrops(after: last)
            for row in page { pending(row, &facts) }
            guard let end = page.last?.closedOrder else { return facts }
            last = end
        }
    }

    /// A crop that waits: the file itself decides whether it still is that crop, and otherwise is looked at like any other.
    private func pending(_ row: CropRow, _ facts: inout StartFacts) {
        guard let md5 = row.md5, let sha256 = row.sha256, case .settled(let found) = crops.examine(row.name),
            found.sha256 == sha256, found.identity.isSameFile(as: row.identity)
        else { return facts.doubtful.append(row.name) }
        cropFacts[CropID(row.closedOrder)] = found
        facts.crops.append(
            Crop(
                id: CropID(row.closedOrder), name: row.name, size: row.identity.size, md5: md5, sha256: sha256,
                everSent: true))
    }
}

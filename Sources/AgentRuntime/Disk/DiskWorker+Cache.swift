internal import AvatarCache
internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

// The cache folder: whether its files are what the catalog says.
extension DiskWorker {
    /// Whether the file of a row is as it was recorded.
    func isIntact(_ avatar: AvatarRow) throws(CacheError) -> Bool {
        guard unaudited.contains(avatar.name) else { return try cache.isUnchanged(avatar) }
        guard case .success(let file)? = try cache.examine(avatar.name) else { return false }
        return file.sha256 == avatar.sha256
    }

    /// A recorded file that looks different is kept when its bytes are the same: somebody touched it, or copied the folder.
    func isKept(_ row: AvatarRow) throws(CacheError) -> Bool {
        guard case .success(let file)? = try cache.examine(row.name), file.sha256 == row.sha256 else { return false }
        _ = try cache.adopt([FoundFile(name: row.name, owner: row.owner, origin: row.origin, file: file)], at: now())
        return true
    }

    /// Something happened at a name of the cache: a file that is not the recorded one any more has no row.
    func inspect(_ name: AvatarName) throws(CacheError) {
        guard let row = try catalog.avatars(named: [name])[name], try !isIntact(row), try !isKept(row) else { return }
        for event in try removed([name], reason: "gone or changed") { results.append(.vanished(name, [event])) }
    }

    func rescanCache() throws(CacheError) {
        guard cache.standing() == .held else { return results.append(.moved(.cache)) }
        var vanished: [AvatarName] = []
        var events: [AvatarEvent] = []
        // What was found before a failure is told all the same.
        defer { results.append(.rescanned(.cache, settled: [], unnameable: [], vanished: vanished, events: events)) }
        _ = try cache.compare { differences throws(CacheError) in
            var missing: [AvatarName] = []
            for difference in differences {
                switch difference {
                case .missing(let row): missing.append(row.name)
                case .changed(let row, _):
                    guard try !isKept(row) else { continue }
                    events += try removed([row.name], reason: "gone or changed")
                    vanished.append(row.name)
                case .unknown: break
                }
            }
            events += try removed(missing, reason: "gone")
            vanished += missing
        }
    }

    /// A page of recorded files, read again after the machine went down.
    func audit(after: AvatarName?) throws(CacheError) {
        let page = try cache.audit(after: after, limit: Limits.Cache.auditPageRows)
        for found in try cache.adopt(page.replaced, at: now()) {
            results.append(.adopted(AvatarRecord(found.avatar), [AvatarEvent(found.event)]))
        }
        let events = try cache.removeLost(page.lost, at: now()).map { AvatarEvent($0) }
        unaudited = page.next.map { .after($0) } ?? .nothing
        if page.next == nil { try catalog.auditDone() }
        results.append(.audited(vanished: page.lost.map(\.name), events: events, next: page.next))
    }

    func evict(keep: [AvatarName]) throws(CacheError) {
        guard let cacheBytesMax else { return }
        let events = try cache.evict(bytesMax: cacheBytesMax, keep: Set(keep), at: now()).removed.map {
            AvatarEvent($0)
        }
        results.append(.evicted(events.map(\.name), events))
    }

    /// Gives a row to a complete picture at `name` that another program has placed.
    func adopt(_ name: AvatarName) throws(CacheError) {
        guard case .success(let file)? = try cache.examine(name),
            let adopted = try adopt(FoundFile(name: name, origin: .foreign, file: file))
        else { return }
        results.append(.adopted(adopted.record, adopted.events))
    }

    func adopt(_ found: FoundFile) throws(CacheError) -> (record: AvatarRecord, events: [AvatarEvent])? {
        let committed = try cache.adopt([found], at: now())
        guard let row = try catalog.avatars(named: [found.name])[found.name] else { return nil }
        return (AvatarRecord(row), committed.map { AvatarEvent($0.event) })
    }
}

package import AvatarCore
internal import GRDB
internal import PosixFiles

/// What an eviction did.
package struct Eviction: Hashable, Sendable {
    /// The events of the files that went, in the order in which they went.
    package var removed: [EventRow] = []
    /// Bytes of the files that went.
    package var bytesFreed: Int64 = 0
    /// Bytes that the cache holds now, foreign files included.
    package var bytesHeld: Int64 = 0
    /// The cache still holds too much: the files that are left are to be kept, or are not the agent's own.
    package var isStillOver = false
}

/// What a trim of `.parts/` did.
package struct PartsTrimmed: Hashable, Sendable {
    /// Transfers that were given up.
    package var names: [AvatarName] = []
    /// Files that had no row, and were removed.
    package var strayFiles = 0
}

extension CacheFolder {
    /// Removes the agent's own files, the least recently wanted first, until the cache holds at most `bytesMax`.
    ///
    /// A name in `keep` (visible, unsent, or the own icon) stays, and so does a file that is not the recorded one by inode, size and time.
    /// No symlink is followed: a name is removed from the open folder, and only where a regular file lies.
    package func evict(bytesMax: Int64, keep: Set<AvatarName>, at now: UnixTime) throws(CacheError) -> Eviction {
        var eviction = Eviction(bytesHeld: catalog.totals.bytes)
        var after: (UnixTime, String)?
        while eviction.bytesHeld > bytesMax {
            let page = try catalog.evictable(after: after)
            guard let last = page.last else { break }
            var gone: [AvatarName] = []
            for row in page where eviction.bytesHeld > bytesMax && !keep.contains(row.name) {
                guard try removeOwn(row) else { continue }
                gone.append(row.name)
                eviction.bytesHeld -= row.identity.size
                eviction.bytesFreed += row.identity.size
            }
            eviction.removed += try recordRemoved(gone, reason: "evicted", at: now)
            after = (last.lastWanted, last.name.string)
        }
        eviction.isStillOver = eviction.bytesHeld > bytesMax
        return eviction
    }

    /// Removes one complete file because a person asked for that (`docs/label-bus.md`, `Forget`). Returns the event; nil, and nothing is
    /// removed, when the file is not the agent's own.
    package func forget(_ name: AvatarName, at now: UnixTime) throws(CacheError) -> EventRow? {
        guard let row = try catalog.avatars(named: [name])[name], row.origin != .foreign, try removeOwn(row) else {
            return nil
        }
        return try recordRemoved([name], reason: "forgotten", at: now).first
    }

    /// Takes away the rows of files that are gone, once the disk has their removal: a power cut could bring back a file that has no row
    /// any more, and then no picture could take the file's name.
    ///
    /// - Throws: when the disk does not take the removals. Then the rows stay, and the next call changes the folder before it syncs again.
    package func recordRemoved(
        _ names: [AvatarName], reason: String?, at now: UnixTime
    ) throws(CacheError) -> [EventRow] {
        guard !names.isEmpty else { return [] }
        if catalog.sync == .full {
            do { try syncFolder() } catch { throw CacheError(error, "syncing the cache folder") }
        }
        return try catalog.recordRemoved(names, reason: reason, at: now)
    }

    /// Whether the file of `row` is gone: removed just now, or before.
    private func removeOwn(_ row: AvatarRow) throws(CacheError) -> Bool {
        do throws(PosixError) {
            guard let facts = try folder.facts(of: row.name.string) else { return true }
            guard facts.kind == .regular, FileIdentity(facts).isSameFile(as: row.identity) else { return false }
            try folder.remove(row.name.string)
            return true
        } catch {
            throw CacheError(error, "evicting \(row.name)")
        }
    }

    /// Gives up the transfers that are not in `keep` and cannot go on, because they were begun in another boot or over an hour ago, and
    /// removes files in `.parts/` that have no row.
    package func trimParts(keep: Set<AvatarName>, now: MonotonicTime) throws(CacheError) -> PartsTrimmed {
        var trimmed = PartsTrimmed()
        let rows = try catalog.parts()
        let intents = Set(try catalog.intents().map(\.candidate.name))
        trimmed.names = rows.filter { row in
            !keep.contains(row.name) && !intents.contains(row.name) && row.origin.isAbandoned(bootID: bootID, now: now)
        }.map(\.name)
        try discardParts(trimmed.names)
        let known = Set(rows.map(\.name)).union(intents)
        let expected = Set(known.map(Self.partFile))
        do {
            var stray: [String] = []
            try parts.forEachName { if !expected.contains($0) { stray.append($0) } }
            for name in stray where try parts.facts(of: name)?.kind == .regular {
                if try parts.remove(name) { trimmed.strayFiles += 1 }
            }
        } catch {
            throw CacheError(error, "trimming the parts")
        }
        return trimmed
    }
}

extension Catalog {
    /// A page of what may be evicted, the least recently wanted first.
    func evictable(after: (UnixTime, String)?) throws(CacheError) -> [AvatarRow] {
        try read("choosing what to evict") { db in
            try Row.fetchAll(
                db.cachedStatement(
                    sql: """
                        SELECT \(AvatarRow.columns) FROM avatars WHERE origin <> 'foreign' AND (last_wanted, name) > (?, ?)
                            ORDER BY last_wanted, name LIMIT ?
                        """),
                arguments: [
                    after?.0.milliseconds ?? Int64.min, after?.1 ?? "", Limits.Cache.differencesPerBatchMax,
                ]
            ).map(AvatarRow.init)
        }
    }
}

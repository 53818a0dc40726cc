package import AvatarCore
internal import GRDB
internal import PosixFiles

/// What is to be done with an intent row of an earlier run.
package struct IntentFinding: Hashable, Sendable {
    package let intent: IntentRow
    package let recovery: CommitRecovery
}

extension CacheFolder {
    /// Looks for the files of every intent row, in the order of their names. When the last run was in another boot, a power cut may have
    /// taken their bytes: then the files are read and their digests compared.
    package func intentFindings() throws(CacheError) -> [IntentFinding] {
        let doubtful = !catalog.opening.sameBoot
        var findings: [IntentFinding] = []
        for intent in try catalog.intents() {
            let name = intent.candidate.name
            do throws(PosixError) {
                let recovery = CommitRecovery(
                    final: try found(by: intent, name.string, folder, reading: doubtful),
                    part: try found(by: intent, Self.partFile(name), parts, reading: doubtful))
                findings.append(IntentFinding(intent: intent, recovery: recovery))
            } catch {
                throw CacheError(error, "looking for \(name)")
            }
        }
        return findings
    }

    /// What lies at `name`. In the same boot, inode, size and time say whether the verified file lies there. After a power cut its bytes
    /// must say so: a file with its inode and no complete picture lost its data, and a file with its inode and another picture is
    /// another program's by now.
    private func found(
        by intent: IntentRow, _ name: String, _ folder: borrowing Folder, reading: Bool
    ) throws(PosixError) -> CommitRecovery.Found {
        let identity = intent.candidate.part.identity
        guard let facts = try folder.facts(of: name) else { return .nothing }
        guard facts.kind == .regular, facts.inode == identity.inode else {
            // Where nothing was to be replaced, nothing was swapped.
            guard let replaces = intent.replaces else { return .nothing }
            return try isOwn(name, in: folder, replaces) ? .replaced : .another
        }
        guard reading else { return FileIdentity(facts).isSameFile(as: identity) ? .asIntended : .another }
        guard facts.size <= Limits.Picture.downloadBytesMax else { return .another }
        let bytes = try folder.openForReading(name).read(at: 0, count: Int(facts.size))
        // It was verified before its intent was written.
        switch Self.examined(bytes, FileIdentity(facts), types: Set(ImageFormat.allCases), isWhole: true) {
        case .success(let found): return found.sha256 == intent.candidate.part.sha256 ? .asIntended : .another
        case .failure: return .damaged
        }
    }

    /// Brings every intent row of an earlier run to the end that ``AvatarCore/CommitRecovery`` decides. Returns the pictures that were
    /// recorded, with their events.
    package func recoverIntents(at now: UnixTime) throws(CacheError) -> [Committed] {
        let findings = try intentFindings()
        guard !findings.isEmpty else { return [] }
        let toPlace = findings.filter { $0.recovery == .place }.map(\.intent.candidate.name)
        let inParts = zip(toPlace, try syncParts(toPlace)).filter { $0.1 == .synced }.map(\.0)
        // A part that could not be synced is gone, and its intent with it.
        try dropIntents(toPlace.filter { !inParts.contains($0) })
        let outcomes = try renameIntoPlace(inParts)
        var final = zip(inParts, outcomes).filter { $0.1 == .placed }.map(\.0)
        var dropped = zip(inParts, outcomes).filter { $0.1 != .placed }.map(\.0)
        for finding in findings {
            let name = finding.intent.candidate.name
            switch finding.recovery {
            case .place: break
            case .record:
                try removeReplaced(by: finding.intent)
                final.append(name)
            case .giveBack:
                if try giveBack(finding.intent) { dropped.append(name) } else { final.append(name) }
            case .removeDamaged:
                try removeDamaged(finding.intent)
                dropped.append(name)
            case .forget: dropped.append(name)
            }
        }
        try syncCacheFolder(placed: final)
        try dropIntents(dropped)
        return try recordFinal(final.sorted(), at: now)
    }

    /// Takes intent rows back; their parts stay, to be verified anew or discarded.
    package func dropIntents(_ names: [AvatarName]) throws(CacheError) {
        try catalog.write("dropping \(names.count) intents") { db in
            for name in names { try Catalog.deleteIntent(name, db) }
        }
    }

    /// Removes the damaged file of an intent from its final name and from `.parts/`.
    private func removeDamaged(_ intent: IntentRow) throws(CacheError) {
        let candidate = intent.candidate
        let part = Self.partFile(candidate.name)
        do throws(PosixError) {
            if try found(by: intent, candidate.name.string, folder, reading: true) == .damaged {
                try folder.remove(candidate.name.string)
            }
            if try found(by: intent, part, parts, reading: true) == .damaged { try parts.remove(part) }
        } catch {
            throw CacheError(error, "removing what is left of \(candidate.name)")
        }
    }

    /// Removes the agent's own earlier file, which lies in `.parts/` after a swap that was cut short.
    private func removeReplaced(by intent: IntentRow) throws(CacheError) {
        let part = Self.partFile(intent.candidate.name)
        do throws(PosixError) {
            guard let replaces = intent.replaces, try isOwn(part, in: parts, replaces) else { return }
            try parts.remove(part)
        } catch {
            throw CacheError(error, "clearing up after \(intent.candidate.name)")
        }
    }

    /// Swaps another program's file back to its name; false where the file system cannot swap.
    private func giveBack(_ intent: IntentRow) throws(CacheError) -> Bool {
        let name = intent.candidate.name
        do throws(PosixError) {
            return try parts.exchange(Self.partFile(name), with: name.string, in: folder)
        } catch {
            throw CacheError(error, "giving \(name) back")
        }
    }
}

package import AvatarCore
internal import GRDB
internal import PosixFiles

/// What an intent row of an earlier run found on the disk.
package struct IntentFinding: Hashable, Sendable {
    /// Where the verified bytes are.
    package enum Place: Hashable, Sendable {
        /// At the final name: only the final row is missing.
        case inPlace
        /// Still in `.parts/`: the rename did not happen (or a power cut took it back).
        case inParts
        /// At neither: a power cut took them, or somebody did.
        case gone
        /// The inode is there with other bytes: a power cut took the data (`storage.sync: none`).
        case damaged
    }

    package let intent: IntentRow
    package let place: Place
}

extension CacheFolder {
    /// What every intent row finds, by name. Bytes are read, and their digest compared, only when they may have been lost: when the
    /// last run was in another boot.
    package func intentFindings() throws(CacheError) -> [IntentFinding] {
        let doubtful = !catalog.opening.sameBoot
        var findings: [IntentFinding] = []
        for intent in try catalog.intents() {
            do throws(PosixError) {
                findings.append(IntentFinding(intent: intent, place: try place(of: intent, reading: doubtful)))
            } catch {
                throw CacheError(error, "looking for \(intent.candidate.name)")
            }
        }
        return findings
    }

    private func place(of intent: IntentRow, reading: Bool) throws(PosixError) -> IntentFinding.Place {
        let candidate = intent.candidate
        switch try state(of: candidate, candidate.name.string, folder, reading: reading) {
        case .verified: return .inPlace
        case .damaged: return .damaged
        case .another: break
        }
        switch try state(of: candidate, Self.partFile(candidate.name), parts, reading: reading) {
        case .verified: return .inParts
        case .damaged: return .damaged
        case .another: return .gone
        }
    }

    private enum FileState { case verified, damaged, another }

    /// Whether the file at `name` is the verified one. Without a power cut between, inode, size and time say so; after one the
    /// bytes must: an inode that holds no complete picture lost its data, one that holds another picture is another's by now.
    private func state(
        of candidate: CommitCandidate, _ name: String, _ folder: borrowing Folder, reading: Bool
    ) throws(PosixError) -> FileState {
        let identity = candidate.part.identity
        guard let facts = try folder.facts(of: name), facts.kind == .regular, facts.inode == identity.inode else {
            return .another
        }
        guard reading else { return FileIdentity(facts).isSameFile(as: identity) ? .verified : .another }
        guard facts.size <= Limits.Picture.downloadBytesMax else { return .another }
        let bytes = try folder.openForReading(name).read(at: 0, count: Int(facts.size))
        switch Self.examined(bytes, FileIdentity(facts)) {
        case .success(let found): return found.sha256 == candidate.part.sha256 ? .verified : .another
        case .failure: return .damaged
        }
    }

    /// Brings every intent row of an earlier run to an end: what lies in place is recorded, what lies in `.parts/` is renamed in the
    /// order of promise 1, what is damaged or gone loses its row (and a damaged file its name). Returns what became known.
    package func recoverIntents(at now: UnixTime) throws(CacheError) -> [Committed] {
        let findings = try intentFindings()
        guard !findings.isEmpty else { return [] }
        let inParts = findings.filter { $0.place == .inParts }.map(\.intent.candidate.name)
        try syncParts(inParts)
        let outcomes = try renameIntoPlace(inParts)
        try syncCacheFolder()
        let placed = zip(inParts, outcomes).filter { $0.1 == .placed }.map(\.0)
        let notPlaced = zip(inParts, outcomes).filter { $0.1 != .placed }.map(\.0)
        for finding in findings where finding.place == .damaged { try removeDamaged(finding.intent) }
        let lost = findings.filter { $0.place == .damaged || $0.place == .gone }.map(\.intent.candidate.name)
        try dropIntents(lost + notPlaced)
        var final = placed
        for finding in findings where finding.place == .inPlace {
            if try settleLeftover(of: finding.intent) {
                final.append(finding.intent.candidate.name)
            } else {
                try dropIntents([finding.intent.candidate.name])
            }
        }
        return try recordFinal(final.sorted(), at: now)
    }

    /// Takes intent rows back; their parts stay, to be verified anew or discarded.
    package func dropIntents(_ names: [AvatarName]) throws(CacheError) {
        try catalog.write("dropping \(names.count) intents") { db in
            for name in names { try Catalog.deleteIntent(name, db) }
        }
    }

    /// Removes what was found damaged just now, wherever it lies.
    private func removeDamaged(_ intent: IntentRow) throws(CacheError) {
        let candidate = intent.candidate
        let part = Self.partFile(candidate.name)
        do throws(PosixError) {
            if try state(of: candidate, candidate.name.string, folder, reading: true) == .damaged {
                try folder.remove(candidate.name.string)
            }
            if try state(of: candidate, part, parts, reading: true) == .damaged { try parts.remove(part) }
        } catch {
            throw CacheError(error, "removing what is left of \(candidate.name)")
        }
    }

    /// After a swap that was cut short the file that had the name lies in `.parts/`: the agent's own earlier one goes; another's
    /// gets its name back, and then the answer is false.
    private func settleLeftover(of intent: IntentRow) throws(CacheError) -> Bool {
        let name = intent.candidate.name.string
        let part = Self.partFile(intent.candidate.name)
        do throws(PosixError) {
            guard let replaces = intent.replaces, try parts.facts(of: part) != nil else { return true }
            if try isOwn(part, in: parts, replaces) {
                try parts.remove(part)
                return true
            }
            return try !parts.exchange(part, with: name, in: folder)
        } catch {
            throw CacheError(error, "clearing up after \(intent.candidate.name)")
        }
    }
}

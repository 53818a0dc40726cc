package import AvatarCore
internal import Digests
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
        let final = try folder.facts(of: candidate.name.string)
        if let final, isVerified(final, candidate) {
            let intact: Bool
            if reading { intact = try isIntact(candidate, candidate.name.string, folder) } else { intact = true }
            return intact ? .inPlace : .damaged
        }
        let part = try parts.facts(of: Self.partFile(candidate.name))
        if let part, isVerified(part, candidate) {
            let intact: Bool
            if reading { intact = try isIntact(candidate, Self.partFile(candidate.name), parts) } else { intact = true }
            return intact ? .inParts : .damaged
        }
        // The inode without its size: the file system kept the name and lost the data.
        let inode = candidate.part.identity.inode
        return final?.inode == inode || part?.inode == inode ? .damaged : .gone
    }

    private func isVerified(_ facts: FileFacts, _ candidate: CommitCandidate) -> Bool {
        facts.kind == .regular && facts.inode == candidate.part.identity.inode
            && facts.size == candidate.part.identity.size
    }

    private func isIntact(
        _ candidate: CommitCandidate, _ name: String, _ folder: borrowing Folder
    ) throws(PosixError) -> Bool {
        let bytes = try folder.openForReading(name).read(at: 0, count: Int(candidate.part.identity.size))
        return (try? unsafe SHA256Digest(of: bytes.span.bytes)) == candidate.part.sha256
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
        let inPlace = findings.filter { $0.place == .inPlace }
        for finding in inPlace { try settleLeftover(of: finding.intent) }
        return try recordFinal((inPlace.map(\.intent.candidate.name) + placed).sorted(), at: now)
    }

    /// Takes intent rows back; their parts stay, to be verified anew or discarded.
    package func dropIntents(_ names: [AvatarName]) throws(CacheError) {
        try catalog.write("dropping \(names.count) intents") { db in
            for name in names { try Catalog.deleteIntent(name, db) }
        }
    }

    private func removeDamaged(_ intent: IntentRow) throws(CacheError) {
        let name = intent.candidate.name
        let inode = intent.candidate.part.identity.inode
        do throws(PosixError) {
            if try folder.facts(of: name.string)?.inode == inode { try folder.remove(name.string) }
            if try parts.facts(of: Self.partFile(name))?.inode == inode { try parts.remove(Self.partFile(name)) }
        } catch {
            throw CacheError(error, "removing what is left of \(name)")
        }
    }

    /// After a swap that was cut short the old file lies in `.parts/`: the agent's own goes, another's stays there for its owner.
    private func settleLeftover(of intent: IntentRow) throws(CacheError) {
        let part = Self.partFile(intent.candidate.name)
        do throws(PosixError) {
            guard let facts = try parts.facts(of: part) else { return }
            if facts.inode == intent.replaces { try parts.remove(part) }
        } catch {
            throw CacheError(error, "clearing up after \(intent.candidate.name)")
        }
    }
}

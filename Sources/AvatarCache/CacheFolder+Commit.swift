package import AvatarCore
internal import GRDB
package import PosixFiles

/// What became of the sync of one part.
package enum SyncOutcome: Hashable, Sendable {
    /// The bytes are on the disk, as far as `storage.sync` asks.
    case synced
    /// The disk did not take the bytes. The part is gone, row and file: fetch it again from its first byte.
    case discarded(CacheError)
}

/// What became of one rename.
package enum RenameOutcome: Hashable, Sendable {
    /// The verified file has its final name.
    case placed
    /// A file that is not the agent's has the name. That file and the part are as they were.
    case nameTaken
    /// The part is gone, or no longer the one that was verified, or there is no intent row.
    case notVerified
    /// The rename failed.
    case failed(PosixError)
}

/// A picture that was committed, and the event that was logged of it.
package struct Committed: Hashable, Sendable {
    package var avatar: AvatarRow
    package var event: EventRow
}

// The steps of a commit, in the order of `docs/architecture.md`: verify, syncParts, writeIntents, renameIntoPlace,
// syncCacheFolder, recordFinal. Each takes many names, so that a thousand small files share a round.
extension CacheFolder {
    /// Step 1. Reads each part whole: its size and, where the server promised one, its digest must be as promised, and the bytes a
    /// complete picture. The results come in the order of `names`.
    package func verify(_ names: [AvatarName]) throws(CacheError) -> [Result<VerifiedPart, PartError>] {
        let promised = try catalog.read("looking up \(names.count) parts") { db in
            try names.map { try Catalog.part($0, db) }
        }
        return zip(names, promised).map { name, row in
            guard let row else { return .failure(.missing) }
            return verify(row)
        }
    }

    private func verify(_ row: PartRow) -> Result<VerifiedPart, PartError> {
        do throws(PosixError) {
            let part = try openPart(row.name)
            let facts = try part.file.facts()
            guard facts.size == row.totalSize else {
                return .failure(.wrongSize(expected: row.totalSize, found: facts.size))
            }
            let bytes = try part.file.read(at: 0, count: Int(facts.size))
            return Self.examined(bytes, FileIdentity(facts), promised: row.sha256, types: types, isWhole: true)
        } catch {
            return .failure(error.isMissing ? .missing : .unreadable(error))
        }
    }

    /// Step 2. Waits until the bytes of every part are on the disk; nothing with `storage.sync: none`. The outcomes come in the order of
    /// `names`.
    ///
    /// Write-back of all begins first; then a few threads wait, so that one journal commit and one flush serve many files. A part that
    /// could not be synced is discarded: a second sync may succeed although the disk lacks its pages (``PosixFiles/DiskSync``).
    ///
    /// - Throws: when a part that could not be synced could not be discarded either.
    package func syncParts(_ names: [AvatarName]) throws(CacheError) -> [SyncOutcome] {
        guard catalog.sync == .full else { return names.map { _ in .synced } }
        let outcomes: [SyncOutcome] = zip(names, syncers.sync(names.map(Self.partFile), in: parts.descriptor, diskSync))
            .map { name, error in
                error.map { .discarded(CacheError($0, "syncing the part of \(name)")) } ?? .synced
            }
        let failed = zip(names, outcomes).filter { $0.1 != .synced }.map(\.0)
        if !failed.isEmpty { try discardParts(failed) }
        return outcomes
    }

    /// Step 3. Writes down durably which files are about to be renamed: from here on the agent knows them as its own.
    package func writeIntents(_ candidates: [CommitCandidate]) throws(CacheError) {
        try catalog.write("writing \(candidates.count) intents") { db in
            for candidate in candidates {
                let earlier = try Catalog.avatar(candidate.name, db)
                let own = earlier.flatMap { $0.origin == .foreign ? nil : $0.identity }
                let replaces = try unrecorded(candidate.name, db) ?? own
                try IntentRow(candidate: candidate, replaces: replaces).upsert(db)
            }
        }
    }

    /// The file that an earlier round renamed to `name` and could not record, because the disk was full by then.
    private func unrecorded(_ name: AvatarName, _ db: Database) throws -> FileIdentity? {
        guard let left = try Catalog.intent(name, db)?.candidate.part.identity,
            try isOwn(name.string, in: folder, left)
        else { return nil }
        return left
    }

    /// Step 4. Gives each part that has an intent row its final name. A name where another file lies is refused, unless that
    /// file is this name's own earlier one. In the order of `names`.
    package func renameIntoPlace(_ names: [AvatarName]) throws(CacheError) -> [RenameOutcome] {
        let intents = try catalog.read("reading \(names.count) intents") { db in
            try names.map { try Catalog.intent($0, db) }
        }
        return zip(names, intents).map { name, intent in
            guard let intent else { return .notVerified }
            openParts.close(name)
            do throws(PosixError) {
                return try rename(intent)
            } catch {
                return .failed(error)
            }
        }
    }

    private func rename(_ intent: IntentRow) throws(PosixError) -> RenameOutcome {
        let name = intent.candidate.name
        let part = Self.partFile(name)
        guard let facts = try parts.facts(of: part), facts.kind == .regular,
            FileIdentity(facts).isSameFile(as: intent.candidate.part.identity)
        else { return .notVerified }
        do throws(PosixError) {
            try parts.renameWithoutReplacing(part, to: name.string, in: folder)
            return .placed
        } catch {
            guard error.isExisting else { throw error }
        }
        guard let replaces = try replaceable(intent) else { return .nameTaken }
        guard try parts.exchange(part, with: name.string, in: folder) else {
            try parts.rename(part, to: name.string, in: folder)
            return .placed
        }
        // The swap brought the file that lay at the name into `.parts/`; a file that is not the agent's goes back.
        guard try isOwn(part, in: parts, replaces) else {
            _ = try parts.exchange(part, with: name.string, in: folder)
            return .nameTaken
        }
        try parts.remove(part)
        return .placed
    }

    /// The file at the final name, when it may be replaced: the agent's own earlier file of that name, or a file with the very same bytes,
    /// which lies there without a row when a power cut undid a deletion. Nil when the file is any other.
    private func replaceable(_ intent: IntentRow) throws(PosixError) -> FileIdentity? {
        let candidate = intent.candidate
        if let own = intent.replaces, try isOwn(candidate.name.string, in: folder, own) { return own }
        guard case .success(let lying)? = try? examine(candidate.name, isRecorded: true),
            lying.sha256 == candidate.part.sha256
        else {
            return nil
        }
        return lying.identity
    }

    /// Whether the file at `name` is the one with this identity. The file system gives an inode's number out again as soon as its file is
    /// deleted, so size and time must be the recorded ones too.
    func isOwn(
        _ name: String, in folder: borrowing Folder, _ identity: FileIdentity
    ) throws(PosixError) -> Bool {
        guard let facts = try folder.facts(of: name) else { return false }
        return facts.kind == .regular && FileIdentity(facts).isSameFile(as: identity)
    }

    /// Step 5. Waits until the renames are on the disk; nothing with `storage.sync: none`.
    ///
    /// When the disk does not take the renames, the files that this round `placed` are taken away from their final names, so that they
    /// are fetched again: a second sync may succeed although the folder's pages are lost. Files of other hands stay.
    ///
    /// - Throws: the sync's error, or why a file could not be taken away.
    package func syncCacheFolder(placed: [AvatarName]) throws(CacheError) {
        guard catalog.sync == .full else { return }
        do throws(PosixError) {
            try syncFolder()
        } catch {
            try takeBack(placed)
            throw CacheError(error, "syncing the cache folder")
        }
    }

    /// Removes the files that lie at their final names as their intents say, and then the intents and parts.
    private func takeBack(_ names: [AvatarName]) throws(CacheError) {
        let intents = try catalog.read("reading \(names.count) intents") { db in
            try names.compactMap { try Catalog.intent($0, db) }
        }
        var failure: CacheError?
        for candidate in intents.map(\.candidate) {
            do throws(PosixError) {
                guard try isOwn(candidate.name.string, in: folder, candidate.part.identity) else { continue }
                try folder.remove(candidate.name.string)
            } catch {
                failure = failure ?? CacheError(error, "taking \(candidate.name) back")
            }
        }
        if let failure { throw failure }
        // An intent stays until the removal is on the disk: what a power cut brings back must be known as the agent's own, and no crop.
        // ``recoverIntents(at:)`` forgets an intent whose file is gone.
        do throws(PosixError) { try syncFolder() } catch { return }
        try catalog.write("taking \(intents.count) intents back") { db in
            for intent in intents {
                try Catalog.deleteIntent(intent.candidate.name, db)
                try Catalog.deletePart(intent.candidate.name, db)
            }
        }
    }

    /// Step 6. In one transaction, writes the final rows and their events, and deletes the intents, parts and refusals of these names.
    /// Returns the pictures in the order of `names`; a name without an intent row is passed over.
    package func recordFinal(_ names: [AvatarName], at now: UnixTime) throws(CacheError) -> [Committed] {
        for name in names { openParts.close(name) }
        return try catalog.write("recording \(names.count) committed files") { db in
            try names.compactMap { name in
                guard let intent = try Catalog.intent(name, db) else { return nil }
                return try catalog.recordFinal(intent.candidate, at: now, db)
            }
        }
    }
}

extension Catalog {
    /// Inside a transaction: the final row and its event; intent, part and refusal go.
    func recordFinal(_ candidate: CommitCandidate, at now: UnixTime, _ db: Database) throws -> Committed {
        let earlier = try Self.avatar(candidate.name, db)
        let row = AvatarRow(
            name: candidate.name, owner: candidate.owner ?? earlier?.owner, identity: candidate.part.identity,
            sha256: candidate.part.sha256, assurance: candidate.assurance, image: candidate.part.image,
            origin: candidate.origin, generation: try Self.nextGeneration(after: earlier, db),
            lastWanted: candidate.lastWanted)
        try put(row, replacing: earlier, db)
        try Self.deleteIntent(row.name, db)
        try Self.deletePart(row.name, db)
        try Self.deleteNegative(row.name, db)
        let event = try Self.log(earlier == nil ? .ready : .changed, row.name, EventFacts(row), at: now, db)
        return Committed(avatar: row, event: event)
    }

    /// Every intent row, by name.
    package func intents() throws(CacheError) -> [IntentRow] {
        try read("listing the intents") { db in
            try Row.fetchAll(db, sql: "SELECT * FROM intents ORDER BY name").map(IntentRow.init)
        }
    }

    static func intent(_ name: AvatarName, _ db: Database) throws -> IntentRow? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM intents WHERE name = ?"), arguments: [name.string])
            .map(IntentRow.init)
    }

    static func deleteIntent(_ name: AvatarName, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM intents WHERE name = ?").execute(arguments: [name.string])
    }
}

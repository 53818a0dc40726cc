package import AvatarCore
internal import GRDB
package import PosixFiles

/// Why a part cannot be committed.
package enum PartFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no part of that name.
    case missing
    /// The part has another size than was promised.
    case wrongSize(expected: Int64, found: Int64)
    /// The bytes are no complete picture.
    case image(ImageError)
    /// The bytes could not be read.
    case unreadable(PosixError)
    /// libcrypto gave no digest.
    case noDigest(String)

    package var description: String {
        switch self {
        case .missing: "there is no part file"
        case .wrongSize(let expected, let found): "\(found) bytes came where \(expected) were promised"
        case .image(let fault): fault.description
        case .unreadable(let error): error.description
        case .noDigest(let reason): reason
        }
    }
}

/// What became of one rename.
package enum RenameOutcome: Hashable, Sendable {
    /// The verified file has its final name.
    case placed
    /// A file that is not the agent's has the name: it is as it was, and so is the part.
    case nameTaken
    /// The part is gone, or no longer the one that was verified, or there is no intent row.
    case notVerified
    /// The rename failed.
    case failed(PosixError)
}

/// What a commit made known.
package struct Committed: Hashable, Sendable {
    package var avatar: AvatarRow
    package var event: EventRow
}

// The steps of a commit, in the order of DESIGN.md's promise 1: verify, syncParts, writeIntents, renameIntoPlace,
// syncCacheFolder, recordFinal. Each takes many names, so that a thousand small files share a round.
extension CacheFolder {
    /// Step 1. Reads each part whole: size as promised, a complete picture, its digest. In the order of `names`.
    package func verify(_ names: [AvatarName]) throws(CacheError) -> [Result<VerifiedPart, PartFault>] {
        let promised = try catalog.read("looking up \(names.count) parts") { db in
            try names.map { try Catalog.part($0, db)?.totalSize }
        }
        return zip(names, promised).map { name, size in
            guard let size else { return .failure(.missing) }
            return verify(name, promisedSize: size)
        }
    }

    private func verify(_ name: AvatarName, promisedSize: Int64) -> Result<VerifiedPart, PartFault> {
        do throws(PosixError) {
            let part = try openPart(name)
            let facts = try part.file.facts()
            guard facts.size == promisedSize else {
                return .failure(.wrongSize(expected: promisedSize, found: facts.size))
            }
            return Self.examined(try part.file.read(at: 0, count: Int(facts.size)), FileIdentity(facts))
        } catch {
            return .failure(error.isMissing ? .missing : .unreadable(error))
        }
    }

    /// Step 2. Waits until the bytes of every part are on the disk; nothing with `storage.sync: none`.
    ///
    /// Write-back of all begins first; then a few threads wait, so that one journal commit and one flush serve many files.
    package func syncParts(_ names: [AvatarName]) throws(CacheError) {
        guard catalog.sync == .full, !names.isEmpty else { return }
        do {
            try syncers.sync(names.map(Self.partFile), in: parts.descriptor)
        } catch {
            throw CacheError(error, "syncing \(names.count) parts")
        }
    }

    /// Step 3. The durable note of what is about to be renamed: from here on the files are known as the agent's own.
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

    /// The file that an earlier round gave the name and could not record, because the disk was full by then.
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
        // The swap shows what lay there at that very moment; a file that is not the agent's goes back.
        guard try isOwn(part, in: parts, replaces) else {
            _ = try parts.exchange(part, with: name.string, in: folder)
            return .nameTaken
        }
        try parts.remove(part)
        return .placed
    }

    /// The file at the final name that may be replaced: this name's own earlier one, or one with the very same bytes, such as a deletion
    /// that a power cut undid leaves without a row. Nil for any other.
    private func replaceable(_ intent: IntentRow) throws(PosixError) -> FileIdentity? {
        let candidate = intent.candidate
        if let own = intent.replaces, try isOwn(candidate.name.string, in: folder, own) { return own }
        guard case .success(let lying)? = try? examine(candidate.name), lying.sha256 == candidate.part.sha256 else {
            return nil
        }
        return lying.identity
    }

    /// An inode's number is given out again as soon as its file is deleted, so size and time must be the recorded ones too.
    func isOwn(
        _ name: String, in folder: borrowing Folder, _ identity: FileIdentity
    ) throws(PosixError) -> Bool {
        guard let facts = try folder.facts(of: name) else { return false }
        return facts.kind == .regular && FileIdentity(facts).isSameFile(as: identity)
    }

    /// Step 5. Waits until the renames are on the disk; nothing with `storage.sync: none`.
    package func syncCacheFolder() throws(CacheError) {
        guard catalog.sync == .full else { return }
        do { try folder.sync() } catch { throw CacheError(error, "syncing the cache folder") }
    }

    /// Step 6. One transaction: the final rows, their events, and no intent, part or refusal any more. In the order of `names`;
    /// a name without an intent row is passed over.
    package func recordFinal(_ names: [AvatarName], at now: UnixTime) throws(CacheError) -> [Committed] {
        for name in names { openParts.close(name) }
        return try catalog.write("recording \(names.count) committed files") { db in
            try names.compactMap { name in
                guard let intent = try Catalog.intent(name, db) else { return nil }
                return try Catalog.recordFinal(intent.candidate, at: now, db)
            }
        }
    }
}

extension Catalog {
    static func recordFinal(_ candidate: CommitCandidate, at now: UnixTime, _ db: Database) throws -> Committed {
        let earlier = try avatar(candidate.name, db)
        let row = AvatarRow(
            name: candidate.name, owner: candidate.owner ?? earlier?.owner, identity: candidate.part.identity,
            sha256: candidate.part.sha256, assurance: candidate.assurance, image: candidate.part.image,
            origin: candidate.origin, generation: try nextGeneration(after: earlier, db),
            lastWanted: candidate.lastWanted)
        try row.upsert(db)
        try deleteIntent(row.name, db)
        try deletePart(row.name, db)
        try deleteNegative(row.name, db)
        let event = try log(earlier == nil ? .ready : .changed, row.name, EventFacts(row), at: now, db)
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

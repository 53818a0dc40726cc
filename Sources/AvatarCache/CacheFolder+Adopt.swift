package import AvatarCore
internal import GRDB
internal import PosixFiles

/// A file that was found in the cache folder, read, and is to have a row.
package struct FoundFile: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    package var origin: Origin
    package var file: VerifiedPart

    package init(name: AvatarName, owner: UserID? = nil, origin: Origin, file: VerifiedPart) {
        self.name = name
        self.owner = owner
        self.origin = origin
        self.file = file
    }
}

/// What a baseline took in.
package struct Baseline: Hashable, Sendable {
    /// Complete pictures that were given rows.
    package var adopted = 0
    /// Files that are no complete pictures, and why. They stay where they are and have no rows.
    package var refused: [AvatarName: PartError] = [:]
}

extension CacheFolder {
    /// Gives rows to files that were found complete. A name whose row had another content logs `changed`, a name without a row `ready`, and
    /// a file whose bytes are as recorded nothing.
    package func adopt(_ found: [FoundFile], at now: UnixTime) throws(CacheError) -> [Committed] {
        try catalog.write("adopting \(found.count) files") { db in
            try found.compactMap { try adopt($0, at: now, db) }
        }
    }

    private func adopt(_ found: FoundFile, at now: UnixTime, _ db: Database) throws -> Committed? {
        let earlier = try Catalog.avatar(found.name, db)
        if var same = earlier, same.sha256 == found.file.sha256 {
            same.identity = found.file.identity
            same.owner = same.owner ?? found.owner
            // The row's digest is the same, so whichever of the two proves more proves both.
            if found.file.assurance == .digest { same.assurance = .digest }
            // Another program may have copied the file: only the very inode that was recorded stays the agent's own.
            if earlier?.identity.inode != found.file.identity.inode { same.origin = found.origin }
            try catalog.put(same, replacing: earlier, db)
            return nil
        }
        let row = AvatarRow(
            name: found.name, owner: found.owner ?? earlier?.owner, identity: found.file.identity,
            sha256: found.file.sha256, assurance: found.file.assurance, image: found.file.image, origin: found.origin,
            generation: try Catalog.nextGeneration(after: earlier, db), lastWanted: earlier?.lastWanted ?? now)
        try catalog.put(row, replacing: earlier, db)
        try Catalog.deleteNegative(row.name, db)
        let event = try Catalog.log(earlier == nil ? .ready : .changed, row.name, EventFacts(row), at: now, db)
        return Committed(avatar: row, event: event)
    }

    /// Takes what lies in the folder as it is, after a catalog was lost (`docs/architecture.md`): every complete picture gets a row, and
    /// nothing is fetched again. Reads every file that has no row.
    ///
    /// In a folder that an agent had before (``wasHereBefore``) and shares with nobody, the files are recorded as downloads, so that the
    /// cache can shrink again. In a folder that was another program's, or is `shared`, the files are recorded as foreign and never removed.
    package func adoptBaseline(shared: Bool, at now: UnixTime) throws(CacheError) -> Baseline {
        try adoptBaseline(as: wasHereBefore && !shared ? .downloaded : .foreign, at: now)
    }

    /// The same, with the files recorded as this.
    package func adoptBaseline(as origin: Origin, at now: UnixTime) throws(CacheError) -> Baseline {
        var baseline = Baseline()
        var isSynced = catalog.sync != .full
        _ = try compare { (differences) throws(CacheError) in
            var found: [FoundFile] = []
            for case .unknown(let name, _) in differences {
                // A picture that clients are told of must survive a power cut, and another program may not have synced the file. Each file is
                // then read from the disk and not from the page cache, which may show pages that an earlier sync, or this one, lost.
                if !isSynced {
                    do { try folder.syncFileSystem() } catch { throw CacheError(error, "syncing the cache folder") }
                    isSynced = true
                }
                switch try examine(name, fromDisk: catalog.sync == .full) {
                case .success(let file): found.append(FoundFile(name: name, origin: origin, file: file))
                case .failure(let fault):
                    if baseline.refused.count < Limits.Cache.differencesPerBatchMax { baseline.refused[name] = fault }
                case nil: break
                }
            }
            // Nothing is logged, since the catalog's new epoch makes every client read everything again.
            let adopted = found
            try catalog.write("adopting a baseline") { db in
                for file in adopted {
                    let row = AvatarRow(
                        name: file.name, owner: nil, identity: file.file.identity, sha256: file.file.sha256,
                        assurance: file.file.assurance, image: file.file.image, origin: file.origin, generation: 1,
                        lastWanted: now, checked: now)
                    try catalog.put(row, replacing: try Catalog.avatar(row.name, db), db)
                }
            }
            baseline.adopted += adopted.count
        }
        return baseline
    }

    /// Whether the agent itself has placed this file, or is about to: name, inode and digest are those of a row or of an intent.
    package func isOwnWrite(
        _ name: AvatarName, identity: FileIdentity, sha256: SHA256Digest
    ) throws(CacheError) -> Bool {
        try catalog.read("looking for \(name) among the agent's own files") { db in
            if let row = try Catalog.avatar(name, db), row.origin != .foreign, row.identity.isSameFile(as: identity),
                row.sha256 == sha256
            {
                return true
            }
            guard let part = try Catalog.intent(name, db)?.candidate.part else { return false }
            return part.identity.isSameFile(as: identity) && part.sha256 == sha256
        }
    }

    /// Makes a part of a crop that was uploaded, to be committed like a download: a copy (or a reflink), never a hard link, since an
    /// editor that writes into the crop must not change a final name's bytes.
    ///
    /// - Throws: `changed` when the crop is no longer the file that was examined.
    @discardableResult
    package func stageCopy(
        of crop: CropFacts, owner: UserID?, from upload: UploadFolder, now: MonotonicTime
    ) throws(CacheError) -> PartRow {
        let row = try beginPart(
            PartStart(
                name: crop.name, owner: owner, totalSize: crop.identity.size, chunkSize: nil,
                serverKey: "own/\(crop.sha256.hex)", sha256: crop.sha256), now: now)
        let copied: Bool
        do throws(PosixError) {
            copied = try upload.copy(crop, into: try openPart(crop.name).file)
        } catch {
            throw CacheError(error, "copying the crop \(crop.name) into the cache")
        }
        guard copied else { throw CacheError(.changed, "copying the crop \(crop.name) into the cache") }
        var held = row
        held.offset = row.totalSize
        let whole = held
        try catalog.writeLazily("recording the copy of \(crop.name)") { try whole.upsert($0) }
        return whole
    }
}

package import AvatarCore
internal import GRDB
internal import PosixFiles

/// A transfer to begin.
package struct PartStart: Hashable, Sendable {
    package var name: AvatarName
    package var owner: UserID?
    /// Bytes that the whole file will have, 1 or more.
    package var totalSize: Int64
    /// Bytes of one chunk, as the server showed it; nil on a way that knows no chunks.
    package var chunkSize: Int64?
    /// The server and user, `host:port/uid`: bytes of another are never mixed in.
    package var serverKey: String
    /// The digest that the server promised for the whole file; nil where it promised none.
    package var sha256: SHA256Digest?
    /// The server's tag of this version of the file, kept verbatim; nil where it gave none.
    package var tag: String?

    package init(
        name: AvatarName, owner: UserID? = nil, totalSize: Int64, chunkSize: Int64?, serverKey: String,
        sha256: SHA256Digest? = nil, tag: String? = nil
    ) {
        self.name = name
        self.owner = owner
        self.totalSize = totalSize
        self.chunkSize = chunkSize
        self.serverKey = serverKey
        self.sha256 = sha256
        self.tag = tag
    }
}

/// Bytes to put behind those that a part holds.
package struct PartAppend: Hashable, Sendable {
    package var name: AvatarName
    /// Where they begin: at most the offset that is held. Bytes behind it that were held before are written over.
    package var offset: Int64
    package var bytes: [UInt8]

    package init(name: AvatarName, offset: Int64, bytes: [UInt8]) {
        self.name = name
        self.offset = offset
        self.bytes = bytes
    }
}

/// What became of one append.
package enum AppendOutcome: Hashable, Sendable {
    /// The part now holds so many bytes.
    case held(Int64)
    /// No transfer of that name is under way.
    case noPart
    /// The part holds fewer bytes; nothing was written.
    case wrongOffset(held: Int64)
    /// The bytes would reach past the promised size; nothing was written.
    case pastEnd
    /// The bytes could not be written; the offset stays where it was.
    case failed(CacheError)
}

extension CacheFolder {
    /// Begins a transfer, or begins it again: an empty part file, and a row with offset 0.
    @discardableResult
    package func beginPart(_ start: PartStart, now: MonotonicTime) throws(CacheError) -> PartRow {
        let row = try makePart(start, now: now)
        try catalog.writeLazily("beginning the part of \(start.name)") { try row.upsert($0) }
        return row
    }

    /// Makes the empty file of a part; its row is to be written.
    private func makePart(_ start: PartStart, now: MonotonicTime) throws(CacheError) -> PartRow {
        openParts.close(start.name)
        do throws(PosixError) {
            // A file of its own, since pages of an earlier one may have failed to reach the disk.
            try parts.remove(Self.partFile(start.name))
            _ = try parts.create(Self.partFile(start.name))
        } catch {
            throw CacheError(error, "beginning the part of \(start.name)")
        }
        return PartRow(
            name: start.name, owner: start.owner, totalSize: start.totalSize, chunkSize: start.chunkSize, offset: 0,
            bootID: bootID, startedAt: now, serverKey: start.serverKey, sha256: start.sha256,
            tag: start.tag)
    }

    /// Writes bytes behind those that are held, for any number of names, and moves their offsets in one transaction. The
    /// outcomes come in the order of `appends`.
    ///
    /// - Throws: what the catalog throws; then no offset moved, and the bytes are written again.
    package func appendParts(_ appends: [PartAppend]) throws(CacheError) -> [AppendOutcome] {
        try writeParts(beginning: [], appending: appends, now: .zero).appended
    }

    /// Begins parts as ``beginPart(_:now:)`` does, and then writes bytes as ``appendParts(_:)`` does, all in one transaction. No part is
    /// begun twice, or behind bytes that are written to it. The errors of those that could not be begun, whose bytes have no part; and the
    /// outcomes in the order of `appends`.
    ///
    /// - Throws: what the catalog throws; then no part was begun and no offset moved.
    package func writeParts(
        beginning starts: [PartStart], appending appends: [PartAppend], now: MonotonicTime
    ) throws(CacheError) -> (unbegun: [AvatarName: CacheError], appended: [AppendOutcome]) {
        // Each row is read once and written once, however many of its chunks came together.
        var rows: [AvatarName: PartRow] = [:]
        var unbegun: [AvatarName: CacheError] = [:]
        for start in starts {
            do throws(CacheError) {
                rows[start.name] = try makePart(start, now: now)
            } catch {
                unbegun[start.name] = error
            }
        }
        let begun = rows.keys.sorted()
        let what = "beginning \(starts.count) parts and moving the offsets of others"
        let appended = try catalog.writeLazily(what) { db in
            var moved: Set<AvatarName> = []
            let outcomes = try appends.map { append in
                guard unbegun[append.name] == nil, let row = try rows[append.name] ?? Catalog.part(append.name, db)
                else { return AppendOutcome.noPart }
                let outcome = write(append, behind: row)
                rows[append.name] = row
                guard case .held(let end) = outcome else { return outcome }
                rows[append.name]?.offset = end
                moved.insert(append.name)
                return outcome
            }
            for name in begun {
                try rows[name]?.upsert(db)
                moved.remove(name)
            }
            let statement = try db.cachedStatement(sql: "UPDATE parts SET held = ? WHERE name = ?")
            for name in moved { try statement.execute(arguments: [rows[name]?.offset, name.string]) }
            return outcomes
        }
        return (unbegun, appended)
    }

    private func write(_ append: PartAppend, behind row: PartRow) -> AppendOutcome {
        guard append.offset <= row.offset else { return .wrongOffset(held: row.offset) }
        let end = append.offset + Int64(append.bytes.count)
        guard end <= row.totalSize else { return .pastEnd }
        do throws(PosixError) {
            let part = try openPart(append.name)
            try unsafe part.file.write(append.bytes.span.bytes, at: append.offset)
        } catch {
            return .failed(CacheError(error, "writing the part of \(append.name)"))
        }
        return .held(end)
    }

    /// The part of `name`, if its transfer may go on: it was begun in this boot, less than an hour ago, from that server. Its offset is the
    /// smaller one of the catalog's and the file's size. Nil also when `totalSize` is given and is not the part's.
    package func resumablePart(
        _ name: AvatarName, serverKey: String, totalSize: Int64? = nil, now: MonotonicTime
    ) throws(CacheError) -> PartRow? {
        guard var row = try catalog.part(name), totalSize == nil || totalSize == row.totalSize,
            row.origin.isResumable(from: serverKey, bootID: bootID, now: now)
        else { return nil }
        do throws(PosixError) {
            guard let facts = try parts.facts(of: Self.partFile(name)), facts.kind == .regular else { return nil }
            guard facts.size < row.offset else { return row }
            row.offset = facts.size
        } catch {
            throw CacheError(error, "looking at the part of \(name)")
        }
        let agreed = row
        try catalog.writeLazily("correcting the offset of \(name)") { try agreed.upsert($0) }
        return agreed
    }

    /// Takes parts away, file and row. Either one that is gone is enough for the transfer to begin from nothing, so a failure with one
    /// does not keep the other.
    ///
    /// - Throws: the first error, once all were tried.
    package func discardParts(_ names: [AvatarName]) throws(CacheError) {
        var failure: CacheError?
        for name in names {
            openParts.close(name)
            do throws(PosixError) {
                try parts.remove(Self.partFile(name))
            } catch {
                failure = failure ?? CacheError(error, "removing the part of \(name)")
            }
        }
        try catalog.writeLazily("discarding \(names.count) parts") { db in
            for name in names { try Catalog.deletePart(name, db) }
        }
        if let failure { throw failure }
    }

    func openPart(_ name: AvatarName) throws(PosixError) -> OpenPart {
        let folder = parts.descriptor
        return try openParts.file(name) { () throws(PosixError) -> OpenPart in
            OpenPart(try OpenFile.open(Self.partFile(name), in: folder))
        }
    }
}

extension Catalog {
    /// The transfer of `name` that is under way, as it was recorded; see ``CacheFolder/resumablePart(_:serverKey:totalSize:now:)``.
    package func part(_ name: AvatarName) throws(CacheError) -> PartRow? {
        try read("looking up the part of \(name)") { try Self.part(name, $0) }
    }

    /// Every transfer that is under way, by name.
    package func parts() throws(CacheError) -> [PartRow] {
        try read("listing the parts") { db in
            try Row.fetchAll(db, sql: "SELECT * FROM parts ORDER BY name").map(PartRow.init)
        }
    }

    static func part(_ name: AvatarName, _ db: Database) throws -> PartRow? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM parts WHERE name = ?"), arguments: [name.string])
            .map(PartRow.init)
    }

    static func deletePart(_ name: AvatarName, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM parts WHERE name = ?").execute(arguments: [name.string])
    }
}

package import AvatarCore
internal import GRDB

extension Catalog {
    /// The row of the file `name` in the upload folder; nil for a file that the agent has not dealt with.
    package func crop(_ name: AvatarName) throws(CacheError) -> CropRow? {
        try read("looking up the crop \(name)") { try Self.crop(name, $0) }
    }

    /// Notes that a crop was closed and is to be uploaded, behind all that were closed before. What was there under that name
    /// is replaced, so the caller looks first whether the file is another account's waiting crop (``CropRow/account``).
    ///
    /// A power cut may take the row: the next start finds the file anew, and has it wait in the same place by its times. What is noted of the
    /// crop afterwards, and for whom the next ones are recorded, is durable and takes the row along.
    ///
    /// - Parameter account: whose crop it is, `host:port/uid`; nil while nobody is logged in.
    @discardableResult
    package func recordCrop(_ facts: CropFacts, account: String?) throws(CacheError) -> CropRow {
        try writeLazily("recording the crop \(facts.name)") { db in
            let earlier = try Self.crop(facts.name, db)
            let row = CropRow(
                name: facts.name, identity: facts.identity, changed: facts.changed, md5: facts.md5,
                sha256: facts.sha256, state: .pending,
                closedOrder: try Self.nextCloseOrder(db), account: account, uploadedTo: nil,
                location: nil, incompleteCloses: Self.closes(of: earlier, on: facts.identity.inode))
            try row.upsert(db)
            return row
        }
    }

    /// Notes why a file is not to be uploaded. Returns whether the file or the reason is another than was noted before, so that a person
    /// is told once. An incomplete picture is counted: see ``CropRow/incompleteCloses``.
    @discardableResult
    package func recordRejected(
        _ name: AvatarName, identity: FileIdentity, changed: Int64?, reason: String, incomplete: Bool
    ) throws(CacheError) -> Bool {
        try write("recording the refused crop \(name)") { db in
            let earlier = try Self.crop(name, db)
            let row = CropRow(
                name: name, identity: identity, changed: changed, md5: nil, sha256: nil, state: .rejected(reason),
                closedOrder: try Self.nextCloseOrder(db), account: nil, uploadedTo: nil,
                location: nil, incompleteCloses: Self.closes(of: earlier, on: identity.inode) + (incomplete ? 1 : 0))
            try row.upsert(db)
            return earlier?.state != row.state || earlier?.identity.isSameFile(as: identity) != true
        }
    }

    /// Notes that the server has the crop, and that its name is the icon of `account`; one transaction, so that no crash comes between.
    /// A newer crop of that name, or one that waits for another account, goes on waiting. The events, `uploaded` (where the crop that
    /// is recorded is the one that was sent) before `icon`.
    ///
    /// - Parameter account: the server and user that it was sent to and as: `host:port/uid`.
    package func recordUploaded(
        _ name: AvatarName, sha256: SHA256Digest, to account: String, at now: UnixTime
    ) throws(CacheError) -> [EventRow] {
        try recordUploaded([(name, sha256)], to: account, at: now).flatMap(\.self)
    }

    /// Notes several crops in the order in which the server took them, all or none. The events of each.
    package func recordUploaded(
        _ crops: [(name: AvatarName, sha256: SHA256Digest)], to account: String, at now: UnixTime
    ) throws(CacheError) -> [[EventRow]] {
        try write("recording \(crops.count) uploads") { db in
            try crops.map { try Self.recordUploaded($0.name, sha256: $0.sha256, to: account, at: now, db) }
        }
    }

    private static func recordUploaded(
        _ name: AvatarName, sha256: SHA256Digest, to account: String, at now: UnixTime, _ db: Database
    ) throws -> [EventRow] {
        var events: [EventRow] = []
        if var row = try Self.crop(name, db), row.sha256 == sha256, row.account ?? account == account {
            row.state = .done
            row.account = account
            (row.uploadedTo, row.location) = (account, nil)
            try row.upsert(db)
            let facts = EventFacts(size: row.identity.size, sha256: sha256)
            events.append(try Self.log(.uploaded, name, facts, at: now, db))
        }
        // Its folder may not be the one at the path any more; it is not sent again when that folder comes back.
        try db.cachedStatement(
            sql: """
                UPDATE crops_elsewhere SET state = 'done', account = :account, uploaded_to = :account
                    WHERE name = :name AND sha256 = :digest AND state = 'pending' AND (account IS NULL OR account = :account)
                """
        ).execute(arguments: ["name": name.string, "digest": sha256.hex, "account": account])
        events.append(try Self.setIcon(name, of: account, at: now, db))
        return events
    }

    /// Notes where the server keeps what it has of a crop that waits. A power cut may take the note: the crop goes up anew then.
    package func keep(location: String, ofCrop order: Int64) throws(CacheError) {
        try writeLazily("noting where a crop goes up") { db in
            try db.cachedStatement(sql: "UPDATE crops SET location = ? WHERE closed_order = ? AND state = 'pending'")
                .execute(arguments: [location, order])
        }
    }

    /// Logs that a file of the upload folder is not uploaded. Nil where the log has that of the file as it lies there: the last word of that
    /// name is this reason, and the file has not changed since.
    ///
    /// - Parameter changed: nanoseconds since 1970 of the file's last change (ctime); nil where nothing can be seen at the name.
    package func logRefusal(
        _ name: AvatarName, size: Int64?, changed: Int64?, reason: String, at now: UnixTime
    ) throws(CacheError) -> EventRow? {
        try write("logging that \(name) is not uploaded") { db in
            let last = try Row.fetchOne(
                db.cachedStatement(
                    sql: """
                        SELECT kind, at, reason FROM events WHERE name = ? AND kind IN ('refused', 'uploaded')
                            ORDER BY cursor DESC LIMIT 1
                        """), arguments: [name.string])
            if let last, let kind: String = last["kind"], let before: String = last["reason"],
                kind == EventRow.Kind.refused.rawValue, before == reason,
                (changed ?? 0) / 1_000_000 <= last.time("at").milliseconds
            {
                return nil
            }
            return try Self.log(.refused, name, EventFacts(size: size, reason: reason), at: now, db)
        }
    }

    /// Takes over the file's size, times and inode into the row of a crop whose bytes are the same as before, so that the file is not
    /// read again as long as it stays as it is.
    package func refreshCrop(_ facts: CropFacts) throws(CacheError) {
        try write("noting how the crop \(facts.name) lies") { db in
            guard var row = try Self.crop(facts.name, db) else { return }
            (row.identity, row.changed) = (facts.identity, facts.changed)
            try row.upsert(db)
        }
    }

    /// Gives the row of a crop to the name that its file has now; the crop keeps its place and its state. What was noted of the new name
    /// is replaced, as the file was.
    package func renameCrop(_ row: CropRow, to facts: CropFacts) throws(CacheError) -> CropRow {
        try write("noting that the crop \(row.name) is \(facts.name) now") { db in
            try db.execute(
                sql: "DELETE FROM crops WHERE closed_order = ? AND name <> ?",
                arguments: [row.closedOrder, facts.name.string])
            var renamed = row
            (renamed.name, renamed.identity, renamed.changed) = (facts.name, facts.identity, facts.changed)
            // What the server has of it would get the name of before.
            renamed.location = nil
            try renamed.upsert(db)
            return renamed
        }
    }

    /// The files that are not to be uploaded and came to be as they are after the last crop that was uploaded, and not for one of these
    /// reasons. An older one would take the icon from that crop.
    package func rejectedCropsToRetry(but reasons: [String]) throws(CacheError) -> [AvatarName] {
        let latest = "max(modified, coalesce(changed, modified))"
        return try read("listing the refused crops to try again") { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT name, reason FROM crops WHERE state = 'rejected'
                        AND \(latest) >= coalesce((SELECT max(\(latest)) FROM crops WHERE state = 'done'), 0)
                        ORDER BY closed_order
                    """
            ).filter { row in !reasons.contains(row["reason"] ?? "") }.map { try $0.avatarName() }
        }
    }

    /// The files that are not to be uploaded, and why, in the order of their names.
    package func rejectedCrops() throws(CacheError) -> [(name: AvatarName, reason: String)] {
        try read("listing the refused crops") { db in
            try Row.fetchAll(db, sql: "SELECT name, reason FROM crops WHERE state = 'rejected' ORDER BY name")
                .map { (try $0.avatarName(), $0["reason"] ?? "") }
        }
    }

    /// Whether every crop that was recorded after this one also came to be as it is after this one, by the later of mtime and ctime.
    package func isInOrder(_ row: CropRow) throws(CacheError) -> Bool {
        try read("looking for later crops") { db in
            try Bool.fetchOne(
                db,
                sql: """
                    SELECT NOT EXISTS (SELECT 1 FROM crops
                        WHERE state IN ('pending', 'done') AND closed_order > ?
                            AND max(modified, coalesce(changed, modified)) < ?)
                    """,
                arguments: [row.closedOrder, max(row.identity.modified, row.changed ?? row.identity.modified)]) ?? true
        }
    }

    /// Forgets files that are no longer in the upload folder.
    package func forgetCrops(_ names: [AvatarName]) throws(CacheError) {
        try write("forgetting \(names.count) crops") { db in
            let statement = try db.cachedStatement(sql: "DELETE FROM crops WHERE name = ?")
            for name in names { try statement.execute(arguments: [name.string]) }
        }
    }

    /// Forgets refused files whose size was over one bound and is within another.
    package func forgetRefusedCrops(largerThan old: Int64, upTo new: Int64) throws(CacheError) {
        try write("forgetting crops that were too large") { db in
            try db.execute(
                sql: "DELETE FROM crops WHERE state = 'rejected' AND size > ? AND size <= ?", arguments: [old, new])
        }
    }

    /// A page of the crops that wait for `account` (`host:port/uid`), or for whoever logs in next where it is nil, in the order in which they
    /// were closed: those behind `order`.
    package func pendingCrops(
        of account: String?, after order: Int64 = 0, limit: Int = Limits.Cache.pageRowsMax
    ) throws(CacheError) -> [CropRow] {
        try read("listing the crops to upload") { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT * FROM crops WHERE state = 'pending' AND closed_order > ? AND account IS ?
                        ORDER BY closed_order LIMIT ?
                    """,
                arguments: [order, account, min(limit, Limits.Cache.pageRowsMax)]
            ).map(CropRow.init)
        }
    }

    /// The crops that wait for other accounts than this one, and for which, in the order of their names.
    package func cropsOfOthers(than account: String) throws(CacheError) -> [(name: AvatarName, account: String)] {
        try read("listing the crops of other accounts") { db in
            try Row.fetchAll(
                db, sql: "SELECT name, account FROM crops WHERE state = 'pending' AND account <> ? ORDER BY name",
                arguments: [account]
            ).map { (try $0.avatarName(), $0["account"]) }
        }
    }

    /// How many crops are still to be uploaded, whoever they belong to.
    package func pendingCropCount() throws(CacheError) -> Int {
        try read("counting the crops to upload") { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM crops WHERE state = 'pending'") ?? 0
        }
    }

    static func crop(_ name: AvatarName, _ db: Database) throws -> CropRow? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM crops WHERE name = ?"), arguments: [name.string])
            .map(CropRow.init)
    }

    static func outgoing(_ name: AvatarName, _ db: Database) throws -> CropRow? {
        try crop(name, db).flatMap { $0.state == .pending ? $0 : nil }
    }

    static func nextCloseOrder(_ db: Database) throws -> Int64 {
        // A counter of its own: the highest row may be deleted, and its number must not come again.
        let next = (try setting("close_order", db)).flatMap { Int64($0) }.map { $0 + 1 } ?? 1
        try set("close_order", String(next), db)
        return next
    }

    private static func closes(of earlier: CropRow?, on inode: UInt64) -> Int64 {
        earlier?.identity.inode == inode ? earlier?.incompleteCloses ?? 0 : 0
    }
}

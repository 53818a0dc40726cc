package import AvatarCore
internal import GRDB

extension Catalog {
    /// The rows of those of `names` that lie complete in the cache folder; one look-up each, in one transaction.
    package func avatars(named names: [AvatarName]) throws(CacheError) -> [AvatarName: AvatarRow] {
        try read("looking up \(names.count) avatars") { db in
            var found: [AvatarName: AvatarRow] = [:]
            found.reserveCapacity(names.count)
            for name in names { found[name] = try Self.avatar(name, db) }
            return found
        }
    }

    /// Counts the complete files and their bytes by reading every row; ``totals`` knows the same without.
    static func count(_ db: Database) throws -> (files: Int, bytes: Int64) {
        let row = try Row.fetchOne(db, sql: "SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM avatars")
        return (row?["files"] ?? 0, row?["bytes"] ?? 0)
    }

    /// Notes that a label, a fetch or the agent wanted these just now: they are evicted last.
    package func touch(_ names: [AvatarName], at now: UnixTime) throws(CacheError) {
        try writeLazily("noting what is wanted") { db in
            let statement = try db.cachedStatement(sql: "UPDATE avatars SET last_wanted = ? WHERE name = ?")
            for name in names { try statement.execute(arguments: [now.milliseconds, name.string]) }
        }
    }

    /// Notes that the server told of these just now, and has no other pictures for them.
    package func noteChecked(_ names: [AvatarName], at now: UnixTime) throws(CacheError) {
        try writeLazily("noting what the server told of") { db in
            let statement = try db.cachedStatement(sql: "UPDATE avatars SET checked = ? WHERE name = ?")
            for name in names { try statement.execute(arguments: [now.milliseconds, name.string]) }
        }
    }

    /// Takes rows away whose files are gone, and logs each; names without a row are passed over.
    @discardableResult
    package func recordRemoved(
        _ names: [AvatarName], reason: String?, at now: UnixTime
    ) throws(CacheError) -> [EventRow] {
        try write("recording \(names.count) removed files") { db in
            var events: [EventRow] = []
            var floor: Int64 = 0
            for name in names {
                guard let row = try Self.avatar(name, db) else { continue }
                try delete(row, db)
                floor = max(floor, row.generation)
                var facts = EventFacts(row)
                facts.reason = reason
                events.append(try Self.log(.removed, name, facts, at: now, db))
            }
            if floor > (try Self.generationFloor(db)) { try Self.set("generation_floor", String(floor), db) }
            return events
        }
    }

    /// The generation of a name's next content: above its last one, and above that of every row that is gone, so that a picture that
    /// comes back with other bytes is never taken for the one that went.
    static func nextGeneration(after earlier: AvatarRow?, _ db: Database) throws -> Int64 {
        if let earlier { return earlier.generation + 1 }
        return try generationFloor(db) + 1
    }

    private static func generationFloor(_ db: Database) throws -> Int64 {
        try setting("generation_floor", db).flatMap { Int64($0) } ?? 0
    }

    static func avatar(_ name: AvatarName, _ db: Database) throws -> AvatarRow? {
        try Row.fetchOne(
            db.cachedStatement(sql: "SELECT \(AvatarRow.columns) FROM avatars WHERE name = ?"), arguments: [name.string]
        ).map(AvatarRow.init)
    }

    /// All rows from one name to another, in the order of their names.
    static func avatars(from first: AvatarName, through last: AvatarName, _ db: Database) throws -> [AvatarRow] {
        // By a cursor: it hands over each row as SQLite has it, and copies none.
        let rows = try Row.fetchCursor(
            db.cachedStatement(
                sql: "SELECT \(AvatarRow.columns) FROM avatars WHERE name BETWEEN ? AND ? ORDER BY name"),
            arguments: [first.string, last.string])
        return try Array(rows.map(AvatarRow.init))
    }
}

// MARK: - Pages over everything that has a name

/// What a page of the list says of one name; the first that is not nil, from the top, is its state. Of a picture that is there no more is
/// read than that.
package struct ListedAvatar: Hashable, Sendable {
    package var name: AvatarName
    /// Complete in the cache folder: `ready`.
    package var avatar: AvatarRow?
    /// In the upload folder and not on the server yet: `outgoing`.
    package var crop: CropRow?
    /// Under way: `pending` or `paused`.
    package var part: PartRow?
    /// Refused, for a time: `absent` or `failed`.
    package var negative: NegativeRow?
}

/// Which names a page of the list holds.
package enum ListFilter: String, Hashable, Sendable, CaseIterable {
    case all
    case ready
    case outgoing
    case pending
    /// The negative cache's names whose reason is `absent`.
    case absent
    /// The negative cache's other names.
    case failed
}

extension Catalog {
    /// One page of names in order, the first behind `after`. `limit` is held to ``Limits/Cache/pageRowsMax``.
    package func list(
        _ filter: ListFilter = .all, after: AvatarName? = nil, limit: Int = 500
    ) throws(CacheError) -> [ListedAvatar] {
        let limit = min(max(limit, 1), Limits.Cache.pageRowsMax)
        return try read("listing") { db in
            let names = try Row.fetchAll(
                db.cachedStatement(sql: Self.pageQuery(filter)),
                arguments: ["after": after?.string ?? "", "limit": limit]
            ).map { try $0.avatarName() }
            // Where the page holds all avatars between its first name and its last, they are read at once; both are in order.
            let holdsAll = filter == .all || filter == .ready
            var avatars: ArraySlice<AvatarRow> = []
            if holdsAll, let first = names.first, let last = names.last {
                avatars = try Self.avatars(from: first, through: last, db)[...]
            }
            return try names.map { name in
                let isNext = avatars.first?.name == name
                if let avatar = holdsAll ? (isNext ? avatars.popFirst() : nil) : try Self.avatar(name, db) {
                    return ListedAvatar(name: name, avatar: avatar)
                }
                return ListedAvatar(
                    name: name, crop: try Self.outgoing(name, db), part: try Self.part(name, db),
                    negative: try Self.negative(name, db))
            }
        }
    }

    private static func pageQuery(_ filter: ListFilter) -> String {
        let notReady = "AND NOT EXISTS (SELECT 1 FROM avatars a WHERE a.name = t.name)"
        let tables: [String] =
            switch filter {
            case .all:
                ["avatars t WHERE 1", "crops t WHERE state = 'pending'", "parts t WHERE 1", "negatives t WHERE 1"]
            case .ready: ["avatars t WHERE 1"]
            case .outgoing: ["crops t WHERE state = 'pending'"]
            case .pending: ["parts t WHERE 1 \(notReady)"]
            case .absent: ["negatives t WHERE reason = 'absent' \(notReady)"]
            case .failed: ["negatives t WHERE reason <> 'absent' \(notReady)"]
            }
        let pages = tables.map {
            "SELECT name FROM (SELECT name FROM \($0) AND name > :after ORDER BY name LIMIT :limit)"
        }
        return pages.joined(separator: " UNION ") + " ORDER BY name LIMIT :limit"
    }
}

package import AvatarCore
internal import GRDB

extension Catalog {
    /// The refusals of those of `names` that have one. The caller decides whether a refusal still holds.
    package func negatives(named names: [AvatarName]) throws(CacheError) -> [AvatarName: NegativeRow] {
        try read("looking up \(names.count) refusals") { db in
            var found: [AvatarName: NegativeRow] = [:]
            for name in names { found[name] = try Self.negative(name, db) }
            return found
        }
    }

    /// Keeps a refusal and logs that the picture failed. Past ``Limits/Cache/negativesMax`` rows, those that end first are deleted.
    @discardableResult
    package func setNegative(_ row: NegativeRow, at now: UnixTime) throws(CacheError) -> EventRow {
        try write("keeping the refusal of \(row.name)") { db in
            try row.upsert(db)
            let rows = try Int.fetchOne(db, sql: "SELECT count(*) FROM negatives") ?? 0
            if rows > Limits.Cache.negativesMax {
                try db.execute(
                    sql:
                        "DELETE FROM negatives WHERE name IN (SELECT name FROM negatives ORDER BY until, name LIMIT ?)",
                    arguments: [rows - Limits.Cache.negativesMax])
            }
            let facts = EventFacts(owner: row.owner, generation: row.generation ?? 0, reason: row.reason.rawValue)
            return try Self.log(.failed, row.name, facts, at: now, db)
        }
    }

    /// Lifts the refusals of `names` (a person asked, or a new generation came).
    package func clearNegatives(_ names: [AvatarName]) throws(CacheError) {
        try write("lifting refusals") { db in
            for name in names { try Self.deleteNegative(name, db) }
        }
    }

    /// Forgets which pictures were refused for their format, as crops and from others, when other formats are taken than at the last start:
    /// they are tried again.
    package func liftRefusals(whenTypesAreNot types: Set<ImageFormat>) throws(CacheError) {
        let names = types.map(\.rawValue).sorted().joined(separator: ",")
        try write("lifting the refusals of other formats") { db in
            guard try Self.setting("picture_types", db) != names else { return }
            let pattern = AbsenceReason.unsupportedFormatPrefix
            for (table, condition) in [("negatives", ""), ("crops", "state = 'rejected' AND ")] {
                try db.execute(
                    sql: "DELETE FROM \(table) WHERE \(condition)substr(reason, 1, length(?)) = ?",
                    arguments: [pattern, pattern])
            }
            try Self.set("picture_types", names, db)
        }
    }

    static func negative(_ name: AvatarName, _ db: Database) throws -> NegativeRow? {
        try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM negatives WHERE name = ?"), arguments: [name.string])
            .map(NegativeRow.init)
    }

    static func deleteNegative(_ name: AvatarName, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM negatives WHERE name = ?").execute(arguments: [name.string])
    }
}

internal import AvatarCore
internal import GRDB

/// A read of the event log.
package enum EventPage: Hashable, Sendable {
    /// The events behind the cursor that was asked for, in order; empty when there are none yet.
    case events([EventRow])
    /// The epoch is another, or the log does not reach back that far: read everything again.
    case reset
}

extension Catalog {
    /// The cursor of the last event that was logged, 0 before the first.
    package func lastCursor() throws(CacheError) -> Int64 {
        try read("reading the last cursor") { try Self.lastCursor($0) }
    }

    /// The events behind `cursor`, at most `limit` of them (held to ``Limits/Cache/pageRowsMax``).
    package func events(after cursor: Int64, epoch: String, limit: Int = 500) throws(CacheError) -> EventPage {
        try read("reading the event log") { db in
            let last = try Self.lastCursor(db)
            let first = try Int64.fetchOne(db, sql: "SELECT min(cursor) FROM events") ?? last + 1
            guard epoch == opening.epoch, cursor >= first - 1, cursor <= last else { return .reset }
            let rows = try Row.fetchAll(
                db.cachedStatement(sql: "SELECT * FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?"),
                arguments: [cursor, min(max(limit, 1), Limits.Cache.pageRowsMax)])
            return .events(try rows.map(EventRow.init))
        }
    }

    /// Appends one event inside a transaction. Its cursor follows the last one without a gap, because a transaction that is rolled back
    /// rolls SQLite's counter back too (SQLite, "AUTOINCREMENT").
    static func log(
        _ kind: EventRow.Kind, _ name: AvatarName, _ facts: EventFacts, at now: UnixTime, _ db: Database
    ) throws -> EventRow {
        try db.cachedStatement(
            sql: """
                INSERT INTO events (kind, name, at, owner, size, sha256, assurance, generation, reason)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            kind.rawValue, name.string, now.milliseconds, facts.owner?.value, facts.size, facts.sha256?.hex,
            facts.assurance?.rawValue, facts.generation, facts.reason,
        ])
        let cursor = db.lastInsertedRowID
        try db.cachedStatement(sql: "DELETE FROM events WHERE cursor <= ?")
            .execute(arguments: [cursor - Int64(Limits.Cache.eventsMax)])
        return EventRow(cursor: cursor, kind: kind, name: name, at: now, facts: facts)
    }

    private static func lastCursor(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'events'") ?? 0
    }
}

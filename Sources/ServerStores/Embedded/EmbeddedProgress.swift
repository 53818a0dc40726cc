package import AvatarCore
internal import Foundation
internal import GRDB
package import ServerRuntime
internal import Synchronization
package import TransferMachines

/// Keeps the records of uploads in SQLite, and a copy in memory. Only this server writes them, so that the copy is always right.
///
/// A record survives the death of the process. A power cut may lose the record of an unfinished upload, which then begins again.
package final class EmbeddedProgress: ProgressStore {
    private let database: EmbeddedDatabase
    private let secondsSince1970: @Sendable () -> Int64
    private let memory = Mutex(Memory())

    /// Reads the records that an earlier run of the server has left.
    ///
    /// - Parameter secondsSince1970: the time on a clock that goes on while the server is down.
    package init(
        _ database: EmbeddedDatabase, secondsSince1970: @escaping @Sendable () -> Int64
    ) throws(StoreError) {
        self.database = database
        self.secondsSince1970 = secondsSince1970
        let oldest = oldest
        let rows = try database.read("reading the uploads") { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM upload WHERE touched_at >= ? LIMIT ?",
                arguments: [oldest, Limits.Server.uploadsInMemoryMax + 1])
        }
        memory.withLock { memory in
            for row in rows {
                if let record = UploadRecord(row) { memory.keep(record, touchedAt: row["touched_at"]) }
            }
        }
    }

    package func record(of key: ResourceKey) throws(StoreError) -> UploadRecord? {
        let oldest = oldest
        let (entry, isWhole) = memory.withLock { ($0.entries[key], $0.isWhole) }
        if let entry { return entry.touchedAt >= oldest ? entry.record : nil }
        if isWhole { return nil }
        let row = try database.read("looking up an upload") { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM upload WHERE owner = ? AND name = ? AND touched_at >= ?"),
                arguments: [key.owner?.value ?? 0, key.name.string, oldest])
        }
        guard let row, let record = UploadRecord(row) else { return nil }
        memory.withLock { $0.keep(record, touchedAt: row["touched_at"]) }
        return record
    }

    package func save(_ record: UploadRecord) throws(StoreError) {
        let now = secondsSince1970()
        try prune(now: now)
        try database.writeLazily("recording an upload") { database in
            try database.change(
                """
                INSERT OR REPLACE INTO upload
                    (owner, name, upload_id, md5, total_size, chunk_size, is_complete, touched_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    record.key.owner?.value ?? 0, record.key.name.string, record.uploadID.hex, Data(record.md5.bytes),
                    record.totalSize, record.chunkSize, record.isComplete, now,
                ])
        }
        memory.withLock { $0.keep(record, touchedAt: now) }
    }

    /// Removes the records that are too old, at most once in ``touchSeconds``.
    private func prune(now: Int64) throws(StoreError) {
        let isTime = memory.withLock { memory in
            guard now - memory.prunedAt >= Self.touchSeconds else { return false }
            memory.prunedAt = now
            return true
        }
        guard isTime else { return }
        let oldest = oldest
        try database.writeLazily("forgetting old uploads") { database in
            try database.change("DELETE FROM upload WHERE touched_at < ?", [oldest])
        }
        memory.withLock { $0.forget(before: oldest) }
    }

    /// Renews the age of the record, at most once in ``touchSeconds``. How far the upload is, the part file says.
    package func advance(_ record: UploadRecord, held: Int64) throws(StoreError) {
        let now = secondsSince1970()
        guard let entry = memory.withLock({ $0.entries[record.key] }), now - entry.touchedAt >= Self.touchSeconds
        else { return }
        try save(record)
    }

    package func remove(_ record: UploadRecord) throws(StoreError) {
        try database.writeLazily("forgetting an upload") { database in
            try database.change(
                "DELETE FROM upload WHERE owner = ? AND name = ? AND upload_id = ?",
                [record.key.owner?.value ?? 0, record.key.name.string, record.uploadID.hex])
        }
        memory.withLock { memory in
            if memory.entries[record.key]?.record.uploadID == record.uploadID { memory.forget(record.key) }
        }
    }

    package func records(md5: MD5Digest) throws(StoreError) -> [UploadRecord] {
        let oldest = oldest
        return try database.read("looking up an upload by its MD5") { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: "SELECT * FROM upload WHERE md5 = ? AND touched_at >= ? ORDER BY owner, name LIMIT 2"),
                arguments: [Data(md5.bytes), oldest])
        }.compactMap { UploadRecord($0) }
    }

    package func unfinishedCount(of user: UserID, besides key: ResourceKey) throws(StoreError) -> Int {
        let oldest = oldest
        let inMemory = memory.withLock { memory in
            memory.isWhole ? memory.unfinishedCount(of: user, besides: key, since: oldest) : nil
        }
        if let inMemory { return inMemory }
        return try database.read("counting uploads") { database in
            try Int.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT count(*) FROM upload
                            WHERE owner = ? AND name <> ? AND NOT is_complete AND touched_at >= ?
                        """),
                arguments: [user.value, key.name.string, oldest]) ?? 0
        }
    }

    private static let touchSeconds: Int64 = 60

    private var oldest: Int64 { secondsSince1970() - Int64(Limits.Server.uploadLifeSeconds) }
}

/// The records that are in memory: all that SQLite has, while they are not too many.
private struct Memory: Sendable {
    struct Entry: Sendable {
        var record: UploadRecord
        var touchedAt: Int64
    }

    private(set) var entries: [ResourceKey: Entry] = [:]
    private var unfinished: [UserID: Set<AvatarName>] = [:]
    /// Whether every record in SQLite that is not too old is here.
    private(set) var isWhole = true
    var prunedAt: Int64 = 0

    mutating func keep(_ record: UploadRecord, touchedAt: Int64) {
        if entries.count >= Limits.Server.uploadsInMemoryMax, entries[record.key] == nil {
            // There are too many records for memory. From now on a record is read from SQLite when it is needed.
            entries = [:]
            unfinished = [:]
            isWhole = false
        }
        entries[record.key] = Entry(record: record, touchedAt: touchedAt)
        note(record.key, isUnfinished: !record.isComplete)
    }

    mutating func forget(_ key: ResourceKey) {
        entries[key] = nil
        note(key, isUnfinished: false)
    }

    mutating func forget(before oldest: Int64) {
        for (key, entry) in entries where entry.touchedAt < oldest { forget(key) }
    }

    func unfinishedCount(of user: UserID, besides key: ResourceKey, since oldest: Int64) -> Int {
        let names = unfinished[user] ?? []
        return names.count { name in
            guard name != key.name, let entry = entries[ResourceKey(owner: user, name: name)] else { return false }
            return entry.touchedAt >= oldest
        }
    }

    private mutating func note(_ key: ResourceKey, isUnfinished: Bool) {
        guard let owner = key.owner else { return }
        if isUnfinished {
            unfinished[owner, default: []].insert(key.name)
        } else if unfinished[owner]?.remove(key.name) != nil, unfinished[owner]?.isEmpty == true {
            unfinished[owner] = nil
        }
    }
}

extension UploadRecord {
    /// Reads a row; nil when a value in it is not valid.
    init?(_ row: Row) {
        guard let name = try? AvatarName(row["name"]), let id = UploadID(hex: row["upload_id"]),
            let md5 = MD5Digest(bytes: [UInt8](row["md5"] as Data))
        else { return nil }
        self.init(
            key: ResourceKey(owner: UserID(row["owner"]), name: name), uploadID: id, md5: md5,
            totalSize: row["total_size"], chunkSize: row["chunk_size"], isComplete: row["is_complete"])
    }
}

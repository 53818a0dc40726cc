package import AvatarCore
internal import Foundation
internal import GRDB
package import ServerRuntime
internal import Synchronization
package import TransferMachines

/// Uploads in SQLite, the busy ones in memory too: the server is the only one that writes them, so what memory says is so.
package final class EmbeddedProgress: ProgressStore {
    private struct Entry: Sendable {
        var record: UploadRecord
        var touchedAt: Int64
    }

    private struct Memory: Sendable {
        var entries: [ResourceKey: Entry] = [:]
        var prunedAt: Int64 = 0
    }

    private let database: EmbeddedDatabase
    private let secondsSince1970: @Sendable () -> Int64
    private let memory = Mutex(Memory())

    /// - Parameter secondsSince1970: what time it is, on a clock that goes on while the server is down.
    package init(_ database: EmbeddedDatabase, secondsSince1970: @escaping @Sendable () -> Int64) {
        self.database = database
        self.secondsSince1970 = secondsSince1970
    }

    package func record(of key: ResourceKey) throws(StoreError) -> UploadRecord? {
        let oldest = self.oldest
        if let entry = memory.withLock({ $0.entries[key] }) {
            return entry.touchedAt >= oldest ? entry.record : nil
        }
        let row = try database.read("looking up an upload") { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM upload WHERE owner = ? AND name = ? AND touched_at >= ?"),
                arguments: [key.owner?.value ?? 0, key.name.string, oldest])
        }
        guard let row, let record = UploadRecord(row) else { return nil }
        remember(record, touchedAt: row["touched_at"])
        return record
    }

    package func save(_ record: UploadRecord) throws(StoreError) {
        let now = secondsSince1970()
        let oldest = now - Int64(Limits.Server.uploadLifeSeconds)
        let prunes = memory.withLock { memory in
            guard now - memory.prunedAt >= Self.touchSeconds else { return false }
            memory.prunedAt = now
            return true
        }
        try database.write("recording an upload") { database in
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
            if prunes {
                try database.change(
                    "DELETE FROM upload WHERE touched_at < ?",
                    [oldest])
            }
        }
        remember(record, touchedAt: now)
    }

    /// The part says how far it is; here only its age is renewed, now and then.
    package func advance(_ record: UploadRecord, held: Int64) throws(StoreError) {
        let now = secondsSince1970()
        guard let entry = memory.withLock({ $0.entries[record.key] }), now - entry.touchedAt >= Self.touchSeconds
        else { return }
        try save(record)
    }

    package func remove(_ record: UploadRecord) throws(StoreError) {
        try database.write("forgetting an upload") { database in
            try database.change(
                "DELETE FROM upload WHERE owner = ? AND name = ? AND upload_id = ?",
                [record.key.owner?.value ?? 0, record.key.name.string, record.uploadID.hex])
        }
        memory.withLock { memory in
            if memory.entries[record.key]?.record.uploadID == record.uploadID { memory.entries[record.key] = nil }
        }
    }

    package func records(md5: MD5Digest) throws(StoreError) -> [UploadRecord] {
        let oldest = self.oldest
        return try database.read("looking up an upload by its MD5") { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: "SELECT * FROM upload WHERE md5 = ? AND touched_at >= ? ORDER BY owner, name LIMIT 2"),
                arguments: [Data(md5.bytes), oldest])
        }.compactMap { UploadRecord($0) }
    }

    package func unfinishedCount(of user: UserID, besides key: ResourceKey) throws(StoreError) -> Int {
        let oldest = self.oldest
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

    private func remember(_ record: UploadRecord, touchedAt: Int64) {
        memory.withLock { memory in
            // Bounded the simple way: what is still needed is read again.
            if memory.entries.count >= Limits.Server.uploadsInMemoryMax { memory.entries = [:] }
            memory.entries[record.key] = Entry(record: record, touchedAt: touchedAt)
        }
    }
}

extension UploadRecord {
    /// Nil for a row that nobody could have written.
    init?(_ row: Row) {
        guard let name = try? AvatarName(row["name"]), let id = UploadID(hex: row["upload_id"]),
            let md5 = MD5Digest(bytes: [UInt8](row["md5"] as Data))
        else { return nil }
        self.init(
            key: ResourceKey(owner: UserID(row["owner"]), name: name), uploadID: id, md5: md5,
            totalSize: row["total_size"], chunkSize: row["chunk_size"], isComplete: row["is_complete"])
    }
}

package import AvatarCore
internal import GRDB
internal import PosixFiles

/// The durable memory of the folders: an SQLite file in WAL mode, mode 0600, with one table per kind of row.
///
/// One thread uses a catalog, and every call is synchronous. Each method is one transaction unless it says otherwise.
package final class Catalog {
    /// The file's name in the state directory.
    package static let fileName = "catalog.sqlite"

    /// What opening found out about the last run.
    package struct Opening: Hashable, Sendable {
        /// There was a catalog, and it is the one that is open now.
        package var existed: Bool
        /// Where a damaged catalog was moved to.
        package var damagedMovedTo: String?
        /// The last run ended by ``Catalog/close()``.
        package var wasClean: Bool
        /// The last run was in this boot: whatever that run wrote, synced or not, is in the page cache.
        package var sameBoot: Bool
        /// Names the sequence of cursors; a new one means that clients read again.
        package var epoch: String

        /// The machine went down under a run, and the files of the cache have not all been read again since
        /// (``CacheFolder/audit(after:limit:)``, ``Catalog/auditDone()``).
        package var needsAudit: Bool
    }

    /// What opening found out.
    package let opening: Opening
    /// How much a transaction waits for the disk.
    package let sync: SyncLevel
    /// Complete files that the catalog knows, and their bytes, as of the last transaction that was committed. Kept in memory: reading it
    /// costs nothing.
    package private(set) var totals: (files: Int, bytes: Int64)
    /// What the transaction under way adds to ``totals`` once it is committed.
    private var change: (files: Int, bytes: Int64) = (0, 0)
    private let queue: DatabaseQueue
    /// The catalog's file and its journal as they were opened: where their paths lead elsewhere, nothing that is written survives this run.
    private let held: [(path: String, device: UInt64, inode: UInt64)]
    private var isDamaged = false
    /// The connection waits less for the disk than ``sync`` asks for: nothing is written before that is mended.
    private var isLowered = false
    /// A write to the journal failed: pages of transactions that did not wait for the disk may be lost, although later ones are synced.
    private var isJournalDoubtful = false
    /// Sets how much the connection waits for the disk (SQLite, "PRAGMA synchronous"); a test puts one that fails here.
    var setSynchronous: (_ level: String, Database) throws -> Void = { level, db in
        try db.execute(sql: "PRAGMA synchronous = \(level)")
    }

    /// Opens the catalog in `stateDirectory`, made where it is missing. A file that is no database, or a damaged one, is moved
    /// aside to `catalog.sqlite.damaged-<n>` and an empty one begun with `newEpoch`.
    ///
    /// - Throws: `catalogNewer` for a file of a later version, `catalogBusy` when another process writes it, `diskFull`, `io`.
    package init(stateDirectory: String, sync: SyncLevel, bootID: String, newEpoch: String) throws(CacheError) {
        do {
            let folder = try Folder.make(path: stateDirectory)
            let existed = (try folder.facts(of: Self.fileName)).map { $0.size > 0 } ?? false
            let path = stateDirectory + "/" + Self.fileName
            var moved: String?
            var opened: DatabaseQueue
            do {
                opened = try Self.open(folder, path: path, sync: sync)
            } catch let error as CacheError where error.code == .catalogDamaged {
                moved = try CatalogDamage.moveAside(folder)
                opened = try Self.open(folder, path: path, sync: sync)
            }
            queue = opened
            self.sync = sync
            totals = try opened.read { try Self.count($0) }
            opening = try opened.write { db in
                let (isKept, isClean) = (existed && moved == nil, try Self.setting("clean", db) == "1")
                let isSameBoot = try Self.setting("boot_id", db) == bootID
                let isAuditDue = try Self.setting("audit", db) == "due"
                let facts = Opening(
                    existed: isKept, damagedMovedTo: moved, wasClean: isClean, sameBoot: isSameBoot,
                    epoch: try Self.setting("epoch", db) ?? newEpoch,
                    needsAudit: isAuditDue || (isKept && !isClean && !isSameBoot))
                if facts.needsAudit { try Self.set("audit", "due", db) }
                if !isKept { try Self.set("baseline", "due", db) }
                try Self.set("epoch", facts.epoch, db)
                try Self.set("boot_id", bootID, db)
                try Self.set("clean", "0", db)
                return facts
            }
            // The write has made the journal, where there was none.
            held = try Self.files.compactMap { file in
                try folder.facts(of: file).map { (folder.path + "/" + file, $0.device, $0.inode) }
            }
        } catch {
            throw CacheError(error, "opening the catalog in \(stateDirectory)")
        }
    }

    /// The catalog's file, and its journal.
    static let files = [fileName, fileName + "-wal"]

    /// Where the paths of the catalog's file and journal lead now, the worse of the two: SQLite goes on with files that were removed, and
    /// says nothing.
    package func standing() -> PathStanding {
        var worst = PathStanding.held
        for file in held {
            switch FileFacts.standing(of: file.path, device: file.device, inode: file.inode) {
            case .held: break
            case .another: return .another
            case .missing: worst = .missing
            }
        }
        return worst
    }

    /// Whether the path of the catalog's file leads to another file.
    package func isReplaced() -> Bool {
        guard let file = held.first else { return false }
        return FileFacts.standing(of: file.path, device: file.device, inode: file.inode) == .another
    }

    /// Writes everything that is in this catalog into a file at the catalog's path in `stateDirectory`, whole or not at all, and opens that
    /// one: the file that is open here was removed from under its path, or its journal was. This catalog is not used any more then.
    package func madeAnew(in stateDirectory: String, bootID: String) throws(CacheError) -> Catalog {
        let what = "making the catalog in \(stateDirectory) anew"
        let temporary = Self.fileName + ".new"
        do {
            let folder = try Folder(path: stateDirectory)
            try folder.remove(temporary)
            // Made here first, so that the file never has another mode than 0600; SQLite takes an empty one.
            _ = try folder.create(temporary)
            try queue.writeWithoutTransaction {
                try $0.execute(sql: "VACUUM INTO ?", arguments: [stateDirectory + "/" + temporary])
            }
            if sync == .full { try folder.openForUpdating(temporary).syncAll() }
            // A journal that was left would be taken for the new file's.
            for suffix in ["-wal", "-shm"] { try folder.remove(Self.fileName + suffix) }
            try folder.rename(temporary, to: Self.fileName, in: folder)
            if sync == .full { try folder.sync() }
            let anew = try Catalog(
                stateDirectory: stateDirectory, sync: sync, bootID: bootID, newEpoch: opening.epoch)
            // The old file is no longer at its path, so SQLite takes nothing away with it.
            try? queue.close()
            return anew
        } catch {
            throw CacheError(error, what)
        }
    }

    /// Records that this run ended in order, and closes the file.
    package func close() throws(CacheError) {
        // The next opening looks for damage that this run met, since it finds no clean end.
        if !isDamaged { try write("closing the catalog") { try Self.set("clean", "1", $0) } }
        do { try queue.close() } catch { throw CacheError(error, "closing the catalog") }
    }

    private static func open(_ folder: borrowing Folder, path: String, sync: SyncLevel) throws -> DatabaseQueue {
        // Made here first, so that the file and its journals never have another mode than 0600.
        _ = try folder.openForWriting(fileName)
        var configuration = Configuration()
        configuration.journalMode = .wal
        configuration.label = "avatard.catalog"
        do {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            // After the journal mode, since GRDB lowers it to NORMAL together with that.
            let level = sync == .full ? "FULL" : "OFF"
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = \(level)") }
            let migrator = CatalogSchema.migrator
            let facts = try queue.read { db in
                (newer: try migrator.hasBeenSuperseded(db), clean: (try? setting("clean", db)) == "1")
            }
            guard !facts.newer else {
                throw CacheError(
                    .catalogNewer, "\(path) was written by a later version: install that one, or move it away")
            }
            if !facts.clean { try check(queue) }
            try migrator.migrate(queue)
            return queue
        } catch {
            throw CacheError(error, "opening \(path)")
        }
    }

    /// SQLite's own check of every page, after a run that did not end in order.
    private static func check(_ queue: DatabaseQueue) throws {
        let answer = try queue.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        if let answer, answer != "ok" { throw CacheError(.catalogDamaged, "checking the catalog", detail: answer) }
    }

    /// What SQLite itself says of the setting: 0 off, 1 normal, 2 full.
    func synchronousLevel() throws(CacheError) -> Int {
        try read("reading PRAGMA synchronous") { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? -1 }
    }

    /// Runs `body`, which only reads; every error comes out typed. Nobody else writes the file meanwhile.
    func read<T>(_ what: String, _ body: (Database) throws -> T) throws(CacheError) -> T {
        // Not `queue.read`: it forbids writes for as long by a PRAGMA that makes SQLite prepare every cached statement anew.
        do { return try queue.unsafeRead(body) } catch { throw failure(error, what) }
    }

    /// Runs `body` in one write transaction; every error comes out typed, and nothing of a failed one stays.
    func write<T>(_ what: String, _ body: (Database) throws -> T) throws(CacheError) -> T {
        do {
            return try queue.writeWithoutTransaction { db in
                try mend(db)
                return try transaction(what, db, body)
            }
        } catch {
            throw failure(error, what)
        }
    }

    /// Like ``write(_:_:)``, for what a power cut may take (offsets of parts, when something was wanted): the journal is written and not
    /// waited for, and the next durable transaction takes it to the disk (SQLite, "PRAGMA synchronous").
    ///
    /// When the connection cannot be told afterwards to wait again, this throws although the transaction is committed, and every later
    /// write tries that first and throws when it fails: nothing durable is ever written by a connection that does not wait.
    func writeLazily<T>(_ what: String, _ body: (Database) throws -> T) throws(CacheError) -> T {
        guard sync == .full else { return try write(what, body) }
        do {
            return try queue.writeWithoutTransaction { db in
                try mend(db)
                isLowered = true
                try setSynchronous("NORMAL", db)
                let outcome = Result { try transaction(what, db, body) }
                do { try raise(db) } catch {
                    // The body's own error says more; this one is met again by the next write.
                    if case .success = outcome { throw error }
                }
                return try outcome.get()
            }
        } catch {
            throw failure(error, what)
        }
    }

    /// What an earlier failure left to be mended before anything else is written.
    private func mend(_ db: Database) throws {
        try raise(db)
        guard isJournalDoubtful else { return }
        // Everything in the journal is written once more, into the database itself, and the journal begun anew.
        try db.checkpoint(.truncate)
        isJournalDoubtful = false
    }

    /// Lets the connection wait for the disk again, where an earlier call left it lowered.
    private func raise(_ db: Database) throws {
        guard isLowered else { return }
        try setSynchronous("FULL", db)
        isLowered = false
    }

    private func transaction<T>(_ what: String, _ db: Database, _ body: (Database) throws -> T) throws -> T {
        change = (0, 0)
        var result: T?
        try db.inTransaction(.immediate) {
            result = try body(db)
            return .commit
        }
        guard let result else { throw CacheError(.catalog, what) }
        totals = (totals.files + change.files, totals.bytes + change.bytes)
        return result
    }

    /// Writes a row inside a transaction, and counts it: a new one where there is no `earlier`.
    func put(_ row: AvatarRow, replacing earlier: AvatarRow?, _ db: Database) throws {
        try row.upsert(db)
        change.files += earlier == nil ? 1 : 0
        change.bytes += row.identity.size - (earlier?.identity.size ?? 0)
    }

    /// Takes a row away inside a transaction, and counts that.
    func delete(_ row: AvatarRow, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM avatars WHERE name = ?").execute(arguments: [row.name.string])
        change.files -= 1
        change.bytes -= row.identity.size
    }

    private func failure(_ error: any Error, _ what: String) -> CacheError {
        if let error = error as? DatabaseError, error.resultCode == .SQLITE_IOERR { isJournalDoubtful = true }
        let error = CacheError(error, what)
        if error.code == .catalogDamaged { isDamaged = true }
        return error
    }
}

/// Puts a damaged catalog out of the way, at most ``Limits/Cache/damagedCatalogsMax`` of them: the last is overwritten.
enum CatalogDamage {
    static func moveAside(_ folder: borrowing Folder) throws(PosixError) -> String {
        var number = 1
        while number < Limits.Cache.damagedCatalogsMax, try folder.facts(of: name(number)) != nil { number += 1 }
        for suffix in ["", "-wal", "-shm"] where try folder.facts(of: Catalog.fileName + suffix) != nil {
            try folder.rename(Catalog.fileName + suffix, to: name(number) + suffix, in: folder)
        }
        return folder.path + "/" + name(number)
    }

    private static func name(_ number: Int) -> String { "\(Catalog.fileName).damaged-\(number)" }
}

// MARK: - Settings

extension Catalog {
    /// Whether this catalog is new and the files of the folders were not taken in yet (`docs/architecture.md`). The catalog keeps that, so a
    /// kill in between does not lose it.
    package func isBaselineDue() throws(CacheError) -> Bool {
        try read("looking for a baseline") { try Self.setting("baseline", $0) == "due" }
    }

    /// Notes that the files of the folders were taken in, or that no agent had these folders before.
    package func baselineDone() throws(CacheError) {
        try write("noting the baseline") { try $0.execute(sql: "DELETE FROM settings WHERE key = 'baseline'") }
    }

    /// Notes that every recorded file was read again after the machine went down (``Opening/needsAudit``).
    package func auditDone() throws(CacheError) {
        try write("noting the end of the audit") { try $0.execute(sql: "DELETE FROM settings WHERE key = 'audit'") }
    }

    /// Any small value that the agent keeps; nil removes it.
    package func setting(_ key: String) throws(CacheError) -> String? {
        try read("reading the setting \(key)") { try Self.setting("user." + key, $0) }
    }

    /// Keeps a value under `key`; see ``setting(_:)``.
    package func set(_ key: String, to value: String?) throws(CacheError) {
        try write("writing the setting \(key)") { db in
            if let value {
                try Self.set("user." + key, value, db)
            } else {
                try db.execute(sql: "DELETE FROM settings WHERE key = ?", arguments: ["user." + key])
            }
        }
    }

    static func setting(_ key: String, _ db: Database) throws -> String? {
        try String.fetchOne(db.cachedStatement(sql: "SELECT value FROM settings WHERE key = ?"), arguments: [key])
    }

    static func set(_ key: String, _ value: String, _ db: Database) throws {
        try db.cachedStatement(
            sql: "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        .execute(arguments: [key, value])
    }
}

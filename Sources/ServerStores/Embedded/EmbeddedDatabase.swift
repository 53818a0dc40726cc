internal import AvatarCore
internal import Foundation
internal import GRDB
internal import Glibc
internal import PosixFiles
package import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// The SQLite file of the embedded stores, with the users and the uploads under way.
///
/// Other processes may change users while the server runs (`avatar-server user …`). Only the server changes uploads.
package final class EmbeddedDatabase: Sendable {
    /// What writes; it has the journal in WAL mode, in which readers wait for nobody.
    private let writer: DatabasePool
    private let readers: ReaderConnections
    private let isDurable: Bool
    /// The writer waits less for the disk than ``isDurable`` asks for: nothing is written before it waits again.
    private let isLowered = Mutex(false)

    /// Opens the file, makes it and its folder where they are missing, and runs the migrations that it lacks.
    ///
    /// - Parameters:
    ///   - isDurable: whether a commit must survive a power cut (`storage.sync: full`).
    ///   - making: whether a file that is not there is made; else it is an error.
    package init(path: String, isDurable: Bool, making: Bool = true) throws(StoreError) {
        guard unsafe making || access(path, F_OK) == 0 else { throw Self.missing(path) }
        do {
            let folder = (path as NSString).deletingLastPathComponent
            if !folder.isEmpty {
                _ = try Folder.make(path: folder)
            }
            try Self.makePrivate(path)
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            writer = try DatabasePool(path: path, configuration: configuration)
            readers = ReaderConnections(path: path, configuration)
            self.isDurable = isDurable
            // GRDB sets NORMAL together with the journal mode, so this comes after it.
            try writer.writeWithoutTransaction { try $0.setSynchronous(isDurable ? "FULL" : "OFF") }
            try Self.migrations.migrate(writer)
        } catch {
            throw StoreError(.unavailable, "the database \(path) cannot be opened: \(Self.words(error))")
        }
    }

    /// What GRDB and the kernel throw, in words.
    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as DatabaseError: SQLiteWords.text(code: error.resultCode.rawValue, message: error.message)
        case let error as PosixError: error.description
        case let error as StoreError: error.cause
        default: "a row is not as this program writes it"
        }
    }

    private static func missing(_ path: String) -> StoreError {
        StoreError(
            .unavailable,
            "there is no database \(path): `avatar-server serve` and `avatar-server user add` make it, where stores.sqliteFile says"
        )
    }

    /// Why the open database does not answer; nil when it does.
    var problem: String? {
        do throws(StoreError) {
            _ = try read("asking the database") { try Int.fetchOne($0, sql: "SELECT 1 FROM user LIMIT 1") }
            return nil
        } catch {
            return error.cause
        }
    }

    /// Why the server could not use the database as it is; nil when it could. Nothing is made or changed.
    package static func problem(path: String) -> String? {
        guard unsafe access(path, F_OK) == 0 else { return missing(path).cause }
        let folder = (path as NSString).deletingLastPathComponent
        for place in [path, folder.isEmpty ? "." : folder] where unsafe access(place, R_OK | W_OK) != 0 {
            return PosixError.last("access", path: place).description
        }
        do {
            var configuration = Configuration()
            configuration.readonly = true
            // Where nobody has the database open, SQLite is told that nobody will: it makes no -wal and -shm then.
            let isOpen = unsafe access(path + "-wal", F_OK) == 0
            let encoded = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
            let queue = try DatabaseQueue(
                path: isOpen ? path : "file:\(encoded)?immutable=1", configuration: configuration)
            defer { try? queue.close() }
            _ = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM user") }
            return nil
        } catch {
            return "it cannot be read: \(Self.words(error))"
        }
    }

    /// Gives the database the mode 0600 before SQLite opens it, because it holds digests of tokens. SQLite makes `-wal` and `-shm` with the
    /// mode of the database; those that an earlier version has left get theirs here.
    private static func makePrivate(_ path: String) throws(PosixError) {
        let made = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard made >= 0 else { throw .last("open", path: path) }
        let file = OpenFile(adopting: made)
        guard fchmod(file.descriptor, 0o600) == 0 else { throw .last("fchmod", path: path) }
        for companion in ["-wal", "-shm"] where unsafe chmod(path + companion, 0o600) != 0 && errno != ENOENT {
            throw .last("chmod", path: path + companion)
        }
    }

    /// The migrations have names and are only ever appended: one that was released never changes.
    static var migrations: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 users and uploads") { database in
            try database.execute(
                sql: """
                    CREATE TABLE user (
                        uid INTEGER PRIMARY KEY CHECK (uid > 0),
                        name TEXT NOT NULL DEFAULT '',
                        icon TEXT,
                        token_sha256 BLOB
                    ) STRICT;
                    CREATE INDEX user_by_icon ON user (icon);
                    -- owner 0: a file of 1003, which is nobody's.
                    CREATE TABLE upload (
                        owner INTEGER NOT NULL,
                        name TEXT NOT NULL,
                        upload_id TEXT NOT NULL,
                        md5 BLOB NOT NULL,
                        total_size INTEGER NOT NULL,
                        chunk_size INTEGER NOT NULL,
                        is_complete INTEGER NOT NULL,
                        touched_at INTEGER NOT NULL,
                        PRIMARY KEY (owner, name)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX upload_by_md5 ON upload (md5);
                    CREATE INDEX upload_by_age ON upload (touched_at);
                    """)
        }
        migrator.registerMigration("2 avatars and their changes") { database in
            try database.execute(
                sql: """
                    -- Without a name: the user has no avatar any more.
                    CREATE TABLE avatar (
                        uid INTEGER PRIMARY KEY,
                        generation INTEGER NOT NULL,
                        name TEXT,
                        sha256 BLOB,
                        size INTEGER,
                        format TEXT,
                        inode INTEGER,
                        modified INTEGER
                    ) STRICT;
                    CREATE TABLE avatar_change (
                        cursor INTEGER PRIMARY KEY,
                        uid INTEGER NOT NULL,
                        generation INTEGER NOT NULL,
                        name TEXT,
                        sha256 BLOB,
                        size INTEGER,
                        format TEXT
                    ) STRICT;
                    CREATE TABLE change_log (epoch TEXT NOT NULL) STRICT;
                    INSERT INTO change_log VALUES (lower(hex(randomblob(8))));
                    """)
        }
        return migrator
    }

    /// The value that SQLite has for the setting: 0 off, 1 normal, 2 full.
    package func synchronousLevel() throws(StoreError) -> Int {
        try write("reading PRAGMA synchronous") { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? -1 }
    }

    /// Runs one statement that reads, without a transaction around it.
    func read<Value>(_ what: String, _ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do {
            return try readers.read(body)
        } catch {
            throw StoreError(.unavailable, "\(what): \(Self.words(error))")
        }
    }

    /// Runs one statement whose change a power cut may lose: SQLite writes the journal and does not wait for the disk. The next durable
    /// statement takes the journal to the disk (SQLite, "PRAGMA synchronous").
    func writeLazily(_ what: String, _ body: (Database) throws -> Void) throws(StoreError) {
        guard isDurable else { return try write(what, body) }
        try write(what) { database in
            isLowered.withLock { $0 = true }
            try database.setSynchronous("NORMAL")
            let result = Result { try body(database) }
            // Not in a `defer`, which would hide an error: then SQLite would no longer wait for the disk with tokens and icons.
            try raise(database)
            try result.get()
        }
    }

    /// Lets the writer wait for the disk again, where an earlier call failed to do that.
    private func raise(_ database: Database) throws {
        guard isLowered.withLock({ $0 }) else { return }
        try database.setSynchronous("FULL")
        isLowered.withLock { $0 = false }
    }

    /// Runs one statement that writes; it is a transaction of its own.
    func write<Value>(_ what: String, _ body: (Database) throws -> Value) throws(StoreError) -> Value {
        do {
            return try writer.writeWithoutTransaction { database in
                try raise(database)
                return try body(database)
            }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_FULL {
            throw StoreError(.full, "\(what): \(Self.words(error))")
        } catch {
            throw StoreError(.unavailable, "\(what): \(Self.words(error))")
        }
    }
}

extension Database {
    fileprivate func setSynchronous(_ level: String) throws { try execute(sql: "PRAGMA synchronous = \(level)") }

    /// Runs a statement that gives no rows. Each connection prepares it once.
    func change(_ sql: String, _ arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}

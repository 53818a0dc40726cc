internal import AvatarCore
internal import ServerRuntime
internal import Synchronization

/// Our tables in MariaDB or MySQL.
final class ClusterSchema: Sendable {
    /// One of them.
    struct Table: Sendable {
        let name: String
        let columns: String
        /// A column with a number.
        let number: String
        /// Whether rows are added and cut, and never changed.
        var isLog = false

        var creation: String { "CREATE TABLE IF NOT EXISTS \(name) (\(columns)) ENGINE=InnoDB" }
    }

    private let isThere = Mutex(false)

    /// Makes the tables, once in the life of the process.
    func prepare(_ cluster: Cluster) throws(StoreError) {
        if isThere.withLock({ $0 }) { return }
        let epoch = String(UInt64.random(in: .min ... .max), radix: 16)
        try cluster.mysql { (mysql) throws(StoreError) in
            for table in Self.tables { _ = try mysql.run(table.creation) }
            _ = try mysql.run("INSERT IGNORE INTO avatard_log (id, epoch, position) VALUES (1, ?, 0)", [.text(epoch)])
        }
        isThere.withLock { $0 = true }
    }

    static let tables = [
        Table(
            name: "avatard_avatar",
            columns: """
                uid BIGINT NOT NULL PRIMARY KEY, generation BIGINT NOT NULL,
                name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
                sha256 CHAR(64) CHARACTER SET ascii NOT NULL DEFAULT '', size BIGINT NOT NULL DEFAULT 0,
                format VARCHAR(16) CHARACTER SET ascii NOT NULL DEFAULT '', inode BIGINT NOT NULL DEFAULT 0,
                modified BIGINT NOT NULL DEFAULT 0
                """, number: "size"),
        Table(
            name: "avatard_change",
            columns: """
                position BIGINT NOT NULL PRIMARY KEY, uid BIGINT NOT NULL, generation BIGINT NOT NULL,
                name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
                sha256 CHAR(64) CHARACTER SET ascii NOT NULL, size BIGINT NOT NULL,
                format VARCHAR(16) CHARACTER SET ascii NOT NULL
                """, number: "size", isLog: true),
        Table(
            name: "avatard_log",
            columns: """
                id INT NOT NULL PRIMARY KEY, epoch VARCHAR(32) CHARACTER SET ascii NOT NULL, position BIGINT NOT NULL
                """, number: "position"),
    ]
}

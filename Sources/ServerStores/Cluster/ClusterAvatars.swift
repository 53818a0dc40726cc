package import AvatarCore
internal import Foundation
package import ServerRuntime
internal import TransferMachines

/// Keeps avatars and their changes in MariaDB, for all instances, and rings through Redis.
///
/// | where | what |
/// |---|---|
/// | table `avatard_avatar` | the record of each user's avatar; without a name, the user has none any more |
/// | table `avatard_change` | the change log |
/// | table `avatard_log` | one row: the log's epoch, and the cursor of its last change. Its lock gives changes one order |
/// | Redis channel `avatard:changes` | a message after each change |
///
/// Every change is one transaction that is sent as one batch: one round trip, where setting an icon alone used to take two.
package struct ClusterAvatars: AvatarStore {
    static let channel = "avatard:changes"

    private let cluster: Cluster
    private let changesKept: Int
    private let schema = ClusterSchema()
    private let listener: ChangeListener

    /// - Parameter changesKept: how many changes the log has at most; fewer in tests.
    package init(_ cluster: Cluster, changesKept: Int = Limits.Changes.keptMax) {
        self.cluster = cluster
        self.changesKept = changesKept
        listener = ChangeListener(cluster, channel: Self.channel)
    }

    package func setAvatar(
        _ name: AvatarName, _ content: FileContent, of user: UserID, _ cause: AvatarCause
    ) throws(StoreError) -> Avatar? {
        let (uid, text) = (SQLValue.integer(user.value), SQLValue.text(name.string))
        let sha256 = SQLValue.text(content.sha256.hex)
        let record: [SQLValue] = [
            text, sha256, .integer(content.stamp.size), .text(content.format?.rawValue ?? ""),
            .integer(Int64(bitPattern: content.stamp.inode)), .integer(content.stamp.modified),
        ]
        let lock: Batch =
            switch cause {
            case .uploaded: [("UPDATE user SET icon = ? WHERE uid = ?", [text, uid])]
            case .found: [("DO (SELECT uid FROM user WHERE uid = ? FOR UPDATE)", [uid])]
            }
        let tables = try change(
            lock + [
                (
                    "SET @avatard_there = (SELECT COUNT(*) FROM user WHERE uid = ? AND BINARY icon = ?)", [uid, text]
                ),
                (
                    """
                    SET @avatard_new = @avatard_there AND NOT EXISTS
                        (SELECT 1 FROM avatard_avatar WHERE uid = ? AND BINARY name = ? AND sha256 = ?)
                    """, [uid, text, sha256]
                ),
                (
                    """
                    INSERT INTO avatard_avatar (uid, generation, name, sha256, size, format, inode, modified)
                        SELECT ?, 1, ?, ?, ?, ?, ?, ? FROM (SELECT 1) AS one WHERE @avatard_there
                        ON DUPLICATE KEY UPDATE generation = generation + @avatard_new, name = VALUES(name),
                        sha256 = VALUES(sha256), size = VALUES(size), format = VALUES(format), inode = VALUES(inode),
                        modified = VALUES(modified)
                    """, [uid] + record
                ),
            ], of: user)
        guard let row = tables.record, row.count == 1, let generation = row[0].flatMap({ Int64($0) }) else {
            return nil
        }
        try tell(user, tables.user)
        return Avatar(
            name: name, sha256: content.sha256, size: content.stamp.size, format: content.format, generation: generation
        )
    }

    package func removeAvatar(of user: UserID) throws(StoreError) -> Bool {
        let uid = SQLValue.integer(user.value)
        let tables = try change(
            [
                ("SET @avatard_there = (SELECT COUNT(*) FROM user WHERE uid = ? AND icon <> '' FOR UPDATE)", [uid]),
                ("SET @avatard_new = @avatard_there", []), ("UPDATE user SET icon = '' WHERE uid = ?", [uid]),
                (
                    """
                    INSERT INTO avatard_avatar (uid, generation) SELECT ?, 1 FROM (SELECT 1) AS one WHERE @avatard_there
                        ON DUPLICATE KEY UPDATE generation = generation + 1, name = '', sha256 = '', size = 0, format = ''
                    """, [uid]
                ),
            ], of: user)
        guard tables.record != nil else { return false }
        try tell(user, tables.user)
        return true
    }

    private typealias Batch = [(sql: String, values: [SQLValue])]

    /// Runs a change as one transaction: what it does to the user and the record, then the log, then what the chat system wants to know.
    ///
    /// - Returns: the record's generation, nil when nothing was there to change; and the user's row.
    private func change(
        _ body: Batch, of user: UserID
    ) throws(StoreError) -> (record: [String?]?, user: [String?]?) {
        try schema.prepare(cluster)
        let uid = SQLValue.integer(user.value)
        // The log's row comes first: users without a record would lock the same gap of avatard_avatar, and then wait for each other.
        let batch: Batch =
            [("START TRANSACTION", []), ("DO (SELECT position FROM avatard_log WHERE id = 1 FOR UPDATE)", [])] + body
            + [
                ("UPDATE avatard_log SET position = position + 1 WHERE id = 1 AND @avatard_new", []),
                (
                    """
                    INSERT INTO avatard_change (position, uid, generation, name, sha256, size, format)
                        SELECT avatard_log.position, uid, generation, name, sha256, size, format
                        FROM avatard_avatar, avatard_log WHERE uid = ? AND id = 1 AND @avatard_new
                    """, [uid]
                ),
                (
                    "DELETE FROM avatard_change WHERE position <= (SELECT position FROM avatard_log WHERE id = 1) - ?",
                    [.integer(Int64(changesKept))]
                ), ("SELECT generation FROM avatard_avatar WHERE uid = ? AND @avatard_there", [uid]),
                ("SELECT pwd, name, email, nick, `desc`, sex, icon FROM user WHERE uid = ?", [uid]), ("COMMIT", []),
            ]
        let tables = try cluster.mysql { (mysql) throws(StoreError) in try mysql.runTogether(batch) }
        guard tables.count == 2 else { throw StoreError(.unavailable, "MariaDB: \(tables.count) answers to a change") }
        return (tables[0].first, tables[1].first)
    }

    /// Writes `ubaseinfo_<uid>` from the whole row, as the seed's server does after an upload, and rings the other instances.
    private func tell(_ user: UserID, _ row: [String?]?) throws(StoreError) {
        guard let row, row.count == 7 else { return }
        let info: [String: Any] = [
            "uid": user.value, "pwd": row[0] ?? "", "name": row[1] ?? "", "email": row[2] ?? "", "nick": row[3] ?? "",
            "desc": row[4] ?? "", "sex": row[5].flatMap { Int64($0) } ?? 0, "icon": row[6] ?? "",
        ]
        let json: Data
        do {
            json = try JSONSerialization.data(withJSONObject: info, options: [.sortedKeys, .withoutEscapingSlashes])
        } catch {
            throw StoreError(.unavailable, "the user \(user) cannot be written as JSON")
        }
        _ = try cluster.redis { (redis) throws(StoreError) in
            try redis.pipeline([
                ["SET", "ubaseinfo_\(user)", String(decoding: json, as: UTF8.self)],
                ["PUBLISH", Self.channel, "\(user)"],
            ])
        }
    }

    package func current(of user: UserID) throws(StoreError) -> CurrentIcon? {
        let rows = try rows(
            """
            SELECT generation, avatard_avatar.name, sha256, size, format, icon, inode, modified
                FROM user LEFT JOIN avatard_avatar ON avatard_avatar.uid = user.uid AND avatard_avatar.name <> ''
                WHERE user.uid = ?
            """, [.integer(user.value)])
        // The chat system's column is empty where there is no icon.
        guard let row = rows.first, row.count == 8, let icon = row[5], !icon.isEmpty else { return nil }
        guard let avatar = Self.avatar(row[..<5]), let inode = row[6].flatMap({ Int64($0) }),
            let modified = row[7].flatMap({ Int64($0) })
        else { return CurrentIcon(name: icon, record: nil) }
        let stamp = FileStamp(inode: UInt64(bitPattern: inode), size: avatar.size, modified: modified)
        return CurrentIcon(name: icon, record: CurrentIcon.Record(avatar: avatar, stamp: stamp))
    }

    /// - Parameter row: generation, name, SHA-256, size and format.
    private static func avatar(_ row: ArraySlice<String?>) -> Avatar? {
        let row = Array(row)
        guard row.count == 5, let generation = row[0].flatMap({ Int64($0) }), let text = row[1],
            let name = try? AvatarName(text), let sha256 = row[2].flatMap({ SHA256Digest(hex: $0) }),
            let size = row[3].flatMap({ Int64($0) })
        else { return nil }
        return Avatar(
            name: name, sha256: sha256, size: size, format: row[4].flatMap { ImageFormat(rawValue: $0) },
            generation: generation)
    }

    package func logRange() throws(StoreError) -> ChangeLogRange {
        let rows = try rows(
            "SELECT epoch, position, (SELECT MIN(position) FROM avatard_change) FROM avatard_log WHERE id = 1")
        guard let row = rows.first, row.count == 3, let epoch = row[0], let newest = row[1].flatMap({ Int64($0) })
        else {
            throw StoreError(.unavailable, "MariaDB: the table avatard_log has no row")
        }
        return ChangeLogRange(epoch: epoch, oldest: row[2].flatMap { Int64($0) } ?? newest + 1, newest: newest)
    }

    package func changes(after cursor: Int64, limit: Int) throws(StoreError) -> [LoggedChange] {
        try rows(
            """
            SELECT position, uid, generation, name, sha256, size, format FROM avatard_change
                WHERE position > ? ORDER BY position LIMIT ?
            """, [.integer(cursor), .integer(Int64(limit))]
        ).compactMap { row in
            guard row.count == 7, let cursor = row[0].flatMap({ Int64($0) }),
                let user = row[1].flatMap({ Int64($0) }).flatMap({ UserID($0) }),
                let generation = row[2].flatMap({ Int64($0) })
            else { return nil }
            return LoggedChange(cursor: cursor, user: user, generation: generation, avatar: Self.avatar(row[2...]))
        }
    }

    package func onChange(_ bell: @escaping @Sendable () -> Void) { listener.add(bell) }

    private func rows(_ sql: String, _ values: [SQLValue] = []) throws(StoreError) -> [[String?]] {
        try schema.prepare(cluster)
        return try cluster.mysql { (mysql) throws(StoreError) in try mysql.run(sql, values).rows }
    }
}

package import AvatarCore
internal import Foundation
internal import GRDB
internal import PosixFiles
package import ServerRuntime
internal import Synchronization
internal import TransferMachines

/// Keeps avatars and their changes in SQLite, beside the users, so that the icon and its change are one transaction.
package struct EmbeddedAvatars: AvatarStore {
    private let database: EmbeddedDatabase
    private let changesKept: Int
    private let bells = ChangeBells()
    private let recent = RecentIcons()

    /// - Parameter changesKept: how many changes the log has at most; fewer in tests.
    package init(_ database: EmbeddedDatabase, changesKept: Int = Limits.Changes.keptMax) {
        self.database = database
        self.changesKept = changesKept
    }

    package func setAvatar(
        _ name: AvatarName, _ content: FileContent, of user: UserID, _ cause: AvatarCause
    ) throws(StoreError) -> Avatar? {
        try set([(name, content)], of: user, cause).first ?? nil
    }

    package func setAvatars(
        _ files: [(name: AvatarName, content: FileContent)], of user: UserID
    ) throws(StoreError) -> [Avatar?] { try set(files, of: user, .uploaded) }

    /// All in one transaction.
    private func set(
        _ files: [(name: AvatarName, content: FileContent)], of user: UserID, _ cause: AvatarCause
    ) throws(StoreError) -> [Avatar?] {
        let results = try database.write("setting an avatar") { database in
            var results: [(avatar: Avatar, isChange: Bool)?] = []
            try database.inTransaction(.immediate) {
                for (name, content) in files { results.append(try set(name, content, of: user, cause, database)) }
                return results.contains { $0 != nil } ? .commit : .rollback
            }
            return results
        }
        recent.changed(user)
        if results.contains(where: { $0?.isChange == true }) { bells.ring() }
        return results.map { $0?.avatar }
    }

    private func set(
        _ name: AvatarName, _ content: FileContent, of user: UserID, _ cause: AvatarCause, _ database: Database
    ) throws -> (avatar: Avatar, isChange: Bool)? {
        guard try setIcon(name, of: user, cause, database) else { return nil }
        let last = try Self.row(of: user, database)
        let isChange = last?.name != name.string || last?.sha256 != content.sha256.bytes
        let avatar = Avatar(
            name: name, sha256: content.sha256, size: content.stamp.size, format: content.format,
            generation: (last?.generation ?? 0) + (isChange ? 1 : 0))
        try database.change(
            "INSERT OR REPLACE INTO avatar (uid, generation, name, sha256, size, format, inode, modified) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                user.value, avatar.generation, name.string, Data(avatar.sha256.bytes), avatar.size,
                avatar.format?.rawValue, Int64(bitPattern: content.stamp.inode), content.stamp.modified,
            ])
        if isChange { try log(user, avatar.generation, avatar, database) }
        return (avatar, isChange)
    }

    /// Returns false when the user or the icon is not there.
    private func setIcon(_ name: AvatarName, of user: UserID, _ cause: AvatarCause, _ database: Database) throws -> Bool
    {
        switch cause {
        case .uploaded:
            try database.change("UPDATE user SET icon = ? WHERE uid = ?", [name.string, user.value])
            return database.changesCount > 0
        case .found:
            return try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT 1 FROM user WHERE uid = ? AND icon = ?"),
                arguments: [user.value, name.string]) ?? false
        }
    }

    private func log(_ user: UserID, _ generation: Int64, _ avatar: Avatar?, _ database: Database) throws {
        try database.change(
            "INSERT INTO avatar_change (uid, generation, name, sha256, size, format) VALUES (?, ?, ?, ?, ?, ?)",
            [
                user.value, generation, avatar?.name.string, (avatar?.sha256.bytes).map { Data($0) }, avatar?.size,
                avatar?.format?.rawValue,
            ])
        try database.change(
            "DELETE FROM avatar_change WHERE cursor <= ?", [database.lastInsertedRowID - Int64(changesKept)])
    }

    package func removeAvatar(of user: UserID) throws(StoreError) -> Bool {
        let removed = try database.write("removing an avatar") { database in
            var removed = false
            try database.inTransaction(.immediate) {
                try database.change("UPDATE user SET icon = NULL WHERE uid = ? AND icon IS NOT NULL", [user.value])
                guard database.changesCount > 0 else { return .rollback }
                let generation = (try Self.row(of: user, database)?.generation ?? 0) + 1
                try database.change(
                    "INSERT OR REPLACE INTO avatar (uid, generation) VALUES (?, ?)", [user.value, generation])
                try log(user, generation, nil, database)
                removed = true
                return .commit
            }
            return removed
        }
        recent.changed(user)
        if removed { bells.ring() }
        return removed
    }

    private static func row(
        of user: UserID, _ database: Database
    ) throws -> (generation: Int64, name: String?, sha256: [UInt8]?)? {
        try Row.fetchOne(
            database.cachedStatement(sql: "SELECT generation, name, sha256 FROM avatar WHERE uid = ?"),
            arguments: [user.value]
        ).map { ($0["generation"], $0["name"], ($0["sha256"] as Data?).map(Array.init)) }
    }

    package func current(of user: UserID) throws(StoreError) -> CurrentIcon? {
        let mark = recent.mark
        let icon = try look(user)
        if let icon { recent.keep(icon, of: user, asked: mark) }
        return icon
    }

    package func currentAtOnce(of user: UserID) -> CurrentIcon? { recent.icon(of: user) }

    private func look(_ user: UserID) throws(StoreError) -> CurrentIcon? {
        try database.read("looking up an avatar") { database in
            guard
                let row = try Row.fetchOne(
                    database.cachedStatement(
                        sql: """
                            SELECT generation, avatar.name, sha256, size, format, icon, inode, modified
                            FROM user LEFT JOIN avatar ON avatar.uid = user.uid WHERE user.uid = ?
                            """), arguments: [user.value]), let icon: String = row[5]
            else { return nil }
            guard let avatar = Self.avatar(row), let inode: Int64 = row[6], let modified: Int64 = row[7] else {
                return CurrentIcon(name: icon, record: nil)
            }
            let stamp = FileStamp(inode: UInt64(bitPattern: inode), size: avatar.size, modified: modified)
            return CurrentIcon(name: icon, record: CurrentIcon.Record(avatar: avatar, stamp: stamp))
        }
    }

    /// - Parameter row: generation, name, SHA-256, size and format, perhaps with more behind them.
    private static func avatar(_ row: Row) -> Avatar? {
        guard let generation: Int64 = row[0], let text: String = row[1], let name = try? AvatarName(text),
            let bytes: Data = row[2], let sha256 = SHA256Digest(bytes: Array(bytes)), let size: Int64 = row[3]
        else { return nil }
        return Avatar(
            name: name, sha256: sha256, size: size,
            format: (row[4] as String?).flatMap { ImageFormat(rawValue: $0) }, generation: generation)
    }

    package func logRange() throws(StoreError) -> ChangeLogRange {
        let row = try database.read("looking up the change log") { database in
            try Row.fetchOne(
                database.cachedStatement(
                    sql:
                        "SELECT epoch, (SELECT min(cursor) FROM avatar_change), (SELECT max(cursor) FROM avatar_change) FROM change_log"
                ))
        }
        guard let row else { throw StoreError(.unavailable, "the table change_log is empty") }
        let newest: Int64 = row[2] ?? 0
        return ChangeLogRange(epoch: row[0], oldest: row[1] ?? newest + 1, newest: newest)
    }

    package func changes(after cursor: Int64, limit: Int) throws(StoreError) -> [LoggedChange] {
        let rows = try database.read("reading the change log") { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT generation, name, sha256, size, format, uid, cursor
                        FROM avatar_change WHERE cursor > ? ORDER BY cursor LIMIT ?
                        """), arguments: [cursor, limit])
        }
        return rows.compactMap { row in
            UserID(row[5] as Int64).map {
                LoggedChange(cursor: row[6], user: $0, generation: row[0], avatar: Self.avatar(row))
            }
        }
    }

    package func onChange(_ bell: @escaping @Sendable () -> Void) { bells.add(bell) }
}

/// ``RecentAnswers`` for all threads.
private final class RecentIcons: Sendable {
    private let icons = Mutex(
        RecentAnswers<UserID, CurrentIcon>(
            trust: Limits.Server.iconTrust, countMax: Limits.Server.answersRememberedMax))

    var mark: RecentAnswers<UserID, CurrentIcon>.Mark { icons.withLock { $0.mark } }

    func icon(of user: UserID) -> CurrentIcon? { icons.withLock { $0.answer(for: user, now: SystemClock().now) } }

    func keep(_ icon: CurrentIcon, of user: UserID, asked mark: RecentAnswers<UserID, CurrentIcon>.Mark) {
        icons.withLock { $0.keep(icon, for: user, asked: mark, now: SystemClock().now) }
    }

    func changed(_ user: UserID) { icons.withLock { $0.changed(user) } }
}

package import AvatarCore
internal import GRDB

// Whose avatars an account follows by its server's stream of changes.
extension Catalog {
    /// The users whose avatars `account` followed without a gap, and the place in the server's log up to which that was; nil where none is
    /// known.
    package func followed(by account: String) throws(CacheError) -> (users: [UserID], position: String?) {
        try read("reading whom \(account) follows") { db in
            let users = try Int64.fetchAll(db, sql: "SELECT user FROM followed WHERE account = ?", arguments: [account])
            let position = try String.fetchOne(
                db, sql: "SELECT position FROM positions WHERE account = ?", arguments: [account])
            return (users.compactMap { UserID($0) }, position)
        }
    }

    /// These users, and no others, are followed without a gap up to `position`.
    package func setFollowed(_ users: [UserID], by account: String, position: String?) throws(CacheError) {
        try write("noting whom \(account) follows") { db in
            try db.execute(sql: "DELETE FROM followed WHERE account = ?", arguments: [account])
            let insert = try db.cachedStatement(sql: "INSERT INTO followed VALUES (?, ?)")
            for user in users { try insert.execute(arguments: [account, user.value]) }
            try Self.setPosition(position, of: account, db)
        }
    }

    /// The server said that the picture of this name is another one: where it is there with other bytes, nobody has checked it since. In
    /// one transaction with the place up to which the server has told.
    package func noteChange(
        _ name: AvatarName, _ sha256: SHA256Digest, of account: String, position: String?
    ) throws(CacheError) {
        try write("noting that \(name) changed") { db in
            try db.execute(
                sql: "UPDATE avatars SET checked = NULL WHERE name = ? AND sha256 <> ?",
                arguments: [name.string, sha256.hex])
            try Self.setPosition(position, of: account, db)
        }
    }

    private static func setPosition(_ position: String?, of account: String, _ db: Database) throws {
        guard let position else { return }
        try db.execute(
            sql: "INSERT INTO positions VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET position = excluded.position",
            arguments: [account, position])
    }
}

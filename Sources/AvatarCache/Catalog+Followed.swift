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

    /// What the server's stream of changes told, in one transaction with the place in its log up to which that is all.
    ///
    /// - Parameters:
    ///   - changes: names whose pictures are these now. One that is there with other bytes nobody has checked since.
    ///   - mayBeOld: users of whose pictures nobody has checked any since.
    ///   - followed: these users, and no others, are followed without a gap up to `position`; nil for those of before.
    package func noteChanges(
        _ changes: [AvatarName: SHA256Digest], mayBeOld: Set<UserID>, followed: [UserID]?, by account: String,
        position: String?
    ) throws(CacheError) {
        try write("noting what the server of \(account) told") { db in
            let change = try db.cachedStatement(
                sql: "UPDATE avatars SET checked = NULL WHERE name = ? AND sha256 <> ?")
            for (name, sha256) in changes { try change.execute(arguments: [name.string, sha256.hex]) }
            let doubt = try db.cachedStatement(sql: "UPDATE avatars SET checked = NULL WHERE owner = ?")
            for user in mayBeOld { try doubt.execute(arguments: [user.value]) }
            if let followed {
                try db.execute(sql: "DELETE FROM followed WHERE account = ?", arguments: [account])
                let insert = try db.cachedStatement(sql: "INSERT INTO followed VALUES (?, ?)")
                for user in followed { try insert.execute(arguments: [account, user.value]) }
            }
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

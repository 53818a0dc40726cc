package import AvatarCore
internal import GRDB

/// Whose avatars an account follows by its server's stream of changes.
package struct Following: Hashable, Sendable {
    /// The users who were followed without a gap up to ``position``.
    package var users: [UserID] = []
    /// What their avatars are there, as far as that is known.
    package var avatars: [UserID: UserAvatar] = [:]
    /// The place in the server's log; nil where none is known.
    package var position: String?

    /// Nobody is followed.
    package init() {}
}

extension Catalog {
    /// Whose avatars `account` followed, and up to where.
    package func followed(by account: String) throws(CacheError) -> Following {
        try read("reading whom \(account) follows") { db in
            var following = Following()
            let rows = try Row.fetchCursor(
                db, sql: "SELECT user, known, name, sha256 FROM followed WHERE account = ?", arguments: [account])
            while let row = try rows.next() {
                guard let user = row.userID("user") else { continue }
                following.users.append(user)
                guard row["known"] == 1 else { continue }
                let isNone = row["name"] as String? == nil
                following.avatars[user] = UserAvatar(
                    name: isNone ? nil : try row.avatarName(), sha256: try row.sha256IfAny())
            }
            following.position = try String.fetchOne(
                db, sql: "SELECT position FROM positions WHERE account = ?", arguments: [account])
            return following
        }
    }

    /// Notes what the server's stream of changes told, in one transaction with the place in its log up to which that is all. Pictures that are
    /// there and may be others count as checked by nobody from then on.
    package func noteChanges(_ told: ChangeNotes, by account: String, at now: UnixTime) throws(CacheError) {
        try write("noting what the server of \(account) told") { db in
            let change = try db.cachedStatement(
                sql: "UPDATE avatars SET checked = NULL WHERE name = ? AND sha256 <> ?")
            for (name, sha256) in told.changes { try change.execute(arguments: [name.string, sha256.hex]) }
            let doubt = try db.cachedStatement(sql: "UPDATE avatars SET checked = NULL WHERE owner = ?")
            for user in told.mayBeOld { try doubt.execute(arguments: [user.value]) }
            if let followed = told.followed { try Self.follow(Set(followed.map(\.value)), by: account, db) }
            let avatar = try db.cachedStatement(
                sql: "UPDATE followed SET known = ?, name = ?, sha256 = ? WHERE account = ? AND user = ?")
            for (user, known) in told.avatars {
                try avatar.execute(arguments: [
                    known == nil ? 0 : 1, known?.name?.string, known?.sha256?.hex, account, user.value,
                ])
            }
            guard let position = told.position else { return }
            try db.execute(
                sql: """
                    INSERT INTO positions VALUES (?, ?, ?)
                        ON CONFLICT (account) DO UPDATE SET position = excluded.position, noted = excluded.noted
                    """, arguments: [account, position.string, now.milliseconds])
            try Self.forgetOldAccounts(but: account, db)
        }
    }

    /// What is known of the avatars of users who stay is kept.
    private static func follow(_ users: Set<Int64>, by account: String, _ db: Database) throws {
        let before = try Int64.fetchSet(db, sql: "SELECT user FROM followed WHERE account = ?", arguments: [account])
        let remove = try db.cachedStatement(sql: "DELETE FROM followed WHERE account = ? AND user = ?")
        for user in before.subtracting(users) { try remove.execute(arguments: [account, user]) }
        let insert = try db.cachedStatement(sql: "INSERT INTO followed (account, user) VALUES (?, ?)")
        for user in users.subtracting(before) { try insert.execute(arguments: [account, user]) }
    }

    /// Beyond ``Limits/HTTPWay/followingAccountsMax``.
    private static func forgetOldAccounts(but account: String, _ db: Database) throws {
        let old = try String.fetchAll(
            db, sql: "SELECT account FROM positions WHERE account <> ? ORDER BY noted DESC, account LIMIT -1 OFFSET ?",
            arguments: [account, Limits.HTTPWay.followingAccountsMax - 1])
        for account in old {
            try db.execute(sql: "DELETE FROM positions WHERE account = ?", arguments: [account])
            try db.execute(sql: "DELETE FROM followed WHERE account = ?", arguments: [account])
        }
    }
}

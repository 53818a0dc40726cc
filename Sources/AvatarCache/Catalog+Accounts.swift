package import AvatarCore
internal import GRDB
internal import PosixFiles

/// What an account finds when it is opened.
package struct OpenedAccount: Hashable, Sendable {
    /// The account's own current avatar; nil where none is known.
    package var icon: AvatarName?
    /// Counts the credentials that were in use, from 1: refusals are kept with the number that they were learned under.
    package var tokenEpoch: Int64
}

extension Catalog {
    /// Opens an account after a login. One transaction: the account takes the crops that were closed, and the icon that was kept, while
    /// nobody was logged in; the credential gets its number, one more than before whenever it is another than the last; and every
    /// refusal that was learned under another number is lifted. What belongs to another account stays as it is, unless that is the same
    /// user's at the same server: then this account takes its crops and its icon over.
    ///
    /// - Parameters:
    ///   - account: the server and user: `host:port/uid`.
    ///   - credential: the token. Only a digest of account and token is kept, salted with this catalog's epoch.
    ///   - mayBeSame: whether another account's name may stand for the same user at the same server. It does where it was the last one in
    ///     use, with this very token.
    /// - Throws: what any write does (`diskFull`, `io`, `catalogBusy`, `catalogDamaged`); then nothing was changed.
    package func openAccount(
        _ account: String, credential: String, mayBeSame: (String) -> Bool = { _ in false }
    ) throws(CacheError) -> OpenedAccount {
        try write("opening the account \(account)") { db in
            let last = try Self.setting("token_digest", db)
            let others = try String.fetchAll(
                db,
                sql:
                    "SELECT account FROM crops WHERE account <> :own UNION SELECT account FROM icons WHERE account <> :own",
                arguments: ["own": account])
            for other in others where mayBeSame(other) {
                if try digest(of: other, credential) == last { try Self.takeOver(from: other, to: account, db) }
            }
            let tokenEpoch = try number(of: try digest(of: account, credential), db)
            try db.execute(sql: "DELETE FROM negatives WHERE token_epoch <> ?", arguments: [tokenEpoch])
            try db.execute(
                sql: "UPDATE crops SET account = ? WHERE state = 'pending' AND account IS NULL", arguments: [account])
            try db.execute(
                sql: """
                    INSERT INTO icons SELECT ?, value FROM settings WHERE key = 'unclaimed_icon'
                        ON CONFLICT (account) DO NOTHING
                    """, arguments: [account])
            try db.execute(sql: "DELETE FROM settings WHERE key = 'unclaimed_icon'")
            return OpenedAccount(icon: try Self.icon(of: account, db), tokenEpoch: tokenEpoch)
        }
    }

    /// The own current avatar of `account` (`host:port/uid`); nil where none is known.
    package func icon(of account: String) throws(CacheError) -> AvatarName? {
        try read("reading the icon of \(account)") { try Self.icon(of: account, $0) }
    }

    /// Notes that the server holds this picture as the icon of `account`; the event.
    package func noteIcon(_ name: AvatarName, of account: String, at now: UnixTime) throws(CacheError) -> EventRow {
        try write("noting the icon of \(account)") { try Self.setIcon(name, of: account, at: now, $0) }
    }

    static func setIcon(
        _ name: AvatarName, of account: String, at now: UnixTime, _ db: Database
    ) throws -> EventRow {
        try db.cachedStatement(
            sql: "INSERT INTO icons VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET name = excluded.name"
        ).execute(arguments: [account, name.string])
        let facts = try avatar(name, db).map(EventFacts.init) ?? EventFacts()
        return try log(.icon, name, facts, at: now, db)
    }

    private static func icon(of account: String, _ db: Database) throws -> AvatarName? {
        try Row.fetchOne(db, sql: "SELECT name FROM icons WHERE account = ?", arguments: [account])?.avatarName()
    }

    /// The other way to the same server has the crops: those that are on the server are there, and the others go up this way.
    private static func takeOver(from other: String, to account: String, _ db: Database) throws {
        // What the server has of them it has by that way alone.
        try db.execute(sql: "UPDATE crops SET location = NULL WHERE account = ?", arguments: [other])
        for table in ["crops", "crops_elsewhere"] {
            try db.execute(
                sql: """
                    UPDATE \(table) SET account = :account,
                        uploaded_to = CASE uploaded_to WHEN :other THEN :account ELSE uploaded_to END
                        WHERE account = :other
                    """, arguments: ["account": account, "other": other])
        }
        try db.execute(
            sql: "INSERT OR REPLACE INTO icons SELECT ?, name FROM icons WHERE account = ?",
            arguments: [account, other])
        try db.execute(sql: "DELETE FROM icons WHERE account = ?", arguments: [other])
    }

    private func digest(of account: String, _ credential: String) throws -> String {
        try unsafe SHA256Digest(of: Array("\(opening.epoch)\n\(account)\n\(credential)".utf8).span.bytes).hex
    }

    private func number(of digest: String, _ db: Database) throws -> Int64 {
        let last = try Self.setting("token_epoch", db).flatMap { Int64($0) } ?? 0
        guard try Self.setting("token_digest", db) != digest else { return last }
        try Self.set("token_digest", digest, db)
        try Self.set("token_epoch", String(last + 1), db)
        return last + 1
    }
}

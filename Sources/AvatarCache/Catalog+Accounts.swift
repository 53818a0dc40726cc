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
    /// refusal that was learned under another number is lifted. What belongs to another account stays as it is.
    ///
    /// - Parameters:
    ///   - account: the server and user: `host:port/uid`.
    ///   - credential: the token. Only a digest of account and token is kept, salted with this catalog's epoch.
    /// - Throws: what any write does (`diskFull`, `io`, `catalogBusy`, `catalogDamaged`); then nothing was changed.
    package func openAccount(_ account: String, credential: String) throws(CacheError) -> OpenedAccount {
        try write("opening the account \(account)") { db in
            let tokenEpoch = try number(of: "\(account)\n\(credential)", db)
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

    private func number(of credential: String, _ db: Database) throws -> Int64 {
        let digest = try unsafe SHA256Digest(of: Array("\(opening.epoch)\n\(credential)".utf8).span.bytes).hex
        let last = try Self.setting("token_epoch", db).flatMap { Int64($0) } ?? 0
        guard try Self.setting("token_digest", db) != digest else { return last }
        try Self.set("token_digest", digest, db)
        try Self.set("token_epoch", String(last + 1), db)
        return last + 1
    }
}

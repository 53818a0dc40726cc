package import AvatarCore
internal import Foundation
internal import GRDB
internal import PosixFiles
package import ServerRuntime
package import TransferMachines

/// Keeps users in SQLite. The database holds the SHA-256 of each token, so that nobody who reads the file learns a token.
package struct EmbeddedUsers: UserStore {
    private let database: EmbeddedDatabase

    package init(_ database: EmbeddedDatabase) { self.database = database }

    package func checkToken(_ token: String, of user: UserID) throws(StoreError) -> TokenVerdict {
        let stored = try database.read("looking up a token") { database in
            try Data.fetchOne(
                database.cachedStatement(
                    sql: "SELECT token_sha256 FROM user WHERE uid = ? AND token_sha256 IS NOT NULL"),
                arguments: [user.value])
        }
        guard let stored else { return .unknownUser }
        if token.isEmpty { return .wrong }
        let digest = try Self.digest(token)
        return digest == stored ? .valid : .wrong
    }

    package func icon(of user: UserID) throws(StoreError) -> String? {
        try database.read("looking up an icon") { database in
            try String.fetchOne(
                database.cachedStatement(sql: "SELECT icon FROM user WHERE uid = ?"), arguments: [user.value])
        }
    }

    package func users(withIcon name: AvatarName) throws(StoreError) -> [UserID] {
        try database.read("looking up an icon's owner") { database in
            try Int64.fetchAll(
                database.cachedStatement(sql: "SELECT uid FROM user WHERE icon = ? ORDER BY uid LIMIT 2"),
                arguments: [name.string])
        }.compactMap { UserID($0) }
    }

    private static func digest(_ token: String) throws(StoreError) -> Data {
        do {
            return Data(unsafe try SHA256Digest(of: Array(token.utf8).span.bytes).bytes)
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }
}

// What `avatar-server user …` needs.
extension EmbeddedUsers {
    /// Adds a user. Returns false and changes nothing when there is a user with this uid already.
    package func add(_ user: UserID, name: String, token: String) throws(StoreError) -> Bool {
        let digest = try Self.digest(token)
        return try database.write("adding a user") { database in
            try database.change(
                "INSERT INTO user (uid, name, token_sha256) VALUES (?, ?, ?) ON CONFLICT (uid) DO NOTHING",
                [user.value, name, digest])
            return database.changesCount > 0
        }
    }

    /// Replaces the token of a user. Returns false when there is no such user.
    package func setToken(_ token: String, of user: UserID) throws(StoreError) -> Bool {
        let digest = try Self.digest(token)
        return try database.write("setting a token") { database in
            try database.change(
                "UPDATE user SET token_sha256 = ? WHERE uid = ?",
                [digest, user.value])
            return database.changesCount > 0
        }
    }
}

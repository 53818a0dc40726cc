package import AvatarCore
internal import GRDB
package import ServerRuntime
package import TransferMachines

/// Administers the users of the SQLite file, also while a server has it open.
package struct EmbeddedAdministration: UserAdministration {
    private let database: EmbeddedDatabase

    package init(_ database: EmbeddedDatabase) { self.database = database }

    package func users(after: UserID?, limit: Int) throws(StoreError) -> [ListedUser] {
        let rows = try database.read("listing users") { database in
            try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT uid, name, icon, token_sha256 IS NOT NULL AS has_token FROM user
                            WHERE uid > ? ORDER BY uid LIMIT ?
                        """), arguments: [after?.value ?? 0, limit])
        }
        return rows.compactMap { row in
            UserID(row["uid"]).map {
                ListedUser(uid: $0, name: row["name"], icon: row["icon"], hasToken: row["has_token"])
            }
        }
    }

    package func revokeToken(of user: UserID) throws(StoreError) -> TokenRevocation {
        try database.write("ending a token") { database in
            try database.change(
                "UPDATE user SET token_sha256 = NULL WHERE uid = ? AND token_sha256 IS NOT NULL", [user.value])
            if database.changesCount > 0 { return .ended }
            let isKnown = try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT 1 FROM user WHERE uid = ?"), arguments: [user.value])
            return isKnown == true ? .hadNone : .unknownUser
        }
    }

    /// A running server has these records in its memory, too. It finds the parts missing, and has the upload begin again, which needs a token.
    package func forgetUploads(of user: UserID, of names: [AvatarName]) throws(StoreError) -> [UploadID] {
        try database.write("forgetting a user's uploads") { database in
            var parts: [UploadID] = []
            try database.inTransaction(.immediate) {
                parts = try String.fetchAll(
                    database.cachedStatement(sql: "SELECT upload_id FROM upload WHERE owner = ? AND NOT is_complete"),
                    arguments: [user.value]
                ).compactMap { UploadID(hex: $0) }
                try database.change("DELETE FROM upload WHERE owner = ?", [user.value])
                return .commit
            }
            return parts
        }
    }

    package func removeAccount(of user: UserID) throws(StoreError) -> AccountRemoval {
        _ = try EmbeddedAvatars(database).removeAvatar(of: user)
        // The row of the table avatar stays: it has the generation from which a user with this uid would go on.
        return try database.write("removing a user") { database in
            try database.change("DELETE FROM user WHERE uid = ?", [user.value])
            return database.changesCount > 0 ? .removed : .unknownUser
        }
    }
}

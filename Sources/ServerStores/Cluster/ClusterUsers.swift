package import AvatarCore
internal import Foundation
package import ServerRuntime
package import TransferMachines

/// Reads and writes users where the chat system keeps them: tokens in Redis `utoken_<uid>`, everything else in the table `user` of MySQL,
/// and a copy for the chat servers in Redis `ubaseinfo_<uid>`.
package struct ClusterUsers: UserStore {
    private let cluster: Cluster

    package init(_ cluster: Cluster) { self.cluster = cluster }

    package func checkToken(_ token: String, of user: UserID) throws(StoreError) -> TokenVerdict {
        let reply = try cluster.redis { (redis) throws(StoreError) in try redis.command(["GET", "utoken_\(user)"]) }
        guard let stored = reply.text else { return .unknownUser }
        return !token.isEmpty && ExactString(token) == ExactString(stored) ? .valid : .wrong
    }

    /// Sets the column, then writes `ubaseinfo_<uid>` from the whole row, as the seed's server does after an upload.
    package func setIcon(_ name: AvatarName, of user: UserID) throws(StoreError) -> Bool {
        let row = try cluster.mysql { (mysql) throws(StoreError) -> [String?]? in
            let updated = try mysql.run(
                "UPDATE user SET icon = ? WHERE uid = ?", [.text(name.string), .integer(user.value)])
            guard updated.affected > 0 else { return nil }
            return try mysql.run(
                "SELECT pwd, name, email, nick, `desc`, sex, icon FROM user WHERE uid = ?", [.integer(user.value)]
            ).rows.first
        }
        guard let row, row.count == 7 else { return false }
        let info: [String: Any] = [
            "uid": user.value, "pwd": row[0] ?? "", "name": row[1] ?? "", "email": row[2] ?? "", "nick": row[3] ?? "",
            "desc": row[4] ?? "", "sex": row[5].flatMap { Int64($0) } ?? 0, "icon": row[6] ?? "",
        ]
        let json: Data
        do {
            json = try JSONSerialization.data(withJSONObject: info, options: [.sortedKeys, .withoutEscapingSlashes])
        } catch {
            throw StoreError(.unavailable, "the user \(user) cannot be written as JSON: \(error)")
        }
        _ = try cluster.redis { (redis) throws(StoreError) in
            try redis.command(["SET", "ubaseinfo_\(user)", String(decoding: json, as: UTF8.self)])
        }
        return true
    }

    package func icon(of user: UserID) throws(StoreError) -> String? {
        let rows = try cluster.mysql { (mysql) throws(StoreError) in
            try mysql.run("SELECT icon FROM user WHERE uid = ?", [.integer(user.value)]).rows
        }
        return rows.first?.first ?? nil
    }

    package func users(withIcon name: AvatarName) throws(StoreError) -> [UserID] {
        // MySQL can use an index for the first condition. The second one compares bytes, which the column's collation may not do.
        let rows = try cluster.mysql { (mysql) throws(StoreError) in
            try mysql.run(
                "SELECT uid FROM user WHERE icon = ? AND BINARY icon = ? ORDER BY uid LIMIT 2",
                [.text(name.string), .text(name.string)]
            ).rows
        }
        return rows.compactMap { $0.first.flatMap { $0 }.flatMap { Int64($0) }.flatMap { UserID($0) } }
    }
}

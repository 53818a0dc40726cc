package import AvatarCore
package import ServerRuntime
package import TransferMachines

/// Reads users where the chat system keeps them: tokens in Redis `utoken_<uid>`, everything else in the table `user` of MySQL.
package struct ClusterUsers: UserStore {
    private let cluster: Cluster

    package init(_ cluster: Cluster) { self.cluster = cluster }

    package func checkToken(_ token: String, of user: UserID) throws(StoreError) -> TokenVerdict {
        let reply = try cluster.redis { (redis) throws(StoreError) in try redis.command(["GET", "utoken_\(user)"]) }
        guard let stored = reply.text else { return .unknownUser }
        return !token.isEmpty && ExactString(token) == ExactString(stored) ? .valid : .wrong
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

package import AvatarCore
package import ServerRuntime
package import TransferMachines

/// Administers what the servers keep of the chat system's users, in Redis and MariaDB. The accounts themselves are the chat system's.
package struct ClusterAdministration: UserAdministration {
    private let cluster: Cluster
    private let progress: ClusterProgress

    package init(_ cluster: Cluster, root: String, secondsSince1970: @escaping @Sendable () -> Int64) {
        self.cluster = cluster
        progress = ClusterProgress(cluster, root: root, secondsSince1970: secondsSince1970)
    }

    package func users(after: UserID?, limit: Int) throws(StoreError) -> [ListedUser] {
        let rows = try cluster.mysql { (mysql) throws(StoreError) in
            try mysql.run(
                "SELECT uid, name, icon FROM user WHERE uid > ? ORDER BY uid LIMIT ?",
                [.integer(after?.value ?? 0), .integer(Int64(limit))]
            ).rows
        }
        let found = rows.compactMap { row in
            row.first.flatMap { $0 }.flatMap { Int64($0) }.flatMap { UserID($0) }.map { (uid: $0, row: row) }
        }
        guard !found.isEmpty else { return [] }
        let tokens = try cluster.redis { (redis) throws(StoreError) in
            try redis.pipeline(found.map { ["EXISTS", "utoken_\($0.uid)"] })
        }
        return zip(found, tokens).map { user, token in
            let icon = user.row.count > 2 ? user.row[2] : nil
            return ListedUser(
                uid: user.uid, name: user.row.count > 1 ? user.row[1] ?? "" : "", icon: icon == "" ? nil : icon,
                hasToken: token == .integer(1))
        }
    }

    package func revokeToken(of user: UserID) throws(StoreError) -> TokenRevocation {
        let ended = try cluster.redis { (redis) throws(StoreError) in try redis.command(["DEL", "utoken_\(user)"]) }
        if ended == .integer(1) { return .ended }
        return try isKnown(user) ? .hadNone : .unknownUser
    }

    private func isKnown(_ user: UserID) throws(StoreError) -> Bool {
        try cluster.mysql { (mysql) throws(StoreError) in
            try !mysql.run("SELECT uid FROM user WHERE uid = ?", [.integer(user.value)]).rows.isEmpty
        }
    }

    package func forgetUploads(of user: UserID, of names: [AvatarName]) throws(StoreError) -> [UploadID] {
        var parts: [UploadID] = []
        for name in try progress.unfinishedNames(of: user) + names {
            guard let record = try progress.record(of: ResourceKey(owner: user, name: name)) else { continue }
            if !record.isComplete { parts.append(record.uploadID) }
            try progress.remove(record)
        }
        return parts
    }

    package func removeAccount(of user: UserID) throws(StoreError) -> AccountRemoval {
        _ = try revokeToken(of: user)
        _ = try ClusterAvatars(cluster).removeAvatar(of: user)
        return try isKnown(user) ? .emptied : .unknownUser
    }
}

/// Asks stores whether they answer now, each with one call that changes nothing. Waits for them.
package enum StoreProbe {
    package static func embedded(
        _ database: EmbeddedDatabase, root: String
    ) -> @Sendable () -> [(service: String, problem: String?)] {
        { [("database", database.problem), ("files", FolderFileStore.problem(root: root))] }
    }

    package static func cluster(
        _ cluster: Cluster, root: String
    ) -> @Sendable () -> [(service: String, problem: String?)] {
        {
            let health = cluster.health()
            return [
                ("redis", health.redis), ("mysql", health.mysql), ("files", FolderFileStore.problem(root: root)),
            ]
        }
    }
}

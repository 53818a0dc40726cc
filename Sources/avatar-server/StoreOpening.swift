import Foundation
import PosixFiles
import ServerRuntime
import ServerStores

/// Opens the stores that the configuration names.
func openStores(_ settings: ServerSettings, _ descriptors: DescriptorBudget) throws(StoreError) -> Stores {
    let isDurable = settings.storageSync == .full
    let files = try FolderFileStore(
        root: settings.storageRoot, sync: isDurable ? DiskSync() : .none, openPartsMax: descriptors.parts)
    let clock: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    switch settings.storesKind {
    case .embedded:
        let database = try EmbeddedDatabase(path: settings.sqliteFile, isDurable: isDurable)
        return Stores(
            users: EmbeddedUsers(database), avatars: EmbeddedAvatars(database),
            progress: try EmbeddedProgress(database, secondsSince1970: clock), files: files,
            probe: StoreProbe.embedded(database, root: settings.storageRoot))
    case .cluster:
        let cluster = Cluster(redis: settings.redis, mysql: settings.mysql)
        return Stores(
            users: ClusterUsers(cluster), avatars: ClusterAvatars(cluster),
            progress: ClusterProgress(cluster, root: settings.storageRoot, secondsSince1970: clock), files: files,
            health: { cluster.state }, probe: StoreProbe.cluster(cluster, root: settings.storageRoot))
    }
}

import AvatarCore
internal import Synchronization
import TransferMachines

/// Records avatars that another server has put there when a classic download meets them: who follows their users over HTTP is told then, and
/// not only when somebody asks over HTTP. Each file is looked up once.
final class FoundAvatars: Sendable {
    private let recorded = Mutex<[UserID: FileStamp]>([:])

    /// Somebody else's current avatar has been shown. Waits for stores, and reads the file when it is not recorded.
    func met(_ key: ResourceKey, _ stamp: FileStamp, _ stores: Stores) {
        guard let owner = key.owner, recorded.withLock({ $0[owner] }) != stamp else { return }
        let rebuild = RecordRebuild(stores.avatars, stores.files, readsAll: false)
        // What cannot be recorded now is met again.
        guard let finding = try? rebuild.rebuild(owner, icon: key.name.string), [.right, .recorded].contains(finding)
        else { return }
        recorded.withLock { recorded in
            if recorded.count >= Limits.Server.foundAvatarsMax { recorded = [:] }
            recorded[owner] = stamp
        }
    }
}

internal import AvatarCache
internal import FolderWatch
internal import TransferMachines

/// Opens and watches a folder again after it was lost; the machine says when.
struct FolderAttacher: Sendable {
    let settings: AgentSettings
    let disk: DiskThread
    let watch: FolderWatch
    let tell: @Sendable (FolderChange) -> Void

    init(
        settings: AgentSettings, disk: DiskThread, watch: FolderWatch,
        tell: @escaping @Sendable (FolderChange) -> Void
    ) {
        self.settings = settings
        self.disk = disk
        self.watch = watch
        self.tell = tell
    }

    /// On the disk thread: attaching waits for the watch's thread, and the folder itself is opened anew.
    func attach(_ folder: WatchedFolder) {
        disk.submit([
            .ask { [self] worker in
                do {
                    let path = folder == .crops ? settings.uploadDirectory : settings.cacheDirectory
                    switch folder {
                    case .cache: try worker.reopenCache()
                    case .crops: try worker.reopenCrops()
                    }
                    try watch.attach(folder.id, path: path, modifications: settings.isShared)
                    tell(.back(folder))
                } catch let error as WatchError {
                    tell(.lost(folder, reason: "\(error)", remedy: error.remedy))
                } catch {
                    tell(.unopened(folder, reason: "\(error)"))
                }
            }
        ])
    }
}

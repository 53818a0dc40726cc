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
                    try worker.reopen(folder, settings)
                    try watch.attach(folder.id, path: path, modifications: settings.isShared)
                    tell(.back(folder))
                } catch let error as WatchError {
                    tell(.lost(folder, reason: "\(error)", remedy: error.remedy))
                } catch {
                    tell(.lost(folder, reason: "\(error)", remedy: nil))
                }
            }
        ])
    }
}

extension DiskWorker {
    /// Opens one folder anew by its path. The cache is made again where it is missing; crops were somebody else's work, and an empty folder
    /// in their place would make all of them new when the old one comes back.
    func reopen(_ folder: WatchedFolder, _ settings: AgentSettings) throws {
        switch folder {
        case .cache: try reopenCache()
        case .crops:
            crops = try UploadFolder(
                path: settings.uploadDirectory, bytesMax: uploadBytesMax, making: isShared)
        }
    }
}

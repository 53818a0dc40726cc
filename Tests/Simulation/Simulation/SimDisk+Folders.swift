internal import AvatarCore
internal import TransferMachines

// Folders that another folder takes the path of, and a state folder that is removed, under the agent's hand.
extension SimDisk {
    /// What the agent's disk thread finds of the paths.
    func comparePaths() -> DiskResult {
        guard mutation != .ignoreMovedFolders else { return .pathsCompared([PathFinding(.folder(.crops), .held)]) }
        seeMove()
        return .pathsCompared([
            PathFinding(.folder(.crops), isAtItsPath(.crops) ? .held : .another),
            PathFinding(.folder(.cache), isCacheMoved ? .missing : isAtItsPath(.cache) ? .held : .another),
            PathFinding(.state, isStateLost ? .missing : .held),
        ])
    }

    func restoreState() -> DiskResult {
        guard !isFull else { return .stateNotRestored(.failed(.stateFull)) }
        isStateLost = false
        return .stateRestored
    }

    func isAtItsPath(_ folder: WatchedFolder) -> Bool {
        folder == .crops ? heldCropFolder == cropFolder : !isCacheReplaced && !isCacheMoved
    }

    /// The crops of the folder that the agent holds, wherever it lies.
    var heldCrops: [AvatarName: Int] { isAtItsPath(.crops) ? crops : cropFolders[heldCropFolder] ?? [:] }

    /// The agent opens what lies at the path now, as the disk thread does.
    func open(_ folder: WatchedFolder) {
        guard folder == .crops else {
            isCacheReplaced = false
            return
        }
        heldCropFolder = cropFolder
        guard let before = catalog.cropFolder else {
            catalog.cropFolder = cropFolder
            return
        }
        guard before != cropFolder else { return }
        catalog.cropFolder = cropFolder
        catalog.cropsElsewhere[before] = catalog.crops
        guard mutation != .forgetCropFolders else { return }
        for (name, row) in catalog.cropsElsewhere[cropFolder] ?? [:] {
            catalog.crops[name] = row
            if row.state == .pending { returned.append(name) }
        }
        returned.sort()
    }

    // MARK: The user's hand

    /// Whether the file lies under that name at the upload folder's path, or in the folder that is mounted over.
    func holds(_ name: AvatarName, _ inode: Int) -> Bool {
        crops[name] == inode || hiddenCropFolder.flatMap { cropFolders[$0]?[name] } == inode
    }

    /// An empty folder is mounted over the upload folder, which is there again afterwards.
    func hideCrops() {
        hiddenCropFolder = cropFolder
        takePath()
    }

    /// What was mounted over the upload folder is unmounted, and whatever lay in it is gone.
    func showCrops() {
        guard let folder = hiddenCropFolder else { return }
        hiddenCropFolder = nil
        cropFolders[cropFolder] = [:]
        cropFolder = folder
        crops = cropFolders.removeValue(forKey: folder) ?? [:]
    }

    /// The upload folder is removed with everything in it, and an empty one made.
    func removeCrops() {
        crops = [:]
        takePath()
    }

    private func takePath() {
        cropFolders[cropFolder] = crops
        lastCropFolder += 1
        cropFolder = lastCropFolder
        crops = [:]
    }

    /// The cache folder is removed with everything in it, and an empty one made.
    func removeCache() {
        for name in parts.keys.sorted() { setName(.parts, name, nil) }
        for name in cache.keys.sorted() { setName(.cache, name, nil) }
        isCacheReplaced = true
    }
}

internal import AvatarCore
internal import TransferMachines

// What happens to the folders themselves, and to the state folder.
extension Life {
    func scheduleFolderFaults() {
        for _ in 0..<options.mounts { atFolderTime { self.mountOver() } }
        for _ in 0..<options.cropsMadeAgain { atFolderTime { self.makeCropsAgain() } }
        for _ in 0..<options.cacheMadeAgain { atFolderTime { self.makeCacheAgain() } }
        for _ in 0..<options.stateLosses { atFolderTime { self.loseState() } }
        if options.cropsInARow > 0 { atFolderTime { self.closeInARow(self.options.cropsInARow) } }
        for _ in 0..<options.cacheMoves {
            world.schedule(in: moveRandom.upTo(options.faultTime)) { [self] in if !isPeace { moveCache() } }
        }
    }

    private func atFolderTime(_ body: @escaping () -> Void) {
        world.schedule(in: folderRandom.upTo(options.faultTime)) { [self] in if !isPeace { body() } }
    }

    private func mountOver() {
        guard disk.hiddenCropFolder == nil else { return }
        world.log("a file system is mounted over the upload folder")
        disk.hideCrops()
        foldersMoved(.crops)
        world.schedule(in: folderRandom.upTo(.seconds(8))) { [self] in unmount() }
    }

    func unmount() {
        guard disk.hiddenCropFolder != nil else { return }
        world.log("it is unmounted")
        for name in disk.crops.keys.sorted() { oracle.cropDeleted(name) }
        disk.showCrops()
        foldersMoved(.crops)
    }

    private func makeCropsAgain() {
        world.log("the upload folder is removed and made again")
        for name in disk.crops.keys.sorted() { oracle.cropDeleted(name) }
        disk.removeCrops()
        foldersMoved(.crops)
    }

    private func makeCacheAgain() {
        world.log("the cache folder is removed and made again")
        for name in disk.cache.keys.sorted() { oracle.deleted(name) }
        watch.isAway.insert(.cache)
        disk.removeCache()
        foldersMoved(.cache)
    }

    private func moveCache() {
        guard !disk.isCacheMoved else { return }
        world.log("the folder above the cache is moved away")
        disk.isCacheMoved = true
        // What happens in it is heard of all the same: the watch is on the folder, wherever that lies.
        tellOfPaths()
        world.schedule(in: moveRandom.upTo(.seconds(8))) { [self] in moveCacheBack() }
    }

    func moveCacheBack() {
        guard disk.isCacheMoved else { return }
        world.log("it is moved back")
        disk.cacheIsMovedBack()
        tellOfPaths()
    }

    /// The state folder goes while the agent runs: unless the agent makes it anew in time, the agent's death is the catalog's.
    private func loseState() {
        guard agent.isAlive else { return }
        world.log("the state folder is removed")
        disk.isStateLost = true
        tellOfPaths()
    }

    private func foldersMoved(_ folder: WatchedFolder) {
        // The folder that was there before may be the one that is held.
        if disk.isAtItsPath(folder) { watch.isAway.remove(folder) } else { watch.isAway.insert(folder) }
        tellOfPaths()
    }

    /// The kernel tells of what happened on the way to a path, a little later.
    private func tellOfPaths() {
        world.schedule(in: folderRandom.upTo(.milliseconds(20))) { [self] in agent.feed(.pathsMayDiffer) }
    }
}

internal import AvatarCache
internal import AvatarCore
internal import FolderWatch
internal import Logging
internal import PosixFiles
internal import TransferMachines

// Whether the paths still lead to what is open here, and what lies there otherwise.
extension DiskWorker {
    func comparePaths() {
        // Followed before they are looked at: what changes after the look is heard of.
        do throws(WatchError) {
            try paths.follow()
        } catch {
            logger.debug("the ways to the folders are not followed", metadata: ["detail": "\(error)"])
        }
        var findings = [
            PathFinding(.folder(.crops), crops.standing()), PathFinding(.folder(.cache), cache.standing()),
            PathFinding(.state, home.standing(of: catalog)),
        ]
        if let bus = paths.busStanding { findings.append(PathFinding(.bus, bus)) }
        results.append(.pathsCompared(findings))
    }

    func restoreState() throws(CacheError) {
        do {
            let current = try home.restored(catalog)
            if current !== catalog {
                catalog = current
                cache = try CacheFolder(
                    path: cache.path, catalog: current, bootID: try BootID.current(), types: cache.types,
                    making: .nothing)
            }
            try restoreLogin()
            results.append(.stateRestored)
        } catch let error as StateHome.NotRestored {
            results.append(.stateNotRestored(error.fault))
        } catch let error as CacheError {
            throw error
        } catch {
            results.append(.stateNotRestored(.failed(.failed("\(error)"))))
        }
    }

    // MARK: The folders

    /// Opens the cache folder anew by its path, made where it is missing; what was open of the old one is let go. Where the folder was moved
    /// away rather than removed, the folders above it are not made: whoever moved them may move them back.
    func reopenCache() throws {
        let making: Folder.Making = cache.isRemoved() ? .all : .last
        let opened = try CacheFolder(
            path: cache.path, catalog: catalog, bootID: try BootID.current(), types: cache.types, making: making)
        try home.lockCache(at: cache.path)
        cache = opened
    }

    /// Opens the upload folder anew by its path. It is not made where it is missing: crops are somebody else's work, and an empty folder in
    /// their place would make all of them new when the old one comes back.
    func reopenCrops() throws {
        crops = try UploadFolder(
            path: crops.path, bytesMax: uploadBytesMax, types: crops.types, making: isShared ? .last : .nothing)
        try noteCropFolder()
    }

    /// Notes which upload folder lies at the path. Crops of an earlier time in it that still wait are examined by the next look.
    func noteCropFolder() throws(CacheError) {
        returned += try catalog.cropsLie(in: try crops.lastingKey())
    }
}

internal import AvatarCache
internal import AvatarCore
internal import TransferMachines

// What the folders and the catalog differ in, for a person who asks.
extension DiskWorker {
    func check(_ stream: StreamID) throws(CacheError) {
        var check = FolderCheck()
        let (areCropsHeld, isCacheHeld) = (crops.standing() == .held, cache.standing() == .held)
        // First: of many differences some are counted only.
        let reason = "another folder, or none, lies at this path"
        if !areCropsHeld { check.add(FolderDifference(.crops, crops.path, .gone, reason: reason)) }
        if !isCacheHeld { check.add(FolderDifference(.cache, cache.path, .gone, reason: reason)) }
        if areCropsHeld { try compareCrops(&check) }
        if isCacheHeld { try compareCache(&check) }
        results.append(.checked(stream, check))
    }

    private func compareCrops(_ check: inout FolderCheck) throws(CacheError) {
        let comparison = try crops.compare(with: catalog, shared: isShared)
        for name in comparison.vanished { check.add(FolderDifference(.crops, name.string, .gone)) }
        for name in comparison.candidates {
            switch crops.reading(of: name) {
            // Its writer will close it.
            case .writer: break
            case .refused(let reason): check.add(FolderDifference(.crops, name.string, .refused, reason: reason))
            // A shared folder holds files of others, which are looked at when they are closed.
            case .possible where isShared && !comparison.changed.contains(name): break
            case .possible:
                check.add(
                    FolderDifference(.crops, name.string, comparison.changed.contains(name) ? .changed : .new))
            }
        }
        guard !isShared else { return }
        for name in comparison.invalid {
            let shown = String(name.name.prefix(Limits.Name.bytesMax))
            check.add(FolderDifference(.crops, shown, .refused, reason: name.description))
        }
        // What a person dismissed, and what a later avatar has taken the place of, is nobody's problem.
        for refused in try catalog.rejectedCrops() where !CropRule.lasting.contains(refused.reason) {
            check.add(FolderDifference(.crops, refused.name.string, .refused, reason: refused.reason))
        }
        // While nobody is logged in that is the reason for all.
        guard let accountKey else { return }
        for crop in try catalog.cropsOfOthers(than: accountKey) {
            check.add(FolderDifference(.crops, crop.name.string, .waiting, reason: crop.account))
        }
    }

    private func compareCache(_ check: inout FolderCheck) throws(CacheError) {
        _ = try cache.compare { differences throws(CacheError) in
            for difference in differences {
                switch difference {
                case .missing(let row): check.add(FolderDifference(.cache, row.name.string, .gone))
                case .changed(let row, _): check.add(FolderDifference(.cache, row.name.string, .changed))
                // Another program's file, which belongs to nobody here.
                case .unknown: break
                }
            }
        }
    }
}

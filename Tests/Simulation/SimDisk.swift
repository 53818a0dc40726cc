internal import AvatarCore
internal import Digests
internal import TransferMachines

/// The agent's disk: files, names and catalog, each as the page cache has them and as a power cut would leave them.
final class SimDisk {
    struct File {
        var bytes: [UInt8]
        /// Counts changes, as size and mtime do.
        var version = 0
        var isSynced = false
        var isBeingWritten = false
        var modified = MonotonicTime.zero
    }

    enum FolderName { case cache, parts }

    private struct NameChange {
        let folder: FolderName
        let name: String
        let inode: Int?
    }

    let world: World
    let mutation: Mutation?
    let durable: Bool
    var random: SeededRandom
    var files: [Int: File] = [:]
    var cache: [String: Int] = [:]
    var parts: [String: Int] = [:]
    var crops: [String: Int] = [:]
    private var durableCache: [String: Int] = [:]
    private var durableParts: [String: Int] = [:]
    private var unsyncedNames: [NameChange] = []
    private var lastInode = 0
    private var lastModified = MonotonicTime.zero
    var catalog = SimCatalog()
    /// Which file a crop's number stood for, whatever became of its row.
    var cropNames: [CropID: AvatarName] = [:]
    var boot = 1
    var isFull = false
    var account = ""
    var flipRate = 0.0
    /// Names that a mutation renames only after they were recorded.
    var lateRenames: [AvatarName] = []
    var verified: [AvatarName: (inode: Int, sha256: SHA256Digest)] = [:]
    /// Tells that the cache folder's names changed: what inotify would see, and what the oracles check.
    var cacheChanged: (String, _ isThere: Bool) -> Void = { _, _ in }

    init(world: World, durable: Bool, mutation: Mutation?) {
        self.world = world
        self.durable = durable
        self.mutation = mutation
        random = world.random(11)
    }

    // MARK: Files and names

    func newFile(_ bytes: [UInt8]) -> Int {
        lastInode += 1
        files[lastInode] = File(bytes: bytes)
        return lastInode
    }

    func setName(_ folder: FolderName, _ name: String, _ inode: Int?) {
        switch folder {
        case .cache:
            cache[name] = inode
            cacheChanged(name, inode != nil)
        case .parts: parts[name] = inode
        }
        unsyncedNames.append(NameChange(folder: folder, name: name, inode: inode))
    }

    private func names(of folder: FolderName) -> [String: Int] { folder == .cache ? cache : parts }

    func syncNames() {
        for change in unsyncedNames { makeDurable(change) }
        unsyncedNames = []
    }

    private func makeDurable(_ change: NameChange) {
        switch change.folder {
        case .cache: durableCache[change.name] = change.inode
        case .parts: durableParts[change.name] = change.inode
        }
    }

    /// The power fails: names beyond some point of the journal are gone, and so are bytes that were not synced.
    func cutPower() {
        let kept = unsyncedNames.isEmpty ? 0 : random.pick(0...unsyncedNames.count)
        for change in unsyncedNames.prefix(kept) { makeDurable(change) }
        unsyncedNames = []
        cache = durableCache
        parts = durableParts
        for inode in Set(Array(cache.values) + Array(parts.values)).sorted() where files[inode]?.isSynced == false {
            let count = files[inode]?.bytes.count ?? 0
            let whole = random.pick(0...count)
            for index in whole..<count { files[inode]?.bytes[index] = 0 }
            files[inode]?.isSynced = true
        }
        boot += 1
    }

    /// What opening the catalog finds after a crash, and what it does about it (CommitRecovery decides).
    func open() -> StartFacts {
        verified = [:]
        var facts = StartFacts()
        if !catalog.intents.isEmpty, mutation != .skipSyncFolder { syncNames() }
        for (name, intent) in catalog.intents.sorted(by: { $0.key < $1.key }) {
            let recovery = CommitRecovery(
                final: found(cache[name.string], intent), part: found(parts[name.string], intent))
            switch recovery {
            case .record: _ = record(CommitMachine.Item(name: name, origin: intent.origin))
            case .place:
                files[intent.inode]?.isSynced = true
                guard place(name) == .done else {
                    catalog.intents[name] = nil
                    continue
                }
                syncNames()
                _ = record(CommitMachine.Item(name: name, origin: intent.origin))
            case .removeDamaged:
                for folder in [FolderName.cache, .parts] where found(names(of: folder)[name.string], intent) == .damaged
                {
                    setName(folder, name.string, nil)
                }
                catalog.intents[name] = nil
            case .giveBack, .forget: catalog.intents[name] = nil
            }
        }
        facts.icon = catalog.icon
        facts.crops = catalog.crops.values.filter { $0.state == .pending && isCurrent($0) }
            .sorted { $0.crop.id < $1.crop.id }
            .map { row in
                Crop(
                    id: row.crop.id, name: row.crop.name, size: row.crop.size, md5: row.crop.md5,
                    sha256: row.crop.sha256,
                    everSent: true)
            }
        return facts
    }

    private func found(_ inode: Int?, _ intent: SimCatalog.Intent) -> CommitRecovery.Found {
        guard let inode, inode == intent.inode, let bytes = files[inode]?.bytes else { return .nothing }
        return (try? SHA256Digest(of: bytes.span.bytes)) == intent.sha256 ? .asIntended : .damaged
    }

    /// The catalog is gone: what lies in the folders is a baseline.
    func loseCatalog() -> StartFacts {
        let epoch = catalog.epoch + 1
        let lastCrop = catalog.lastCrop
        catalog = SimCatalog()
        // One syncfs(2): what is told of as there must survive.
        syncNames()
        for inode in cache.values { files[inode]?.isSynced = true }
        catalog.epoch = epoch
        catalog.lastCrop = lastCrop
        for (text, inode) in cache.sorted(by: { $0.key < $1.key }) {
            guard let name = try? AvatarName(text), let bytes = files[inode]?.bytes,
                let sha256 = try? SHA256Digest(of: bytes.span.bytes),
                (try? ImageStructure.examine(bytes.span.bytes)) != nil
            else { continue }
            catalog.avatars[name] = SimCatalog.Avatar(
                record: AvatarRecord(
                    name: name, owner: nil, size: Int64(bytes.count), sha256: sha256, assurance: .structural,
                    generation: 1,
                    isOwn: false), inode: inode)
        }
        for name in parts.keys.sorted() { setName(.parts, name, nil) }
        for (text, inode) in crops.sorted(by: { $0.key < $1.key }) {
            guard let name = try? AvatarName(text), let file = files[inode], !file.isBeingWritten,
                let md5 = try? MD5Digest(of: file.bytes.span.bytes),
                let sha256 = try? SHA256Digest(of: file.bytes.span.bytes)
            else { continue }
            catalog.lastCrop += 1
            let crop = Crop(
                id: CropID(catalog.lastCrop), name: name, size: Int64(file.bytes.count), md5: md5, sha256: sha256,
                everSent: false)
            catalog.crops[name] = SimCatalog.CropRow(crop: crop, inode: inode, version: file.version, state: .done)
        }
        var facts = StartFacts()
        facts.isBaseline = true
        return facts
    }

    // MARK: The user's hand

    func beginCrop(_ name: String, reuse: Bool) -> Int {
        if reuse, let inode = crops[name] {
            files[inode]?.bytes = []
            files[inode]?.isBeingWritten = true
            files[inode]?.version += 1
            return inode
        }
        let inode = newFile([])
        files[inode]?.isBeingWritten = true
        crops[name] = inode
        return inode
    }

    func write(_ inode: Int, _ bytes: ArraySlice<UInt8>) {
        files[inode]?.bytes += bytes
        files[inode]?.version += 1
        touch(inode)
    }

    /// Its mtime is now, and never that of another change.
    func touch(_ inode: Int) {
        lastModified = max(world.now, lastModified + .nanoseconds(1))
        files[inode]?.modified = lastModified
    }

    func closeCrop(_ inode: Int) { files[inode]?.isBeingWritten = false }
}

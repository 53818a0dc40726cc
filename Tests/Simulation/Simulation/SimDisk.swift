internal import AvatarCore
internal import PosixFiles
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
        let name: AvatarName
        let inode: Int?
    }

    let world: World
    let mutation: Mutation?
    let durable: Bool
    var random: SeededRandom
    var files: [Int: File] = [:]
    var cache: [AvatarName: Int] = [:]
    var parts: [AvatarName: Int] = [:]
    /// The files of the folder that lies at the upload folder's path.
    var crops: [AvatarName: Int] = [:]
    /// Which folder lies at the upload folder's path, which one the agent holds, and what lies in those that are not at the path.
    var cropFolder = 0
    var heldCropFolder = 0
    var cropFolders: [Int: [AvatarName: Int]] = [:]
    var lastCropFolder = 0
    /// The upload folder over which another is mounted.
    var hiddenCropFolder: Int?
    /// Whether another folder lies at the cache's path than the agent holds.
    var isCacheReplaced = false
    /// Whether nothing lies at the cache's path, since the folder above was moved away, and whether the agent has seen that.
    var isCacheMoved = false
    private(set) var isMoveSeen = false
    /// Whether the state folder was removed under the agent: what the catalog holds dies with the agent.
    var isStateLost = false
    /// Crops that wait and came back with their folder, for the next look through it.
    var returned: [AvatarName] = []
    private var durableCache: [AvatarName: Int] = [:]
    private var durableParts: [AvatarName: Int] = [:]
    private var unsyncedNames: [NameChange] = []
    private var lastInode = 0
    private var lastModified = MonotonicTime.zero
    var catalog = SimCatalog()
    /// The rows of crops that the catalog's journal has and the disk may not have, and what was noted of their names before.
    var unsyncedCrops: [(name: AvatarName, before: SimCatalog.CropRow?)] = []
    /// Which file a crop's number stood for, whatever became of its row.
    var cropNames: [CropID: AvatarName] = [:]
    private var boot = 1
    /// The name of this boot.
    var bootID = "boot 1"
    var isFull = false
    /// Whose crops, parts and refusals the commands are about, and the number of that user's token.
    var account: String?
    var tokenEpoch: Int64 = 0
    var flipRate = 0.0
    var tornRate = 0.0
    /// How far the wall clock was set away from where it should be.
    var wallOffset = Duration.zero
    /// Names that a mutation renames only after they were recorded.
    var lateRenames: [AvatarName] = []
    var verified: [AvatarName: (inode: Int, sha256: SHA256Digest)] = [:]
    /// Settled files of which the machine has not decided whether they are crops.
    var candidates: [AvatarName: (inode: Int, version: Int, md5: MD5Digest, sha256: SHA256Digest)] = [:]
    /// Crops that left their names, by inode.
    var departed: [Int: SimCatalog.CropRow] = [:]
    /// Files whose writers' closes are to be told although the folder does not hear of them.
    var awaited: Set<AvatarName> = []
    /// Files that the agent may not read.
    var unreadable: Set<Int> = []
    func seeMove() { isMoveSeen = isCacheMoved }

    func cacheIsMovedBack() { (isCacheMoved, isMoveSeen) = (false, false) }

    /// Tells that the cache folder's names changed: what inotify would see, and what the oracles check.
    var cacheChanged: (AvatarName, _ isThere: Bool) -> Void = { _, _ in }
    /// Tells that what is held of a picture is not what was sent of it.
    var harmed: (AvatarName) -> Void = { _ in }
    /// Tells what the machine is told of users' avatars, and up to where in the server's log that holds.
    var avatarsKnown: ([UserID: UserAvatar], ExactString?) -> Void = { _, _ in }
    /// Tells where crops that wait go up in pieces, as far as the catalog knows.
    var placesKept: ([AvatarName: ExactString]) -> Void = { _ in }
    /// Tells that an account got the crops of another, which is the same user's.
    var tookOver: (_ from: String, _ to: String) -> Void = { _, _ in }
    /// Tells that a crop was recorded for an account.
    var recorded: (Crop) -> Void = { _ in }
    /// Tells that a picture was fetched and recorded.
    var placed: (AvatarRecord) -> Void = { _ in }
    /// Tells that a person's picture lies in the upload folder, anew.
    var imported: (AvatarName) -> Void = { _ in }
    /// Tells which files a look through the upload folder has found.
    var looked: ([AvatarName]) -> Void = { _ in }
    /// Tells that a refusal could not be kept, or is none any more.
    var refusalLost: (AvatarName) -> Void = { _ in }

    init(world: World, durable: Bool, mutation: Mutation?) {
        self.world = world
        self.durable = durable
        self.mutation = mutation
        random = world.random(11)
    }

    /// The wall clock, which somebody may have set.
    var wall: UnixTime {
        let elapsed = (world.now - .zero + wallOffset).wholeNanoseconds / 1_000_000
        return UnixTime(milliseconds: 1_700_000_000_000 + elapsed)
    }

    // MARK: Files and names

    func newFile(_ bytes: [UInt8]) -> Int {
        lastInode += 1
        files[lastInode] = File(bytes: bytes)
        return lastInode
    }

    func setName(_ folder: FolderName, _ name: AvatarName, _ inode: Int?) {
        switch folder {
        case .cache:
            cache[name] = inode
            cacheChanged(name, inode != nil)
        case .parts: parts[name] = inode
        }
        unsyncedNames.append(NameChange(folder: folder, name: name, inode: inode))
    }

    private func names(of folder: FolderName) -> [AvatarName: Int] { folder == .cache ? cache : parts }

    func syncNames() {
        for change in unsyncedNames { makeDurable(change) }
        unsyncedNames.removeAll(keepingCapacity: true)
    }

    private func makeDurable(_ change: NameChange) {
        switch change.folder {
        case .cache: durableCache[change.name] = change.inode
        case .parts: durableParts[change.name] = change.inode
        }
    }

    /// Writes behind `offset`, over what a torn write left there; what comes of it may be only the beginning.
    func write(_ inode: Int, _ bytes: ArraySlice<UInt8>, at offset: Int) {
        files[inode]?.bytes.removeSubrange(offset...)
        files[inode]?.bytes += bytes
        files[inode]?.isSynced = false
    }

    /// A write that is cut short by a death or a full disk: some of it is there, and the catalog knows nothing of it.
    func tear(_ name: AvatarName, _ offset: Int64, _ bytes: [UInt8]) {
        guard random.happens(tornRate), let inode = parts[name], let size = files[inode]?.bytes.count,
            size >= Int(offset)
        else { return }
        world.log("a write is torn in the part of", name.string)
        write(inode, bytes.prefix(random.pick(0...bytes.count)), at: Int(offset))
    }

    /// The power fails: names beyond some point of the journal are gone, and so are bytes that were not synced. The crops of which the
    /// catalog knows nothing any more.
    func cutPower() -> [AvatarName] {
        let kept = unsyncedNames.isEmpty ? 0 : random.pick(0...unsyncedNames.count)
        for change in unsyncedNames.prefix(kept) { makeDurable(change) }
        unsyncedNames = []
        cache = durableCache
        parts = durableParts
        let lost = unsyncedCrops.isEmpty ? 0 : random.pick(0...unsyncedCrops.count)
        for (name, before) in unsyncedCrops.suffix(lost).reversed() { catalog.crops[name] = before }
        let forgotten = unsyncedCrops.suffix(lost).map(\.name)
        unsyncedCrops = []
        for inode in Set(Array(cache.values) + Array(parts.values)).sorted() where files[inode]?.isSynced == false {
            let count = files[inode]?.bytes.count ?? 0
            let whole = random.pick(0...count)
            for index in whole..<count { files[inode]?.bytes[index] = 0 }
            files[inode]?.isSynced = true
        }
        boot += 1
        bootID = "boot \(boot)"
        return forgotten
    }

    // MARK: Opening the catalog

    /// What opening the catalog finds after a crash, and what it does about it (CommitRecovery decides).
    func open() -> StartFacts {
        verified = [:]
        candidates = [:]
        departed = [:]
        awaited = []
        account = nil
        // An agent that starts would make another folder, and nobody could move the first one back.
        cacheIsMovedBack()
        open(.cache)
        open(.crops)
        for (name, intent) in catalog.intents.sorted(by: { $0.key < $1.key }) { recover(name, intent) }
        let known = catalog.parts
        for name in known.keys.sorted() where known[name]?.origin.isAbandoned(bootID: bootID, now: world.now) == true {
            if mutation != .keepPartsAcrossBoots { discardPart(name) }
        }
        return StartFacts()
    }

    private func recover(_ name: AvatarName, _ intent: SimCatalog.Intent) {
        switch CommitRecovery(final: found(cache[name], intent), part: found(parts[name], intent)) {
        case .record:
            if let left = parts[name], left == intent.replaces { setName(.parts, name, nil) }
            if mutation != .skipSyncFolder { syncNames() }
            _ = record(CommitMachine.Item(name: name, origin: intent.origin))
        case .place:
            if mutation != .skipSyncParts { files[intent.inode]?.isSynced = true }
            guard place(name) == .done else {
                catalog.intents[name] = nil
                return
            }
            if mutation != .skipSyncFolder { syncNames() }
            _ = record(CommitMachine.Item(name: name, origin: intent.origin))
        case .removeDamaged:
            for folder in [FolderName.cache, .parts] where found(names(of: folder)[name], intent) == .damaged {
                setName(folder, name, nil)
            }
            catalog.intents[name] = nil
        case .giveBack, .forget: catalog.intents[name] = nil
        }
    }

    private func found(_ inode: Int?, _ intent: SimCatalog.Intent) -> CommitRecovery.Found {
        guard let inode, let bytes = files[inode]?.bytes else { return .nothing }
        guard inode == intent.inode else { return inode == intent.replaces ? .replaced : .nothing }
        return (try? SHA256Digest(of: bytes.span.bytes)) == intent.sha256 ? .asIntended : .damaged
    }

    /// The catalog is gone: what lies in the folders is a baseline.
    func loseCatalog() -> StartFacts {
        cacheIsMovedBack()
        isStateLost = false
        returned = []
        let epoch = catalog.epoch + 1
        let lastCrop = catalog.lastCrop
        catalog = SimCatalog()
        // One syncfs(2): what is told of as there must survive.
        syncNames()
        for inode in cache.values { files[inode]?.isSynced = true }
        catalog.epoch = epoch
        catalog.lastCrop = lastCrop
        open(.cache)
        open(.crops)
        for (name, inode) in cache.sorted(by: { $0.key < $1.key }) {
            guard let bytes = files[inode]?.bytes, let sha256 = try? SHA256Digest(of: bytes.span.bytes),
                (try? ImageStructure.examine(bytes.span.bytes)) != nil
            else { continue }
            catalog.avatars[name] = SimCatalog.Avatar(
                record: AvatarRecord(
                    name: name, owner: nil, size: Int64(bytes.count), sha256: sha256, assurance: .structural,
                    generation: 1, isOwn: false), inode: inode)
        }
        for name in parts.keys.sorted() { setName(.parts, name, nil) }
        for (name, inode) in crops.sorted(by: { $0.key < $1.key }) {
            guard let file = files[inode], !file.isBeingWritten,
                let md5 = try? MD5Digest(of: file.bytes.span.bytes),
                let sha256 = try? SHA256Digest(of: file.bytes.span.bytes)
            else { continue }
            catalog.lastCrop += 1
            let crop = Crop(
                id: CropID(catalog.lastCrop), name: name, size: Int64(file.bytes.count), md5: md5, sha256: sha256,
                everSent: false, account: account)
            catalog.crops[name] = SimCatalog.CropRow(crop: crop, inode: inode, version: file.version, state: .done)
        }
        var facts = StartFacts()
        facts.isBaseline = true
        return facts
    }

    // MARK: The user's hand

    func beginCrop(_ name: AvatarName, reuse: Bool) -> Int {
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

    func writeCrop(_ inode: Int, _ bytes: ArraySlice<UInt8>) {
        files[inode]?.bytes += bytes
        files[inode]?.version += 1
        touch(inode)
    }

    /// Its mtime is now, and never that of another change.
    func touch(_ inode: Int) {
        lastModified = max(world.now, lastModified + .nanoseconds(1))
        files[inode]?.modified = lastModified
    }

    func isReadable(_ name: AvatarName) -> Bool { crops[name].map { !unreadable.contains($0) } ?? true }

    func setBeingWritten(_ inode: Int, _ isBeingWritten: Bool) { files[inode]?.isBeingWritten = isBeingWritten }
}

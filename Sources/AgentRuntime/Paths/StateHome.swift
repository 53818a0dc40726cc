internal import AvatarCache
internal import AvatarCore
internal import PosixFiles
internal import TransferMachines

/// The state folder with its lock and the lock on the cache folder: what says that this is the one agent that works here. The start makes
/// it; from then on the disk thread owns it.
final class StateHome {
    /// Why the state is not made anew.
    struct NotRestored: Error {
        let fault: StateFault
    }

    private static let lockName = "lock"
    /// What the folder holds whose coming and going matters (``FolderWatch/follow(_:)``).
    static let names = [lockName, Catalog.fileName, Catalog.fileName + "-wal", DefaultHeadFile.name]

    let path: String
    private var folder: Folder
    private var lock: FileLock
    private var cacheLock: FileLock

    /// Opens the state folder and the cache folder's lock, made where they are missing.
    ///
    /// Both locks are taken before anything else is touched. That on the cache folder is of its own, since two agents may be told of two
    /// state folders and one cache.
    init(settings: AgentSettings) throws {
        path = settings.stateDirectory
        folder = try ConfiguredFolder.state.make(settings)
        guard let lock = try FileLock.take(path + "/" + Self.lockName) else {
            throw Agent.StartFault(
                description: "another agent runs on \(path): systemctl --user status avatard")
        }
        self.lock = lock
        try ConfiguredFolder.cache.make(settings)
        guard let cacheLock = try FileLock.take(folder: settings.cacheDirectory) else {
            throw Self.cacheTaken(settings.cacheDirectory)
        }
        self.cacheLock = cacheLock
    }

    private static func cacheTaken(_ path: String) -> Agent.StartFault {
        Agent.StartFault(
            description: "another agent, with another state folder, works on the cache folder \(path): end it, or give "
                + "cache.directory another folder")
    }

    // MARK: The cache folder's lock

    /// Takes the lock on the folder that lies at `path` now, and lets go of the one before.
    func lockCache(at path: String) throws {
        if cacheLock.standing() == .held { return }
        guard let taken = try FileLock.take(folder: path) else { throw Self.cacheTaken(path) }
        cacheLock = taken
    }

    // MARK: The state folder

    /// Where the folder, its lock, the catalog and the picture that labels show first lead; the worst of them.
    func standing(of catalog: Catalog) -> PathStanding {
        let picture: PathStanding = (try? folder.facts(of: DefaultHeadFile.name)) == nil ? .missing : .held
        let all = [folder.standing(), lock.standing(), catalog.standing(), picture]
        return all.first { $0 == .another } ?? all.first { $0 == .missing } ?? .held
    }

    /// Makes what is gone anew: the folder, the lock, the catalog from the one that is still open, and the picture. The catalog to go on
    /// with.
    ///
    /// Where the folder was moved away rather than removed, the folders above it are not made: whoever moved them may move them back.
    func restored(_ catalog: Catalog) throws -> Catalog {
        if folder.standing() != .held {
            folder = try Folder.open(path: path, making: folder.isRemoved() ? .all : .last)
        }
        if lock.standing() != .held {
            guard let taken = try FileLock.take(path + "/" + Self.lockName) else {
                throw NotRestored(fault: .locked)
            }
            lock = taken
        }
        var current = catalog
        if catalog.standing() != .held {
            guard !catalog.isReplaced() else { throw NotRestored(fault: .foreign) }
            current = try catalog.madeAnew(in: path, bootID: try BootID.current())
        }
        _ = try DefaultHeadFile.place(in: path)
        return current
    }

    /// Whether the folder's file system has less room than the catalog needs.
    func isFull() -> Bool {
        guard let free = try? folder.freeBytes() else { return false }
        return free < Limits.Storage.catalogRoom / 16
    }
}

package import AvatarCore
package import PosixFiles

/// The cache folder with its `.parts/`: primitives and facts. One thread uses it; the machines decide what is done when.
///
/// Every file is reached by one checked name relative to an open folder, and no symlink is ever followed (`docs/architecture.md`).
package final class CacheFolder {
    /// The subfolder of part files, so that a rename commits.
    package static let partsName = ".parts"

    /// The catalog that belongs to this folder.
    package let catalog: Catalog
    /// The folder's path, for messages and for the paths that labels get.
    package let path: String
    /// Whether `.parts/` was there: then an agent has had this folder before, even if its catalog is lost.
    package let wasHereBefore: Bool

    /// The formats that are taken (`pictures.types`).
    package let types: Set<ImageFormat>
    let folder: Folder
    let parts: Folder
    let bootID: String
    var openParts = OpenParts()
    lazy var syncers = ParallelSync(threads: Limits.Cache.syncThreadsMax)
    /// How this folder waits for the disk; a test puts a failing one here.
    var diskSync = DiskSync()
    /// The last sync of the folder failed, or there was none yet: an earlier run's may have failed.
    private var isFolderDoubtful = true

    /// Opens the folder at `path`, made with mode 0700 as far as `making` says. Pictures of other formats than `types` are refused.
    package init(
        path: String, catalog: Catalog, bootID: String, types: Set<ImageFormat> = ImageFormat.usual,
        making: Folder.Making = .all
    ) throws(CacheError) {
        self.types = types
        do throws(PosixError) {
            folder = try Folder.open(path: path, making: making)
            wasHereBefore = try folder.facts(of: Self.partsName)?.kind == .folder
        } catch {
            throw CacheError(error, "opening the cache folder \(path)")
        }
        // No agent had this folder yet, so none has dealt with a file in it or in the upload folder.
        if !wasHereBefore { try catalog.baselineDone() }
        do throws(PosixError) {
            parts = try folder.subfolder(Self.partsName)
        } catch {
            throw CacheError(error, "opening the cache folder \(path)")
        }
        self.path = path
        self.catalog = catalog
        self.bootID = bootID
    }

    /// Where the path of the folder that is open here leads now; see ``UploadFolder/standing()``.
    package func standing() -> PathStanding { folder.standing() }

    /// Whether the folder was removed while it is open here. One that was only moved or mounted over may come back.
    package func isRemoved() -> Bool { folder.isRemoved() }

    /// Whether the upload folder is this very folder, by whatever path.
    package func isSameFolder(as upload: UploadFolder) -> Bool {
        guard let own = try? folder.facts(), let other = try? upload.folder.facts() else { return false }
        return own.inode == other.inode && own.device == other.device
    }

    /// Where a complete file lies.
    package func path(of name: AvatarName) -> String { path + "/" + name.string }

    /// What lies at `name` in the cache folder: nil for nothing. A symlink is reported as one, never followed.
    package func facts(of name: AvatarName) throws(CacheError) -> FileFacts? {
        do { return try folder.facts(of: name.string) } catch { throw CacheError(error, "looking at \(name)") }
    }

    /// Whether the complete file of `row` is still there, as it was recorded.
    package func isUnchanged(_ row: AvatarRow) throws(CacheError) -> Bool {
        guard let facts = try facts(of: row.name), facts.kind == .regular else { return false }
        return FileIdentity(facts).isSameFile(as: row.identity)
    }

    /// Waits until the folder's entries are on the disk. After a failure the folder is changed before it is synced again.
    func syncFolder() throws(PosixError) {
        if isFolderDoubtful {
            // Without a change a second sync could succeed by finding nothing to do.
            try folder.markChanged()
        }
        isFolderDoubtful = true
        try diskSync.folder(folder)
        isFolderDoubtful = false
    }

    static func partFile(_ name: AvatarName) -> String { name.string + ".part" }
}

extension FileIdentity {
    init(_ facts: FileFacts) {
        self.init(device: facts.device, inode: facts.inode, size: facts.size, modified: facts.modified)
    }
}

/// The name of this boot (proc(5), `random/boot_id`): what was not synced before another boot may be gone.
package enum BootID {
    /// Reads it; the same text until the machine is started again.
    package static func current() throws(CacheError) -> String {
        do throws(PosixError) {
            let file = try Folder(path: "/proc/sys/kernel/random").openForReading("boot_id")
            let text = String(decoding: try file.read(at: 0, count: 64), as: UTF8.self)
            return text.split(separator: "\n").first.map(String.init) ?? text
        } catch {
            throw CacheError(error, "reading this boot's name")
        }
    }
}

/// An open part file, shared by reference because arrays hold no owned descriptors.
final class OpenPart {
    let file: OpenFile
    init(_ file: consuming OpenFile) { self.file = file }
}

/// The part files that stay open between two chunks, at most ``Limits/Cache/openPartsMax``; the one that was used longest ago
/// is closed first.
struct OpenParts {
    private var files: [AvatarName: (part: OpenPart, used: Int)] = [:]
    private var clock = 0

    /// The open file of `name`, opened by `open` where it is not.
    mutating func file(_ name: AvatarName, open: () throws(PosixError) -> OpenPart) throws(PosixError) -> OpenPart {
        clock += 1
        if let known = files[name] {
            files[name] = (known.part, clock)
            return known.part
        }
        let part = try open()
        if files.count >= Limits.Cache.openPartsMax, let oldest = files.min(by: { $0.value.used < $1.value.used }) {
            files[oldest.key] = nil
        }
        files[name] = (part, clock)
        return part
    }

    /// Closes the file of `name`, if it is open.
    mutating func close(_ name: AvatarName) { files[name] = nil }
}

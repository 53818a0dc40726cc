internal import AvatarCore
internal import Glibc
internal import PosixFiles

/// The files of a folder, in the order of their names' bytes, kept compactly: all names in one buffer, some forty bytes per
/// file beside it, so that a hundred thousand files cost a few megabytes and no object each.
struct FolderListing {
    struct Entry {
        let nameStart: UInt32
        let nameLength: UInt16
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let modified: Int64
        let changed: Int64
    }

    private var names: [UInt8] = []
    private var entries: [Entry] = []
    /// Entries that no avatar's name fits, at most a few, for a report.
    private(set) var invalid: [AvatarNameError] = []

    /// Reads the folder. Names that begin with a dot are passed over, and those that `ignored` fits; so is what is no regular file, unless
    /// `irregular` asks for symlinks, folders and the like too.
    init(_ folder: borrowing Folder, ignored: NamePatterns = .none, irregular: Bool = false) throws {
        let descriptor = folder.descriptor
        try folder.forEachName { name in
            guard !name.hasPrefix("."), !ignored.match(name) else { return }
            var raw = stat()
            guard unsafe fstatat(descriptor, name, &raw, AT_SYMLINK_NOFOLLOW) == 0 else {
                // A name that is no UTF-8 was repaired for reading, and so nothing lies at it.
                if errno == ENOENT, name.unicodeScalars.contains("\u{fffd}") {
                    note(AvatarNameError(.notUTF8, name: name))
                }
                return
            }
            guard irregular || raw.st_mode & S_IFMT == S_IFREG else { return }
            do throws(AvatarNameError) {
                _ = try AvatarName(name)
            } catch {
                return note(error)
            }
            let start = names.count
            names.append(contentsOf: name.utf8)
            entries.append(
                Entry(
                    nameStart: UInt32(start), nameLength: UInt16(names.count - start), device: UInt64(raw.st_dev),
                    inode: UInt64(raw.st_ino), size: Int64(raw.st_size),
                    modified: Int64(raw.st_mtim.tv_sec) * 1_000_000_000 + Int64(raw.st_mtim.tv_nsec),
                    changed: Int64(raw.st_ctim.tv_sec) * 1_000_000_000 + Int64(raw.st_ctim.tv_nsec)))
        }
        sort()
    }

    private mutating func note(_ name: AvatarNameError) {
        if invalid.count < Limits.Cache.differencesPerBatchMax { invalid.append(name) }
    }

    var count: Int { entries.count }

    func name(_ index: Int) throws(AvatarNameError) -> AvatarName {
        let entry = entries[index]
        let bytes = names[Int(entry.nameStart)..<Int(entry.nameStart) + Int(entry.nameLength)]
        return try AvatarName(String(decoding: bytes, as: UTF8.self))
    }

    func identity(_ index: Int) -> FileIdentity {
        let entry = entries[index]
        return FileIdentity(device: entry.device, inode: entry.inode, size: entry.size, modified: entry.modified)
    }

    /// When anything of the entry's file last changed (ctime), be it bytes, names or mode.
    func changed(_ index: Int) -> Int64 { entries[index].changed }

    /// These entries in the order in which they came to be as they are: by the later of mtime and ctime, since a file may bring an old
    /// mtime with it, and a clock that was set back an old ctime.
    ///
    /// The clock of file times has a grain of some milliseconds. Within it a file with an mtime of its own comes behind one that was merely
    /// written, since the mtime was set after the write; mtimes of their own tell which comes first; and at last the inode, of which
    /// the one made later has the higher number on most file systems.
    func oldestFirst(_ indices: [Int]) -> [Int] {
        func place(_ entry: Entry) -> (latest: Int64, ownTime: Int64, inode: UInt64) {
            let ownTime = entry.modified < entry.changed ? entry.modified : .min
            return (max(entry.modified, entry.changed), ownTime, entry.inode)
        }
        return indices.sorted { left, right in
            let (a, b) = (place(entries[left]), place(entries[right]))
            return (a.latest, a.ownTime, a.inode, left) < (b.latest, b.ownTime, b.inode, right)
        }
    }

    /// Negative, zero or positive as the entry's name comes before, is, or comes behind `text`.
    func compare(_ index: Int, with text: String) -> Int {
        var text = text
        let entry = entries[index]
        return unsafe names.withUnsafeBytes { all in
            text.withUTF8 { other in
                let own = unsafe UnsafeRawBufferPointer(
                    rebasing: all[Int(entry.nameStart)..<Int(entry.nameStart) + Int(entry.nameLength)])
                return unsafe Self.compare(own, UnsafeRawBufferPointer(other))
            }
        }
    }

    private mutating func sort() {
        unsafe names.withUnsafeBytes { all in
            entries.sort { left, right in
                let leftName = unsafe UnsafeRawBufferPointer(
                    rebasing: all[Int(left.nameStart)..<Int(left.nameStart) + Int(left.nameLength)])
                let rightName = unsafe UnsafeRawBufferPointer(
                    rebasing: all[Int(right.nameStart)..<Int(right.nameStart) + Int(right.nameLength)])
                return unsafe Self.compare(leftName, rightName) < 0
            }
        }
    }

    private static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else {
            return left.count - right.count
        }
        let order = unsafe memcmp(leftStart, rightStart, min(left.count, right.count))
        return order != 0 ? Int(order) : left.count - right.count
    }
}

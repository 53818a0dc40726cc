internal import Glibc

/// An open folder: everything in it is reached by one name relative to it, and no symlink is ever followed
/// (`docs/architecture.md`, "Identity").
package struct Folder: ~Copyable {
    /// The path it was opened by, for messages only.
    package let path: String
    private let file: OpenFile

    /// Opens a folder that is there.
    package init(path: String) throws(PosixError) {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open", path: path) }
        self.path = path
        file = OpenFile(adopting: descriptor)
    }

    private init(path: String, adopting descriptor: Int32) {
        self.path = path
        file = OpenFile(adopting: descriptor)
    }

    /// Which folders are made where they are missing.
    package enum Making: Hashable, Sendable {
        /// None: the folder must be there.
        case nothing
        /// The folder itself, in a folder that must be there.
        case last
        /// The folder and those above it.
        case all
    }

    /// Makes the folder, and those above it, where they are missing, and opens it. Only folders made here get `mode`.
    package static func make(path: String, mode: UInt32 = 0o700) throws(PosixError) -> Folder {
        try open(path: path, making: .all, mode: mode)
    }

    /// Opens the folder, which is made with `mode` as far as `making` says.
    package static func open(path: String, making: Making, mode: UInt32 = 0o700) throws(PosixError) -> Folder {
        if making != .nothing, unsafe mkdir(path, mode_t(mode)) != 0, errno != EEXIST {
            guard making == .all, errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
                throw .last("mkdir", path: path)
            }
            _ = try open(path: String(path[..<slash]), making: .all, mode: mode)
            if unsafe mkdir(path, mode_t(mode)) != 0, errno != EEXIST { throw .last("mkdir", path: path) }
        }
        return try Folder(path: path)
    }

    /// The descriptor, for calls that this type does not wrap; it stays owned here.
    package var descriptor: Int32 { file.descriptor }

    /// What fstat(2) says of the folder itself.
    package func facts() throws(PosixError) -> FileFacts { try file.facts() }

    /// Opens the folder `name` in this one, made with `mode` where it is missing.
    package func subfolder(_ name: String, mode: UInt32 = 0o700) throws(PosixError) -> Folder {
        if unsafe mkdirat(descriptor, name, mode_t(mode)) != 0, errno != EEXIST { throw .last("mkdirat", path: name) }
        return try openSubfolder(name)
    }

    /// Opens the folder `name` in this one, which must be there.
    package func openSubfolder(_ name: String) throws(PosixError) -> Folder {
        let opened = unsafe openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw .last("openat", path: name) }
        return Folder(path: path + "/" + name, adopting: opened)
    }

    /// Opens a file for reading; a symlink throws ELOOP, and a FIFO does not block.
    package func openForReading(_ name: String) throws(PosixError) -> OpenFile {
        try openFile(name, O_RDONLY | O_NONBLOCK)
    }

    /// Opens a file for reading and writing, made with mode 0600 where it is missing.
    package func openForWriting(_ name: String) throws(PosixError) -> OpenFile {
        try openFile(name, O_RDWR | O_CREAT)
    }

    /// Opens a file that must be there for reading and writing; a symlink throws ELOOP.
    package func openForUpdating(_ name: String) throws(PosixError) -> OpenFile {
        try openFile(name, O_RDWR | O_NONBLOCK)
    }

    /// Makes a file that must not be there yet (EEXIST), open for reading and writing.
    package func create(_ name: String) throws(PosixError) -> OpenFile {
        try openFile(name, O_RDWR | O_CREAT | O_EXCL)
    }

    private func openFile(_ name: String, _ flags: Int32) throws(PosixError) -> OpenFile {
        let opened = unsafe openat(descriptor, name, flags | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard opened >= 0 else { throw .last("openat", path: name) }
        return OpenFile(adopting: opened)
    }

    /// What lies at `name`, without following a symlink; nil when nothing does.
    package func facts(of name: String) throws(PosixError) -> FileFacts? {
        var raw = stat()
        guard unsafe fstatat(descriptor, name, &raw, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            throw .last("fstatat", path: name)
        }
        return FileFacts(raw)
    }

    /// Renames within this folder or into another, over what may be there (renameat(2)).
    package func rename(_ name: String, to newName: String, in other: borrowing Folder) throws(PosixError) {
        guard unsafe renameat(descriptor, name, other.descriptor, newName) == 0 else {
            throw .last("renameat", path: newName)
        }
    }

    /// Removes a file or symlink; whether there was one.
    @discardableResult
    package func remove(_ name: String) throws(PosixError) -> Bool {
        guard unsafe unlinkat(descriptor, name, 0) == 0 else {
            if errno == ENOENT { return false }
            throw .last("unlinkat", path: name)
        }
        return true
    }

    /// Removes a folder in this one; whether it is gone. One with something in it stays.
    package func removeSubfolder(_ name: String) throws(PosixError) -> Bool {
        guard unsafe unlinkat(descriptor, name, AT_REMOVEDIR) == 0 else {
            if errno == ENOENT { return true }
            if errno == ENOTEMPTY || errno == EEXIST { return false }
            throw .last("unlinkat", path: name)
        }
        return true
    }

    /// Changes the folder without changing anything: its mode is set to what it is. A sync that comes after a failed one then has
    /// something to write, and cannot succeed by finding nothing to do; a journal writes what came before it first.
    package func markChanged() throws(PosixError) {
        let mode = try facts().permissions
        guard fchmod(descriptor, mode_t(mode)) == 0 else { throw .last("fchmod", path: path) }
    }

    /// Waits until this folder's entries are on the disk.
    package func sync() throws(PosixError) { try file.syncAll() }

    /// Every entry's name but `.` and `..`, in the file system's order; names that are no UTF-8 are handed out repaired,
    /// and so never match a real file.
    package func forEachName(_ body: (String) throws -> Void) throws {
        // A second descriptor: readdir moves the offset, and closedir closes what it was given.
        let duplicate = unsafe openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard duplicate >= 0 else { throw PosixError.last("openat", path: path) }
        guard let stream = unsafe fdopendir(duplicate) else {
            let error = PosixError.last("fdopendir", path: path)
            close(duplicate)
            throw error
        }
        defer { unsafe closedir(stream) }
        while true {
            errno = 0
            guard let entry = unsafe readdir(stream) else {
                if errno != 0 { throw PosixError.last("readdir", path: path) }
                return
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { try body(name) }
        }
    }
}

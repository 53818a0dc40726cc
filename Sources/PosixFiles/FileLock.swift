package import AvatarCore
internal import Glibc

/// A lock that one process holds for as long as it lives (flock(2)); the kernel lets go of it whatever ends the process. A lock file
/// stays: removing it would let two processes hold two files of one name, which ``standing()`` finds.
package struct FileLock: ~Copyable {
    private let file: OpenFile
    private let path: String

    /// Takes the lock at `path`, making the file (0600) where there is none; nil when another process holds it.
    package static func take(_ path: String) throws(PosixError) -> FileLock? {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .last("open", path: path) }
        return try take(OpenFile(adopting: descriptor), path, isFolder: false)
    }

    /// Takes the lock on a folder itself, which needs no file that somebody could remove; nil when another process holds it.
    ///
    /// A file system that locks no folders (NFS, which asks for a descriptor open for writing) is taken as it is: there the lock holds
    /// nobody off.
    package static func take(folder path: String) throws(PosixError) -> FileLock? {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last("open", path: path) }
        return try take(OpenFile(adopting: descriptor), path, isFolder: true)
    }

    private static func take(
        _ file: consuming OpenFile, _ path: String, isFolder: Bool
    ) throws(PosixError) -> FileLock? {
        if flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return nil }
            guard isFolder, [EBADF, EINVAL, ENOLCK, EOPNOTSUPP, ENOSYS].contains(errno) else {
                throw .last("flock", path: path)
            }
        }
        return FileLock(file: file, path: path)
    }

    private init(file: consuming OpenFile, path: String) {
        self.file = file
        self.path = path
    }

    /// Where the lock's path leads now. Another process can take a lock there when that is not the file that is held.
    package func standing() -> PathStanding {
        guard let own = try? file.facts() else { return .missing }
        return FileFacts.standing(
            of: path, device: own.device, inode: own.inode, followingLinks: own.kind == .folder)
    }
}

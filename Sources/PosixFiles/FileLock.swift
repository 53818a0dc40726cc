internal import Glibc

/// A lock file that one process holds for as long as it lives (flock(2)); the kernel lets go of it whatever ends the
/// process. The file stays: removing it would let two processes hold two files of one name.
package struct FileLock: ~Copyable {
    private let file: OpenFile

    /// Takes the lock at `path`, making the file (0600) where there is none; nil when another process holds it.
    package static func take(_ path: String) throws(PosixError) -> FileLock? {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .last("open", path: path) }
        let file = OpenFile(adopting: descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            if errno == EWOULDBLOCK { return nil }
            throw .last("flock", path: path)
        }
        return FileLock(file: file)
    }

    private init(file: consuming OpenFile) { self.file = file }
}

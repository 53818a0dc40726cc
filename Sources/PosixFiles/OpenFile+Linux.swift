internal import CLinux
internal import Glibc

extension Folder {
    /// Waits until everything on this folder's file system is on the disk: one call where there are too many files to sync
    /// each (syncfs(2)).
    package func syncFileSystem() throws(PosixError) {
        guard linux_syncfs(descriptor) == 0 else { throw .last("syncfs", path: path) }
    }

    /// Opens a file for reading by a path below this folder, when that needs no waiting for a disk (openat2(2), RESOLVE_CACHED); nil
    /// when it does, and where the kernel cannot tell. A symlink anywhere throws ELOOP.
    package func openWithoutWaiting(_ path: String) throws(PosixError) -> OpenFile? {
        let opened = unsafe linux_open_without_waiting(descriptor, path)
        if opened >= 0 { return OpenFile(adopting: opened) }
        // Linux before 5.12 does not know the flag, before 5.6 not the call; a filter may forbid it.
        if [EAGAIN, EINVAL, ENOSYS, EPERM].contains(errno) { return nil }
        throw .last("openat2", path: path)
    }
}

extension OpenFile {
    /// Opens the file `name`, which must be there, in the open folder `folder` for reading and writing; a symlink throws ELOOP.
    /// For threads that share a folder's descriptor and cannot share the folder.
    package static func open(_ name: String, in folder: Int32) throws(PosixError) -> OpenFile {
        let opened = unsafe openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw .last("openat", path: name) }
        return OpenFile(adopting: opened)
    }

    /// Opens a file anywhere for reading, the way a person names it: symlinks are followed, and a FIFO does not block.
    package static func open(path: String) throws(PosixError) -> OpenFile {
        let opened = unsafe Glibc.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else { throw .last("open", path: path) }
        return OpenFile(adopting: opened)
    }

    /// Reads exactly `count` bytes from `offset` when that needs no waiting for a disk (preadv2(2), RWF_NOWAIT); nil when it does,
    /// when there are fewer, and on file systems that cannot tell.
    package func readWithoutWaiting(at offset: Int64, count: Int) -> [UInt8]? {
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            filled = unsafe max(0, linux_read_without_waiting(descriptor, buffer.baseAddress, UInt(count), Int(offset)))
        }
        return bytes.count == count ? bytes : nil
    }

    /// Begins writing the file's dirty pages to the disk and does not wait (sync_file_range(2)); a hint, so its errors are
    /// left to the sync that follows.
    package func startWriteBack() { _ = linux_start_write_back(descriptor) }

    /// Lets go of the file's cached pages that are not waiting to be written (posix_fadvise(2), POSIX_FADV_DONTNEED), so that the next
    /// read shows what the disk has; a hint.
    package func dropCachedPages() { _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }

    /// What a read lease, taken and released at once, said about writers (fcntl(2), "Leases").
    package enum LeaseAnswer: Hashable, Sendable {
        /// Nobody has the file open for writing.
        case noWriter
        /// Somebody has (EAGAIN).
        case writer
        /// The file system has no leases, or the file is another user's: size, time and digest must do.
        case unknown
    }

    /// Probes for writers. The file must be open for reading only.
    ///
    /// The lease is held for two system calls; a writer that comes between them is let through at once, and its SIGIO must
    /// not kill: see ``LeaseSignal/ignore()``.
    package func probeLease() -> LeaseAnswer {
        guard fcntl(descriptor, linux_F_SETLEASE, Int32(F_RDLCK)) == 0 else {
            return errno == EAGAIN ? .writer : .unknown
        }
        _ = fcntl(descriptor, linux_F_SETLEASE, Int32(F_UNLCK))
        return .noWriter
    }

    /// Fills this empty file with all of `source`: as a reflink where the file system has them, else read and
    /// written. Never a hard link, so that a later change of one leaves the other as it is.
    package func copyAll(of source: borrowing OpenFile, size: Int64) throws(PosixError) {
        if ioctl(descriptor, UInt(linux_FICLONE), source.descriptor) == 0 { return }
        var done: Int64 = 0
        while done < size {
            let bytes = try source.read(at: done, count: Int(min(size - done, Self.copyBytes)))
            guard !bytes.isEmpty else { return }
            try unsafe write(bytes.span.bytes, at: done)
            done += Int64(bytes.count)
        }
    }

    private static var copyBytes: Int64 { 1 << 20 }
}

/// The signal that a broken lease sends, which ends a process by default.
package enum LeaseSignal {
    /// Ignores SIGIO in the whole process: it goes to the process, so one thread's mask is not enough.
    package static func ignore() { signal(SIGIO, SIG_IGN) }
}

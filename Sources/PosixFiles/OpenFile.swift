internal import Glibc

/// An open file descriptor that is closed when its owner goes.
package struct OpenFile: ~Copyable {
    /// The descriptor, for calls that this type does not wrap; it stays owned here.
    package let descriptor: Int32

    /// Takes over a descriptor that the caller opened.
    package init(adopting descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Hands the descriptor to the caller, who has to close it.
    package consuming func release() -> Int32 {
        let descriptor = descriptor
        discard self
        return descriptor
    }

    /// What fstat(2) says.
    package func facts() throws(PosixError) -> FileFacts {
        var raw = stat()
        guard unsafe fstat(descriptor, &raw) == 0 else { throw .last("fstat") }
        return FileFacts(raw)
    }

    /// Reads up to `count` bytes from `offset` (pread(2)); fewer only at the end of the file.
    package func read(at offset: Int64, count: Int) throws(PosixError) -> [UInt8] {
        guard count > 0 else { return [] }
        var failure: PosixError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let base = buffer.baseAddress {
                let got = unsafe pread(descriptor, base + filled, count - filled, off_t(offset) + off_t(filled))
                if got > 0 {
                    filled += got
                } else if got == 0 {
                    return
                } else if errno != EINTR {
                    failure = .last("pread")
                    return
                }
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Writes all of `bytes` at `offset` (pwrite(2)).
    package func write(_ bytes: RawSpan, at offset: Int64) throws(PosixError) {
        var failure: PosixError?
        unsafe bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            var done = 0
            while done < buffer.count {
                let put = unsafe pwrite(descriptor, base + done, buffer.count - done, off_t(offset) + off_t(done))
                if put > 0 {
                    done += put
                } else if put < 0, errno == EINTR {
                    continue
                } else {
                    failure = put == 0 ? PosixError("pwrite", code: ENOSPC) : .last("pwrite")
                    return
                }
            }
        }
        if let failure { throw failure }
    }

    /// Cuts or grows the file to `size` bytes.
    package func truncate(to size: Int64) throws(PosixError) {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw .last("ftruncate") }
    }

    /// Waits until no other open file holds the advisory lock, and takes it until this one is closed (flock(2)).
    package func lock() throws(PosixError) {
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .last("flock") }
        }
    }

    /// Lets go of the lock.
    package func unlock() { flock(descriptor, LOCK_UN) }

    /// Waits until the bytes, and the size they need, are on the disk (fdatasync(2)).
    package func syncData() throws(PosixError) {
        guard fdatasync(descriptor) == 0 else { throw .last("fdatasync") }
    }

    /// Waits until the bytes and everything about the file, or a folder's entries, are on the disk (fsync(2)).
    package func syncAll() throws(PosixError) {
        guard fsync(descriptor) == 0 else { throw .last("fsync") }
    }
}

/// What a file system says about one file, as far as this project asks.
package struct FileFacts: Hashable, Sendable {
    /// What lies at a name.
    package enum Kind: Hashable, Sendable { case regular, folder, symlink, other }

    /// What it is.
    package let kind: Kind
    /// The device, so that an inode is never compared across file systems.
    package let device: UInt64
    /// The inode number.
    package let inode: UInt64
    /// Bytes.
    package let size: Int64
    /// Nanoseconds since 1970 of the last change of the bytes.
    package let modified: Int64
    /// Nanoseconds since 1970 of the last change of bytes, names or mode.
    package let changed: Int64
    /// How many names the inode has.
    package let links: UInt64
    /// The lowest twelve bits of `st_mode`.
    package let permissions: UInt32
    /// The owner's uid.
    package let owner: UInt32

    init(_ raw: stat) {
        switch raw.st_mode & S_IFMT {
        case S_IFREG: kind = .regular
        case S_IFDIR: kind = .folder
        case S_IFLNK: kind = .symlink
        default: kind = .other
        }
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        size = Int64(raw.st_size)
        modified = Int64(raw.st_mtim.tv_sec) * 1_000_000_000 + Int64(raw.st_mtim.tv_nsec)
        changed = Int64(raw.st_ctim.tv_sec) * 1_000_000_000 + Int64(raw.st_ctim.tv_nsec)
        links = UInt64(raw.st_nlink)
        permissions = UInt32(raw.st_mode & 0o7777)
        owner = raw.st_uid
    }
}

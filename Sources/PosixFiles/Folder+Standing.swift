package import AvatarCore
internal import Glibc

// Whether a path still leads to what was opened by it. While a file is open the file system gives its inode's number to no other, so
// equal numbers mean the same file.
extension Folder {
    /// Where the path that this folder was opened by leads now.
    package func standing() -> PathStanding {
        guard let own = try? facts() else { return .missing }
        return FileFacts.standing(of: path, device: own.device, inode: own.inode, followingLinks: true)
    }

    /// Whether the folder was removed while it is open here. One that was only moved or mounted over may come back.
    package func isRemoved() -> Bool { (try? facts().links) == 0 }

    /// Names the folder across mounts: the file system's own number, where it has one, and the inode (statvfs(3), `f_fsid`).
    package func lastingKey() throws(PosixError) -> String {
        let own = try facts()
        let number = UInt64(try fileSystem().f_fsid)
        return "\(number == 0 ? own.device : number):\(own.inode)"
    }

    /// Bytes that this user may still write to the folder's file system (statvfs(3)).
    package func freeBytes() throws(PosixError) -> Int64 {
        let raw = try fileSystem()
        return Int64(clamping: raw.f_bavail).multipliedReportingOverflow(by: Int64(clamping: raw.f_frsize)).partialValue
    }

    private func fileSystem() throws(PosixError) -> statvfs {
        var raw = statvfs()
        guard unsafe fstatvfs(descriptor, &raw) == 0 else { throw .last("fstatvfs", path: path) }
        return raw
    }
}

extension FileFacts {
    /// What lies at a path; nil for nothing. `followingLinks` decides whether a symlink at its end counts as what it points to.
    package static func lying(at path: String, followingLinks: Bool = false) throws(PosixError) -> FileFacts? {
        var raw = stat()
        let outcome = unsafe followingLinks ? stat(path, &raw) : lstat(path, &raw)
        guard outcome == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .last("stat", path: path)
        }
        return FileFacts(raw)
    }

    /// Where a path leads, beside a file with that device and inode.
    package static func standing(
        of path: String, device: UInt64, inode: UInt64, followingLinks: Bool = false
    ) -> PathStanding {
        guard let facts = try? lying(at: path, followingLinks: followingLinks) else { return .missing }
        return facts.device == device && facts.inode == inode ? .held : .another
    }
}

internal import CLinux
internal import Glibc

extension Folder {
    /// Renames into `other` only where nothing lies at `newName`: EEXIST otherwise, in one step (renameat2(2),
    /// RENAME_NOREPLACE). A file system that knows no such flag gets a check before the rename, and with it a gap between.
    package func renameWithoutReplacing(
        _ name: String, to newName: String, in other: borrowing Folder
    ) throws(PosixError) {
        if unsafe linux_renameat2(descriptor, name, other.descriptor, newName, linux_RENAME_NOREPLACE) == 0 { return }
        guard errno == EINVAL || errno == ENOSYS else { throw .last("renameat2", path: newName) }
        guard try other.facts(of: newName) == nil else { throw PosixError("renameat2", path: newName, code: EEXIST) }
        try rename(name, to: newName, in: other)
    }

    /// Lets two names change places in one step (renameat2(2), RENAME_EXCHANGE); false where the file system cannot.
    package func exchange(_ name: String, with otherName: String, in other: borrowing Folder) throws(PosixError) -> Bool
    {
        if unsafe linux_renameat2(descriptor, name, other.descriptor, otherName, linux_RENAME_EXCHANGE) == 0 {
            return true
        }
        guard errno == EINVAL || errno == ENOSYS else { throw .last("renameat2", path: otherName) }
        return false
    }
}

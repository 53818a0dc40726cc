/// The calls that wait for the disk. A test puts others in their place, for a disk that fails.
///
/// A sync that failed may succeed when it is tried again although nothing was written: the kernel takes the pages that it could not
/// write for clean ones, and tells of the error once (fsync(2), "Errors", EIO). So what failed to sync is thrown away and written anew,
/// and never merely synced again.
package struct DiskSync: Sendable {
    /// Waits for a file's bytes.
    package var data: @Sendable (borrowing OpenFile) throws(PosixError) -> Void
    /// Waits for a folder's entries.
    package var folder: @Sendable (borrowing Folder) throws(PosixError) -> Void

    /// The system's own calls: fdatasync(2) and fsync(2).
    package init() {
        data = { (file: borrowing OpenFile) throws(PosixError) in try file.syncData() }
        folder = { (folder: borrowing Folder) throws(PosixError) in try folder.sync() }
    }

    /// Waits for nothing (`storage.sync: none`): what is written survives the death of the process, and perhaps no power cut.
    package static var none: DiskSync {
        var sync = DiskSync()
        sync.data = { (_: borrowing OpenFile) throws(PosixError) in }
        sync.folder = { (_: borrowing Folder) throws(PosixError) in }
        return sync
    }
}

extension Folder {
    /// Puts a file with `bytes` at `name`, mode 0600, durably and in one step: written and synced as `temporary`, renamed, the folder
    /// synced. What lay at `name` before is replaced; it lies there again when this throws, where the file system can let two names
    /// change places.
    ///
    /// - Throws: the first error. Then nothing of the new file is left, and the next try writes it anew.
    package func place(
        _ bytes: RawSpan, at name: String, by temporary: String, sync: DiskSync = DiskSync()
    ) throws(PosixError) {
        try remove(temporary)
        do throws(PosixError) {
            let file = try create(temporary)
            try file.write(bytes, at: 0)
            try sync.data(file)
            let isSwapped = try facts(of: name) == nil ? false : exchange(temporary, with: name, in: self)
            if !isSwapped { try rename(temporary, to: name, in: self) }
            do throws(PosixError) {
                try sync.folder(self)
            } catch {
                try takeBack(try file.facts(), at: name, for: isSwapped ? temporary : nil)
                throw error
            }
        } catch {
            _ = try? remove(temporary)
            throw error
        }
        // What was replaced; a power cut may leave it, and the next call takes it away.
        try remove(temporary)
    }

    /// Takes a file that was placed just now from its name; what it replaced gets the name back.
    private func takeBack(_ placed: FileFacts, at name: String, for replaced: String?) throws(PosixError) {
        guard let lying = try facts(of: name), lying.inode == placed.inode, lying.device == placed.device else {
            return
        }
        if let replaced { try rename(replaced, to: name, in: self) } else { try remove(name) }
    }
}

package import AvatarCore
package import PosixFiles
package import ServerRuntime
package import TransferMachines

/// The files of users as an operator sees them. A server may run on the same folder; nothing is made, and a folder that is not there has no
/// files.
package struct UserFiles: Sendable {
    /// How much a user's complete files are.
    package struct Usage: Hashable, Sendable {
        package var files = 0
        package var bytes: Int64 = 0

        package init(files: Int = 0, bytes: Int64 = 0) {
            self.files = files
            self.bytes = bytes
        }
    }

    private let root: String
    private let sync: DiskSync

    /// - Parameter sync: whether a removal must survive a power cut (`storage.sync`).
    package init(root: String, sync: DiskSync) {
        self.root = root
        self.sync = sync
    }

    package func usage(of user: UserID) throws(StoreError) -> Usage {
        try within(String(user.value), or: Usage()) { folder in
            var usage = Usage()
            try Self.forEachFile(in: folder) { _, facts in
                usage.files += 1
                usage.bytes += facts.size
            }
            return usage
        }
    }

    /// Bytes of a user's file; nil when there is none.
    package func bytes(of name: AvatarName, of user: UserID) throws(StoreError) -> Int64? {
        try within(String(user.value), or: nil) { folder in
            guard let facts = try folder.facts(of: name.string), facts.kind == .regular else { return nil }
            return facts.size
        }
    }

    /// The names of a user's files, as far as a server could know them.
    package func names(of user: UserID) throws(StoreError) -> [AvatarName] {
        try within(String(user.value), or: []) { folder in
            var names: [AvatarName] = []
            try Self.forEachFile(in: folder) { name, _ in
                if let name = try? AvatarName(name) { names.append(name) }
            }
            return names
        }
    }

    /// Removes the parts of unfinished uploads. A server that has one open finds it gone before it writes to it again.
    package func removeParts(_ ids: [UploadID]) throws(StoreError) {
        guard !ids.isEmpty else { return }
        try within(FolderFileStore.partsFolder, or: ()) { folder in
            for id in ids { try folder.remove(id.hex) }
        }
    }

    /// Removes every file of a user, and the folder when nothing else lies in it.
    ///
    /// - Returns: what was removed, and whether the folder is gone.
    package func removeAll(of user: UserID) throws(StoreError) -> (removed: Usage, isFolderGone: Bool) {
        let folder = String(user.value)
        let removed = try within(folder, or: Usage()) { folder in
            var removed = Usage()
            var found: [(name: String, bytes: Int64)] = []
            // A folder is not changed while it is read.
            try Self.forEachFile(in: folder) { name, facts in found.append((name, facts.size)) }
            for file in found where try folder.remove(file.name) {
                removed.files += 1
                removed.bytes += file.bytes
            }
            return removed
        }
        let isGone = try within(nil, or: true) { root in
            let isGone = try root.removeSubfolder(folder)
            try sync.folder(root)
            return isGone
        }
        return (removed, isGone)
    }

    private static func forEachFile(in folder: borrowing Folder, _ body: (String, FileFacts) throws -> Void) throws {
        var names: [String] = []
        try folder.forEachName { names.append($0) }
        for name in names {
            // A file that was removed meanwhile is none of the user's any more.
            if let facts = try folder.facts(of: name), facts.kind == .regular { try body(name, facts) }
        }
    }

    /// Runs `body` on the folder `name` below the root, or on the root; `missing` is its value where there is no such folder.
    private func within<Value>(
        _ name: String?, or missing: Value, _ body: (borrowing Folder) throws -> Value
    ) throws(StoreError) -> Value {
        do {
            let root = try Folder(path: root)
            guard let name else { return try body(root) }
            return try body(try root.openSubfolder(name))
        } catch let error as PosixError {
            if error.isMissing { return missing }
            throw StoreError(error)
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }
}

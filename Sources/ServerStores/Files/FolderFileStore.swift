package import AvatarCore
internal import Glibc
package import PosixFiles
package import ServerRuntime
internal import Synchronization
package import TransferMachines

/// Files as the seed's server keeps them, `<root>/<uid>/<name>`, with parts in `<root>/.parts`, so that a rename commits.
///
/// Several instances may share the folder. An instance writes to a part only while it holds the lock of the part's file, and a part only
/// grows until it is renamed into place.
package final class FolderFileStore: FileStore {
    /// Where parts lie; no name begins with a dot, so nothing can collide with it.
    package static let partsFolder = ".parts"
    /// Where the lock files lie that make the quota's check and the rename one step; made when a quota is first checked.
    private static let locksFolder = ".quota"

    private let root: Folder
    private let parts: Folder
    private let sync: DiskSync
    private let sweptAt = Mutex<Int64>(0)
    private let openParts: PartFileCache

    /// Opens the folder, and makes it where it is missing.
    ///
    /// - Parameters:
    ///   - sync: whether a committed file must survive a power cut (`storage.sync`).
    ///   - openPartsMax: how many parts stay open between two chunks.
    package init(
        root path: String, sync: DiskSync, openPartsMax: Int = Limits.Server.partFilesOpenMax
    ) throws(StoreError) {
        do {
            root = try Folder.make(path: path)
            parts = try root.subfolder(Self.partsFolder)
        } catch {
            throw StoreError(error)
        }
        self.sync = sync
        openParts = PartFileCache(filesMax: openPartsMax)
    }

    package func beginPart(_ id: UploadID, bytes: [UInt8]) throws(StoreError) {
        // Old parts pile up only while uploads begin, so a begin clears them away, at most once in `sweepSeconds`.
        let now = Self.secondsSince1970
        let isTime = sweptAt.withLock { sweptAt in
            guard now - sweptAt >= Limits.Server.sweepSeconds else { return false }
            sweptAt = now
            return true
        }
        if isTime { _ = try removeStaleParts() }
        do {
            let part = try PartFile(parts.create(id.hex))
            unsafe try part.file.write(bytes.span.bytes, at: 0)
            openParts.insert(part, id)
        } catch {
            throw StoreError(error)
        }
    }

    package func writePart(_ id: UploadID, bytes: [UInt8], at offset: Int64) throws(StoreError) {
        try storing {
            let part = try part(id)
            try part.file.lock()
            defer { part.file.unlock() }
            // Another instance has written these bytes already. Bytes that a part holds are never written over.
            let size = try heldBytes(part, id)
            guard size >= offset, size < offset + Int64(bytes.count) else {
                throw StoreError(.unavailable, "the part \(id) was written to by another instance")
            }
            unsafe try part.file.write(bytes.span.bytes, at: offset)
        }
    }

    package func partBytes(_ id: UploadID) throws(StoreError) -> Int64? {
        do {
            return try parts.facts(of: id.hex)?.size
        } catch {
            throw StoreError(error)
        }
    }

    package func part(_ id: UploadID, holds bytes: [UInt8], at offset: Int64) throws(StoreError) -> Bool {
        do {
            return try part(id).file.read(at: offset, count: bytes.count) == bytes
        } catch {
            throw StoreError(error)
        }
    }

    package func digestPart(_ id: UploadID) throws(StoreError) -> FileDigest {
        do {
            return try Self.digest(part(id).file)
        } catch {
            throw StoreError(error)
        }
    }

    package func pictureFault(ofPart id: UploadID) throws(StoreError) -> ImageError? {
        let bytes = try storing {
            let part = try part(id)
            return try part.file.read(at: 0, count: Int(part.file.facts().size))
        }
        do throws(ImageError) {
            _ = unsafe try ImageStructure.examine(bytes.span.bytes, isWhole: true)
            return nil
        } catch {
            return error
        }
    }

    package func digestFile(_ key: ResourceKey) throws(StoreError) -> FileDigest {
        try storing {
            let file = try openFile(key)
            do throws(PosixError) {
                try sync.data(file)
            } catch {
                throw discard([key], after: error)
            }
            try syncNames(of: [key])
            return try Self.digest(file)
        }
    }

    /// Reads a file once for both digests.
    private static func digest(_ file: borrowing OpenFile) throws(PosixError) -> FileDigest {
        let facts = try file.facts()
        var size: Int64 = 0
        var format: ImageFormat?
        do {
            var md5 = try Digester(.md5)
            var sha256 = try Digester(.sha256)
            while true {
                // Asks for one byte more than there should be, to see the end of the file.
                let piece = try file.read(at: size, count: Int(min(facts.size - size + 1, 256 * 1024)))
                if piece.isEmpty { break }
                if size == 0 { format = unsafe ImageFormat(firstBytes: piece.span.bytes) }
                unsafe try md5.update(piece.span.bytes)
                unsafe try sha256.update(piece.span.bytes)
                size += Int64(piece.count)
            }
            if let md5 = MD5Digest(bytes: try md5.finish()), let sha256 = SHA256Digest(bytes: try sha256.finish()) {
                let stamp = FileStamp(inode: facts.inode, size: size, modified: facts.modified)
                return FileDigest(md5: md5, content: FileContent(sha256: sha256, format: format, stamp: stamp))
            }
        } catch let error as PosixError {
            throw error
        } catch {
            // libcrypto has no MD5, so no upload can be verified.
        }
        throw PosixError("MD5", code: EIO)
    }

    package func commitPart(
        _ id: UploadID, as key: ResourceKey, quotaBytes: Int64?
    ) throws(StoreError) -> Bool {
        let isPlaced = try withLocked(id) { part, size in
            try syncBytes(of: part, id)
            return try place(id, size, at: key, quotaBytes: quotaBytes)
        }
        guard isPlaced else { return false }
        try syncNames(of: [key])
        return true
    }

    package func syncPart(_ id: UploadID) throws(StoreError) {
        try withLocked(id) { part, _ in try syncBytes(of: part, id) }
    }

    package func placePart(
        _ id: UploadID, as key: ResourceKey, quotaBytes: Int64?
    ) throws(StoreError) -> Bool {
        try withLocked(id) { _, size in try place(id, size, at: key, quotaBytes: quotaBytes) }
    }

    package func syncNames(of keys: [ResourceKey]) throws(StoreError) {
        do throws(PosixError) {
            for owner in Set(keys.compactMap(\.owner)).sorted() { try sync.folder(userFolder(owner)) }
            try sync.folder(root)
        } catch {
            throw discard(keys, after: error)
        }
    }

    /// With the part to itself among all instances.
    private func withLocked<Value>(
        _ id: UploadID, _ body: (PartFile, Int64) throws -> Value
    ) throws(StoreError) -> Value {
        try storing {
            let part = try part(id)
            try part.file.lock()
            defer { part.file.unlock() }
            return try body(part, try heldBytes(part, id))
        }
    }

    private func syncBytes(of part: PartFile, _ id: UploadID) throws {
        do {
            try sync.data(part.file)
        } catch {
            // The kernel may have dropped pages of this file, and a second sync of it would succeed all the same (fsync(2)).
            try removePart(id)
            throw StoreError(.unsynced, "\(error); the part \(id) was removed")
        }
    }

    /// Renames the part into place. Returns false when the quota does not allow that.
    private func place(
        _ id: UploadID, _ size: Int64, at key: ResourceKey, quotaBytes: Int64?
    ) throws -> Bool {
        guard let owner = key.owner else {
            return try rename(id, key, into: root)
        }
        let folder = try userFolder(owner)
        guard let quotaBytes else {
            return try rename(id, key, into: folder)
        }
        let locks = try root.subfolder(Self.locksFolder)
        let lock = try locks.openForWriting(String(owner.value % Limits.Server.quotaLocks))
        try lock.lock()
        defer { lock.unlock() }
        guard try bytesUsed(by: owner, besides: key) <= quotaBytes - size else { return false }
        return try rename(id, key, into: folder)
    }

    private func rename(_ id: UploadID, _ key: ResourceKey, into folder: borrowing Folder) throws -> Bool {
        try parts.rename(id.hex, to: key.name.string, in: folder)
        openParts.remove(id)
        return true
    }

    /// Removes renamed files that could not be synced, so that their clients send them again.
    ///
    /// - Returns: the error to throw.
    private func discard(_ keys: [ResourceKey], after error: PosixError) -> StoreError {
        var fates: [String] = []
        for key in keys {
            do throws(PosixError) {
                if let owner = key.owner {
                    try root.openSubfolder(String(owner.value)).remove(key.name.string)
                } else {
                    try root.remove(key.name.string)
                }
                fates.append("the file \(key) was removed")
            } catch let removal {
                fates.append("the file \(key) could not be removed: \(removal)")
            }
        }
        return StoreError(.unsynced, "\(error); \(fates.joined(separator: ", "))")
    }

    package func removePart(_ id: UploadID) throws(StoreError) {
        openParts.remove(id)
        do {
            try parts.remove(id.hex)
        } catch {
            throw StoreError(error)
        }
    }

    package func removeStaleParts() throws(StoreError) -> Int {
        let oldest = (Self.secondsSince1970 - Int64(Limits.Server.uploadLifeSeconds)) * 1_000_000_000
        return try storing {
            var stale: [String] = []
            try parts.forEachName { name in
                guard let facts = try parts.facts(of: name), facts.kind == .regular, facts.modified < oldest
                else { return }
                stale.append(name)
            }
            for name in stale { try parts.remove(name) }
            return stale.count
        }
    }

    package func open(_ key: ResourceKey) throws(StoreError) -> (any StoredFile)? {
        do {
            return try OpenedFile(openFile(key))
        } catch {
            if error.isMissing { return nil }
            throw StoreError(error)
        }
    }

    package func openAtOnce(_ key: ResourceKey) -> (any StoredFile)?? {
        do {
            let path = key.owner.map { "\($0.value)/\(key.name.string)" } ?? key.name.string
            guard let file = try root.openWithoutWaiting(path) else { return nil }
            return .some(try OpenedFile(file))
        } catch {
            return error.isMissing ? .some(nil) : nil
        }
    }

    package func bytesUsed(by user: UserID, besides key: ResourceKey) throws(StoreError) -> Int64 {
        var bytes: Int64 = 0
        do {
            let folder = try root.openSubfolder(String(user.value))
            try folder.forEachName { name in
                guard name != key.name.string, let facts = try folder.facts(of: name), facts.kind == .regular
                else { return }
                bytes += facts.size
            }
        } catch let error as PosixError {
            if !error.isMissing { throw StoreError(error) }
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
        return bytes
    }

    /// Runs `body` and makes a ``ServerRuntime/StoreError`` of every error.
    private func storing<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
        do {
            return try body()
        } catch let error as StoreError {
            throw error
        } catch let error as PosixError {
            throw StoreError(error)
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }

    private static var secondsSince1970: Int64 { SystemClock().wall.milliseconds / 1000 }

    private func openFile(_ key: ResourceKey) throws(PosixError) -> OpenFile {
        guard let owner = key.owner else { return try root.openForReading(key.name.string) }
        return try root.openSubfolder(String(owner.value)).openForReading(key.name.string)
    }

    /// The open part. The error is ENOENT when there is none.
    private func part(_ id: UploadID) throws(PosixError) -> PartFile {
        if let part = openParts.file(id) { return part }
        let part = try PartFile(parts.openForUpdating(id.hex))
        openParts.insert(part, id)
        return part
    }

    /// The size of a part whose lock the caller holds. The error is ENOENT when another thread or instance has committed or removed the part
    /// before the caller got the lock.
    private func heldBytes(_ part: PartFile, _ id: UploadID) throws(PosixError) -> Int64 {
        guard let facts = try parts.facts(of: id.hex), facts.inode == part.inode else {
            openParts.remove(id)
            throw PosixError("flock", path: id.hex, code: ENOENT)
        }
        return facts.size
    }

    private func userFolder(_ owner: UserID) throws(PosixError) -> Folder {
        do {
            return try root.openSubfolder(String(owner.value))
        } catch {
            guard error.isMissing else { throw error }
            return try root.subfolder(String(owner.value))
        }
    }
}

extension FolderFileStore {
    /// Why the server could not keep files below `root` as it is; nil when it could. Nothing is made or changed.
    package static func problem(root path: String) -> String? {
        do throws(PosixError) {
            let folder = try Folder(path: path)
            let facts = try folder.facts()
            for place in [path, path + "/" + partsFolder] {
                guard unsafe access(place, R_OK | W_OK | X_OK) == 0 else {
                    if errno == ENOENT { continue }
                    throw .last("access", path: place)
                }
            }
            // An upload ends with a rename from one to the other.
            guard let parts = try folder.facts(of: partsFolder) else { return nil }
            guard parts.kind == .folder else { return "\(path)/\(partsFolder) is no folder" }
            guard parts.device == facts.device else {
                return "\(path)/\(partsFolder) lies on another file system than \(path)"
            }
            return nil
        } catch {
            return error.isMissing ? "there is no such folder; `avatar-server serve` makes it" : error.description
        }
    }
}

/// A complete file, open for reading.
package final class OpenedFile: StoredFile {
    package let stamp: FileStamp
    package var size: Int64 { stamp.size }
    private let file: OpenFile

    init(_ file: consuming OpenFile) throws(PosixError) {
        let facts = try file.facts()
        // A folder or a FIFO is no picture.
        guard facts.kind == .regular else { throw PosixError("open", code: ENOENT) }
        stamp = FileStamp(inode: facts.inode, size: facts.size, modified: facts.modified)
        self.file = file
    }

    package func read(at offset: Int64, count: Int) throws(StoreError) -> [UInt8] {
        do {
            return try file.read(at: offset, count: count)
        } catch {
            throw StoreError(error)
        }
    }

    package func readAtOnce(at offset: Int64, count: Int) -> [UInt8]? {
        file.readWithoutWaiting(at: offset, count: count)
    }
}

extension StoreError {
    /// Translates an error of the kernel.
    init(_ error: PosixError, file: String = #fileID, line: Int = #line) {
        let code: Code =
            switch error.code {
            case ENOENT, ENOTDIR: .missing
            case EACCES, EPERM, EROFS, ELOOP: .forbidden
            case ENOSPC, EDQUOT, EFBIG: .full
            default: .unavailable
            }
        self.init(code, error.description, file: file, line: line)
    }
}

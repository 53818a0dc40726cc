package import AvatarCore
internal import Glibc
internal import PosixFiles
package import ServerRuntime
internal import Synchronization
package import TransferMachines

/// Files as the seed's server keeps them, `<root>/<uid>/<name>`, with parts in `<root>/.parts`, so that a rename commits.
///
/// Several instances may share the folder: a part is written under its lock, and only ever grows until it is committed.
package final class FolderFileStore: FileStore {
    /// Where parts lie; no name begins with a dot, so nothing can collide with it.
    package static let partsFolder = ".parts"

    private let root: Folder
    private let parts: Folder
    private let isDurable: Bool
    private let sweptAt = Mutex<Int64>(0)
    private let kept = PartFileCache()

    /// Opens the folder, and makes it where it is missing.
    ///
    /// - Parameter isDurable: whether a committed file must survive a power cut (`storage.sync: full`).
    package init(root path: String, isDurable: Bool) throws(StoreError) {
        do {
            root = try Folder.make(path: path)
            parts = try root.subfolder(Self.partsFolder)
        } catch {
            throw StoreError(error)
        }
        self.isDurable = isDurable
    }

    package func beginPart(_ id: UploadID, bytes: [UInt8]) throws(StoreError) {
        // New parts are what makes old ones pile up: so they clear them away, now and then.
        let now = Self.secondsSince1970
        let isTime = sweptAt.withLock { sweptAt in
            guard now - sweptAt >= Limits.Server.sweepSeconds else { return false }
            sweptAt = now
            return true
        }
        if isTime { _ = try removeStaleParts() }
        do {
            let part = try Part(parts.create(id.hex))
            unsafe try part.file.write(bytes.span.bytes, at: 0)
            kept.keep(part, id)
        } catch {
            throw StoreError(error)
        }
    }

    package func writePart(_ id: UploadID, bytes: [UInt8], at offset: Int64) throws(StoreError) {
        do {
            let part = try part(id)
            try part.file.lock()
            defer { part.file.unlock() }
            // Whoever came first has written these bytes already, and what is held is never written over.
            let size = try heldBytes(part, id)
            guard size >= offset, size < offset + Int64(bytes.count) else {
                throw StoreError(.unavailable, "the part \(id) was written to by another instance")
            }
            unsafe try part.file.write(bytes.span.bytes, at: offset)
        } catch let error as PosixError {
            throw StoreError(error)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError(.unavailable, "\(error)")
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

    package func digestPart(_ id: UploadID) throws(StoreError) -> (size: Int64, md5: MD5Digest) {
        do {
            return try Self.digest(part(id).file)
        } catch {
            throw StoreError(error)
        }
    }

    package func digestFile(_ key: ResourceKey) throws(StoreError) -> (size: Int64, md5: MD5Digest) {
        do {
            return try Self.digest(openFile(key))
        } catch {
            throw StoreError(error)
        }
    }

    private static func digest(_ file: borrowing OpenFile) throws(PosixError) -> (size: Int64, md5: MD5Digest) {
        let expected = try file.facts().size
        var size: Int64 = 0
        do {
            var digester = try Digester(.md5)
            while true {
                // One more than there should be, so that the end is seen.
                let piece = try file.read(at: size, count: Int(min(expected - size + 1, 256 * 1024)))
                if piece.isEmpty { break }
                unsafe try digester.update(piece.span.bytes)
                size += Int64(piece.count)
            }
            if let md5 = MD5Digest(bytes: try digester.finish()) { return (size, md5) }
        } catch let error as PosixError {
            throw error
        } catch {
            // libcrypto without MD5: nothing that was sent can be believed.
        }
        throw PosixError("MD5", code: EIO)
    }

    package func commitPart(_ id: UploadID, as key: ResourceKey) throws(StoreError) {
        do {
            let part = try part(id)
            try part.file.lock()
            defer { part.file.unlock() }
            _ = try heldBytes(part, id)
            if isDurable { try part.file.syncData() }
            defer { kept.forget(id) }
            guard let owner = key.owner else {
                try parts.rename(id.hex, to: key.name.string, in: root)
                if isDurable { try root.sync() }
                return
            }
            let folder = try userFolder(owner)
            try parts.rename(id.hex, to: key.name.string, in: folder)
            guard isDurable else { return }
            try folder.sync()
            try root.sync()
        } catch {
            throw StoreError(error)
        }
    }

    package func removePart(_ id: UploadID) throws(StoreError) {
        kept.forget(id)
        do {
            try parts.remove(id.hex)
        } catch {
            throw StoreError(error)
        }
    }

    package func removeStaleParts() throws(StoreError) -> Int {
        let oldest = (Self.secondsSince1970 - Int64(Limits.Server.uploadLifeSeconds)) * 1_000_000_000
        var stale: [String] = []
        do {
            try parts.forEachName { name in
                guard let facts = try parts.facts(of: name), facts.kind == .regular, facts.modified < oldest
                else { return }
                stale.append(name)
            }
            for name in stale { try parts.remove(name) }
        } catch let error as PosixError {
            throw StoreError(error)
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
        return stale.count
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

    private static var secondsSince1970: Int64 {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec)
    }

    private func openFile(_ key: ResourceKey) throws(PosixError) -> OpenFile {
        guard let owner = key.owner else { return try root.openForReading(key.name.string) }
        return try root.openSubfolder(String(owner.value)).openForReading(key.name.string)
    }

    /// The open part; ENOENT when there is none.
    private func part(_ id: UploadID) throws(PosixError) -> Part {
        if let part = kept.part(id) { return part }
        let part = try Part(parts.openForUpdating(id.hex))
        kept.keep(part, id)
        return part
    }

    /// The part's size, once its lock is held. It may have been committed or removed before that: then it is missing.
    private func heldBytes(_ part: Part, _ id: UploadID) throws(PosixError) -> Int64 {
        guard let facts = try parts.facts(of: id.hex), facts.inode == part.inode else {
            kept.forget(id)
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
    /// Why a file could not be made, renamed and removed below `root`, as an upload does; nil when it could.
    package static func problem(root path: String) -> String? {
        do throws(PosixError) {
            let folder = try Folder.make(path: path)
            let parts = try folder.subfolder(partsFolder)
            let name = "check-\(getpid())"
            try parts.create(name).truncate(to: 1)
            try parts.rename(name, to: "." + name, in: folder)
            try folder.remove("." + name)
            return nil
        } catch {
            return error.description
        }
    }
}

/// A complete file, open for reading.
package final class OpenedFile: StoredFile {
    package let size: Int64
    private let file: OpenFile

    init(_ file: consuming OpenFile) throws(PosixError) {
        let facts = try file.facts()
        // A folder or a FIFO under a picture's name is nobody's picture.
        guard facts.kind == .regular else { throw PosixError("open", code: ENOENT) }
        size = facts.size
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
    /// What the kernel said, as far as a client's answer depends on it.
    init(_ error: PosixError) {
        let failure: StoreFailure =
            switch error.code {
            case ENOENT, ENOTDIR: .missing
            case EACCES, EPERM, EROFS, ELOOP: .forbidden
            case ENOSPC, EDQUOT, EFBIG: .full
            default: .unavailable
            }
        self.init(failure, error.description)
    }
}

package import AvatarCore
internal import Digests
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
            unsafe try parts.create(id.hex).write(bytes.span.bytes, at: 0)
        } catch {
            throw StoreError(error)
        }
    }

    package func writePart(_ id: UploadID, bytes: [UInt8], at offset: Int64) throws(StoreError) {
        do {
            let part = try lockedPart(id)
            // Whoever came first has written these bytes already, and what is held is never written over.
            let size = try part.facts().size
            guard size >= offset, size < offset + Int64(bytes.count) else {
                throw StoreError(.unavailable, "the part \(id) was written to by another instance")
            }
            unsafe try part.write(bytes.span.bytes, at: offset)
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
            return try parts.openForReading(id.hex).read(at: offset, count: bytes.count) == bytes
        } catch {
            throw StoreError(error)
        }
    }

    package func digestPart(_ id: UploadID) throws(StoreError) -> (size: Int64, md5: MD5Digest) {
        do {
            let part = try parts.openForReading(id.hex)
            var digester = try Digester(.md5)
            var size: Int64 = 0
            while true {
                let piece = try part.read(at: size, count: 256 * 1024)
                if piece.isEmpty { break }
                unsafe try digester.update(piece.span.bytes)
                size += Int64(piece.count)
            }
            guard let md5 = MD5Digest(bytes: try digester.finish()) else {
                throw StoreError(.unavailable, "libcrypto gave no MD5")
            }
            return (size, md5)
        } catch let error as PosixError {
            throw StoreError(error)
        } catch {
            throw StoreError(.unavailable, "\(error)")
        }
    }

    package func commitPart(_ id: UploadID, as key: ResourceKey) throws(StoreError) {
        do {
            let part = try lockedPart(id)
            if isDurable { try part.syncData() }
            guard let owner = key.owner else {
                try parts.rename(id.hex, to: key.name.string, in: root)
                if isDurable { try root.sync() }
                return
            }
            let folder = try root.subfolder(String(owner.value))
            try parts.rename(id.hex, to: key.name.string, in: folder)
            guard isDurable else { return }
            try folder.sync()
            try root.sync()
        } catch {
            throw StoreError(error)
        }
    }

    package func removePart(_ id: UploadID) throws(StoreError) {
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

    package func open(_ key: ResourceKey) throws(StoreError) -> OpenedFile? {
        do {
            guard let owner = key.owner else { return try OpenedFile(root.openForReading(key.name.string)) }
            return try OpenedFile(root.openSubfolder(String(owner.value)).openForReading(key.name.string))
        } catch {
            if error.isMissing { return nil }
            throw StoreError(error)
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

    /// Opens a part under its lock. It may have been committed while this waited for the lock: then it is missing.
    private func lockedPart(_ id: UploadID) throws(PosixError) -> OpenFile {
        let part = try parts.openForUpdating(id.hex)
        try part.lock()
        guard try parts.facts(of: id.hex)?.inode == part.facts().inode else {
            throw PosixError("flock", path: id.hex, code: ENOENT)
        }
        return part
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

import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import ServerStores
import Synchronization
import Testing
import TransferMachines

/// A disk whose syncs fail: the kernel drops the pages and tells of it once.
@Suite struct FailedSyncTests {
    private let id = UploadID(high: 0, low: 1)
    private let key: ResourceKey

    init() throws { key = ResourceKey(owner: UserID(7), name: try AvatarName("a.png")) }

    @Test func aPartThatFailedToSyncIsRemovedAndNeverCommitted() throws {
        try withStore { files, disk in
            try files.beginPart(id, bytes: [1, 2, 3])
            disk.fileFails.withLock { $0 = true }
            expectUnsynced { _ = try files.commitPart(id, as: key, quotaBytes: nil) }
            disk.fileFails.withLock { $0 = false }
            #expect(try files.partBytes(id) == nil)
            #expect(throws: StoreError.self) { try files.commitPart(id, as: key, quotaBytes: nil) }
            #expect(try files.open(key) == nil)
        }
    }

    @Test func aFileWhoseNameFailedToSyncIsRemoved() throws {
        try withStore { files, disk in
            try files.beginPart(id, bytes: [1, 2, 3])
            disk.folderFails.withLock { $0 = true }
            expectUnsynced { _ = try files.commitPart(id, as: key, quotaBytes: nil) }
            disk.folderFails.withLock { $0 = false }
            #expect(try files.partBytes(id) == nil)
            #expect(try files.open(key) == nil)
        }
    }

    @Test func filesWhoseNamesFailedToSyncTogetherAreRemoved() throws {
        let second = (id: UploadID(high: 0, low: 2), key: ResourceKey(owner: UserID(7), name: try AvatarName("b.png")))
        try withStore { files, disk in
            for (id, key) in [(id, key), (second.id, second.key)] {
                try files.beginPart(id, bytes: [1, 2, 3])
                try files.syncPart(id)
                #expect(try files.placePart(id, as: key, quotaBytes: nil))
            }
            disk.folderFails.withLock { $0 = true }
            expectUnsynced { try files.syncNames(of: [key, second.key]) }
            #expect(try files.open(key) == nil)
            #expect(try files.open(second.key) == nil)
        }
    }

    /// A process died between the rename and the sync of the folder: who finishes its work syncs first, and believes no failed sync.
    @Test func aFileInItsPlaceIsSyncedBeforeItCountsAsVerified() throws {
        try withStore { files, disk in
            try files.beginPart(id, bytes: [1, 2, 3])
            #expect(try files.commitPart(id, as: key, quotaBytes: nil))
            let before = disk.syncs.withLock { $0 }
            #expect(try files.digestFile(key).size == 3)
            #expect(disk.syncs.withLock { $0 } > before)
            disk.fileFails.withLock { $0 = true }
            expectUnsynced { _ = try files.digestFile(key) }
            #expect(try files.open(key) == nil)
        }
    }

    private func expectUnsynced(_ body: () throws -> Void) {
        let error = #expect(throws: StoreError.self) { try body() }
        #expect(error?.code == .unsynced)
    }

    private func withStore(_ body: (FolderFileStore, FailingDisk) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-sync-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let disk = FailingDisk()
        try body(try FolderFileStore(root: folder.path, sync: disk.sync), disk)
    }
}

private final class FailingDisk: Sendable {
    let fileFails = Mutex(false)
    let folderFails = Mutex(false)
    let syncs = Mutex(0)

    var sync: DiskSync {
        var sync = DiskSync()
        sync.data = { [self] _ throws(PosixError) in
            syncs.withLock { $0 += 1 }
            if fileFails.withLock({ $0 }) { throw PosixError("fdatasync", code: EIO) }
        }
        sync.folder = { [self] _ throws(PosixError) in
            syncs.withLock { $0 += 1 }
            if folderFails.withLock({ $0 }) { throw PosixError("fsync", code: EIO) }
        }
        return sync
    }
}

import AvatarCore
import Foundation
import GRDB
import PosixFiles
import Synchronization
import TestMounts
import TestPictures
import Testing

@testable import AvatarCache

/// A disk that did not take what was to be synced: the kernel may say so once, and the next sync succeeds although pages are lost.
@Suite struct FailedSyncTests {
    let harness: CacheHarness
    let a: AvatarName
    let b: AvatarName

    init() throws {
        harness = try CacheHarness()
        a = try named("a.png")
        b = try named("b.png")
    }

    /// Fails the syncs of files of this size.
    private func failing(bytes: Int64) -> DiskSync {
        var sync = DiskSync()
        sync.data = { (file: borrowing OpenFile) throws(PosixError) in
            if try file.facts().size == bytes { throw PosixError("fdatasync", code: EIO) }
        }
        return sync
    }

    /// Fails the next `count` syncs of a folder.
    private func failingFolder(_ count: Int = 1) -> DiskSync {
        let left = Left(count)
        var sync = DiskSync()
        sync.folder = { (folder: borrowing Folder) throws(PosixError) in
            if left.take() { throw PosixError("fsync", path: folder.path, code: EIO) }
        }
        return sync
    }

    private final class Left: Sendable {
        private let count: Mutex<Int>
        init(_ count: Int) { self.count = Mutex(count) }
        func take() -> Bool {
            count.withLock { count in
                count -= 1
                return count >= 0
            }
        }
    }

    private func pictures() throws {
        try harness.part(a, try TestPictures.padded(.png, to: 3000))
        try harness.part(b, try TestPictures.padded(.png, to: 4000))
    }

    @Test func aPartThatFailedToSyncIsGoneAndTheOthersGoOn() throws {
        try pictures()
        harness.cache.diskSync = failing(bytes: 3000)
        let outcomes = try harness.cache.syncParts([a, b])
        guard case .discarded(let error) = outcomes[0] else {
            Issue.record("the part is still trusted")
            return
        }
        #expect(error.code == .io && outcomes[1] == .synced)
        #expect(try harness.root.names(in: "avatars/.parts") == ["b.png.part"])
        #expect(try harness.cache.resumablePart(a, serverKey: "s", now: harness.now) == nil)
        #expect(try harness.cache.verify([a]) == [.failure(.missing)])
    }

    @Test func beginningAgainMakesAnotherFile() throws {
        try pictures()
        let part = harness.cachePath + "/.parts/a.png.part"
        let held = open(part, O_RDONLY)
        defer { close(held) }
        try harness.part(a, try TestPictures.tiny(.png))
        var facts = stat()
        #expect(fstat(held, &facts) == 0 && facts.st_nlink == 0)
    }

    @Test func filesWhoseRenamesFailedToSyncAreTakenBack() throws {
        try pictures()
        try harness.intend([a, b])
        _ = try harness.cache.renameIntoPlace([a, b])
        harness.cache.diskSync = failingFolder()
        #expect(throws: CacheError.self) { try harness.cache.syncCacheFolder(placed: [a, b]) }
        #expect(try harness.root.names(in: "avatars") == [".parts"])
        #expect(try harness.catalog.intents().isEmpty && harness.catalog.parts().isEmpty)
        // What was thrown away is fetched again.
        try pictures()
        #expect(try harness.commit([a, b]).count == 2)
    }

    @Test func aFileOfAnotherHandIsNotTakenBack() throws {
        try pictures()
        try harness.intend([a])
        _ = try harness.cache.renameIntoPlace([a])
        try harness.root.write("avatars/other", [1])
        #expect(rename(harness.cachePath + "/other", harness.cache.path(of: a)) == 0)
        harness.cache.diskSync = failingFolder()
        #expect(throws: CacheError.self) { try harness.cache.syncCacheFolder(placed: [a]) }
        #expect(try harness.root.read("avatars/a.png") == [1])
    }

    /// What a power cut may bring back is known as the agent's own, until the disk has taken the removal too.
    @Test func whileTheDiskFailsTheIntentsOfFilesThatWereTakenBackStay() throws {
        try pictures()
        try harness.intend([a])
        _ = try harness.cache.renameIntoPlace([a])
        harness.cache.diskSync = failingFolder(2)
        #expect(throws: CacheError.self) { try harness.cache.syncCacheFolder(placed: [a]) }
        #expect(try harness.cache.facts(of: a) == nil)
        #expect(try harness.catalog.intents().count == 1)
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.catalog.intents().isEmpty)
    }

    @Test func aRecoveryThatFailsToSyncTheFolderTakesBackWhatAnEarlierRunPlaced() throws {
        try pictures()
        try harness.intend([a, b])
        _ = try harness.cache.renameIntoPlace([a])
        try harness.reopen()
        harness.cache.diskSync = failingFolder()
        #expect(throws: CacheError.self) { try harness.cache.recoverIntents(at: harness.wall) }
        #expect(try harness.root.names(in: "avatars") == [".parts"])
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.catalog.intents().isEmpty && harness.catalog.avatars(named: [a, b]).isEmpty)
    }

    @Test func aRecoveryThatFailsToSyncAPartForgetsIt() throws {
        try pictures()
        try harness.intend([a, b])
        try harness.reopen()
        harness.cache.diskSync = failing(bytes: 3000)
        #expect(try harness.cache.recoverIntents(at: harness.wall).map(\.avatar.name) == [b])
        #expect(try harness.catalog.intents().isEmpty)
        #expect(try harness.cache.facts(of: a) == nil)
    }

    @Test func aRowStaysUntilItsRemovalIsOnTheDisk() throws {
        try harness.fetched(a)
        harness.cache.diskSync = failingFolder()
        #expect(throws: CacheError.self) { try harness.cache.forget(a, at: harness.wall) }
        #expect(try harness.catalog.avatars(named: [a]).count == 1)
        let before = try harness.cache.folder.facts().changed
        // File times have a grain of some milliseconds.
        usleep(20_000)
        // The second sync has something to write.
        #expect(try harness.cache.recordRemoved([a], reason: "gone", at: harness.wall).count == 1)
        #expect(try harness.cache.folder.facts().changed > before)
    }

    @Test func anImportThatFailedToSyncLeavesNothing() throws {
        let upload = try harness.upload()
        let bytes = try TestPictures.picture("ada.png")
        try harness.root.write("ada.png", bytes)
        for sync in [failing(bytes: Int64(bytes.count)), failingFolder()] {
            upload.diskSync = sync
            #expect(throws: CacheError.self) { try upload.importFile(path: harness.root.file("ada.png")) }
            #expect(try harness.root.names(in: "crops").isEmpty)
        }
        let name = try upload.importFile(path: harness.root.file("ada.png"))
        #expect(try harness.root.names(in: "crops") == [name.string])
    }

    // MARK: The catalog

    @Test func aConnectionThatDoesNotWaitForTheDiskWritesNothingDurable() throws {
        try pictures()
        let working = harness.catalog.setSynchronous
        harness.catalog.setSynchronous = { level, db in
            if level == "FULL" { throw DatabaseError(resultCode: .SQLITE_ERROR) }
            try working(level, db)
        }
        #expect(throws: CacheError.self) { try harness.catalog.touch([a], at: harness.wall) }
        #expect(try harness.catalog.synchronousLevel() == 1)
        #expect(throws: CacheError.self) { try harness.catalog.set("k", to: "v") }
        #expect(throws: CacheError.self) { try harness.catalog.touch([a], at: harness.wall) }
        #expect(try harness.catalog.setting("k") == nil)
        harness.catalog.setSynchronous = working
        try harness.catalog.set("k", to: "v")
        #expect(try harness.catalog.synchronousLevel() == 2)
        #expect(try harness.catalog.setting("k") == "v")
    }

    @Test func aJournalThatFailedIsWrittenOutBeforeAnythingElse() throws {
        try harness.catalog.set("k", to: String(repeating: "v", count: 100_000))
        let journal = harness.statePath + "/catalog.sqlite-wal"
        func size() throws -> Int {
            try FileManager.default.attributesOfItem(atPath: journal)[.size] as? Int ?? 0
        }
        #expect(try size() > 100_000)
        #expect(throws: CacheError.self) {
            try harness.catalog.write("failing") { _ in throw DatabaseError(resultCode: .SQLITE_IOERR_FSYNC) }
        }
        try harness.catalog.set("l", to: "w")
        #expect(try size() < 100_000)
        #expect(try harness.catalog.setting("k")?.count == 100_000)
    }
}

/// The same on a disk that really fails.
@Suite(.enabled(if: FailingDisk.isPermitted)) struct FailingDiskTests {
    @Test func aSecondSyncOfAPartIsNotBelieved() throws {
        let (disk, state) = (try FailingDisk(), try TemporaryFolder())
        let catalog = try Catalog(stateDirectory: state.file("state"), sync: .full, bootID: "boot", newEpoch: "e")
        let cache = try CacheFolder(path: disk.path + "/avatars", catalog: catalog, bootID: "boot")
        let name = try named("a.png")
        let bytes = try TestPictures.padded(.png, to: 200_000)
        func fetch() throws {
            try cache.beginPart(
                PartStart(name: name, totalSize: Int64(bytes.count), chunkSize: nil, serverKey: "s"), now: .zero)
            _ = try cache.appendParts([PartAppend(name: name, offset: 0, bytes: bytes)])
        }
        try disk.fail()
        try fetch()
        guard case .discarded = try cache.syncParts([name]).first else {
            Issue.record("the disk took what it had no room for")
            return
        }
        #expect(try cache.verify([name]) == [.failure(.missing)])
        try disk.recover()
        try fetch()
        #expect(try cache.syncParts([name]) == [.synced])
    }
}

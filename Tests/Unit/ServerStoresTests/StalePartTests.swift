import AvatarCore
import Foundation
import PosixFiles
import ServerStores
import Testing
import TransferMachines

@Suite struct StalePartTests {
    /// A part of an upload that nobody can go on with is cleared away, one that somebody may is not.
    @Test func onlyPartsOlderThanAnUploadLivesAreRemoved() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-parts-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try FolderFileStore(root: folder.path, sync: .none)
        let (old, new) = (UploadID(high: 0, low: 1), UploadID(high: 0, low: 2))
        try files.beginPart(old, bytes: [1])
        try files.beginPart(new, bytes: [2])
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -3700)],
            ofItemAtPath: folder.appendingPathComponent(".parts/\(old)").path)
        #expect(try files.removeStaleParts() == 1)
        #expect(try files.partBytes(old) == nil)
        #expect(try files.partBytes(new) == 1)
    }

    /// Two instances that lost track of each other: the second write of the same chunk changes nothing.
    @Test func whatIsHeldIsNeverWrittenOver() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-parts-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = try FolderFileStore(root: folder.path, sync: .none)
        let id = UploadID(high: 0, low: 1)
        try files.beginPart(id, bytes: [1, 2])
        try files.writePart(id, bytes: [3, 4], at: 2)
        #expect(throws: (any Error).self) { try files.writePart(id, bytes: [9, 9], at: 2) }
        #expect(throws: (any Error).self) { try files.writePart(id, bytes: [9], at: 7) }
        #expect(try files.part(id, holds: [1, 2, 3, 4], at: 0))
    }
}

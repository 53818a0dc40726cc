import AvatarCore
import Foundation
import TestMounts
import TestPictures
import Testing

@testable import AvatarCache

/// A disk without room: typed errors, nothing at a final name harmed, and on it goes when there is room again.
@Suite(.enabled(if: TmpfsMount.isPermitted)) struct DiskFullTests {
    let disk: TmpfsMount
    let elsewhere: TemporaryFolder
    let a: AvatarName
    let b: AvatarName

    init() throws {
        disk = try TmpfsMount(kilobytes: 1024)
        elsewhere = try TemporaryFolder()
        a = try named("a.png")
        b = try named("b.png")
    }

    private func cache(state: String) throws -> CacheFolder {
        let catalog = try Catalog(stateDirectory: state, sync: .full, bootID: "boot", newEpoch: "e")
        return try CacheFolder(path: disk.path + "/avatars", catalog: catalog, bootID: "boot")
    }

    private func commit(_ cache: CacheFolder, _ name: AvatarName) throws -> [Committed] {
        let part = try #require(try cache.verify([name]).first).get()
        _ = try cache.syncParts([name])
        try cache.writeIntents([
            CommitCandidate(
                name: name, owner: nil, origin: .downloaded, part: part, lastWanted: .at(0))
        ])
        #expect(try cache.renameIntoPlace([name]) == [.placed])
        try cache.syncCacheFolder(placed: [name])
        return try cache.recordFinal([name], at: .at(0))
    }

    private func fetch(_ cache: CacheFolder, _ name: AvatarName, _ bytes: [UInt8]) throws -> AppendOutcome? {
        try cache.beginPart(
            PartStart(name: name, totalSize: Int64(bytes.count), chunkSize: 2048, serverKey: "s"), now: .zero)
        return try cache.appendParts([PartAppend(name: name, offset: 0, bytes: bytes)]).first
    }

    private func code(_ body: () throws -> Void) -> CacheError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? CacheError)?.code
        }
    }

    @Test func aFullCacheFolderStopsTheTransferAndNothingElse() throws {
        let cache = try cache(state: elsewhere.file("state"))
        let picture = try TestPictures.padded(.png, to: 20_000)
        _ = try fetch(cache, a, picture)
        _ = try commit(cache, a)

        _ = try cache.beginPart(
            PartStart(name: b, totalSize: 40_000, chunkSize: 20_000, serverKey: "s"), now: .zero)
        let second = try TestPictures.padded(.png, to: 40_000)
        let first = PartAppend(name: b, offset: 0, bytes: Array(second[..<20_000]))
        let rest = PartAppend(name: b, offset: 20_000, bytes: Array(second[20_000...]))
        #expect(try cache.appendParts([first]) == [.held(20_000)])
        try disk.fill()
        guard case .failed(let error) = try cache.appendParts([rest]).first else {
            Issue.record("a full disk took 20,000 bytes")
            return
        }
        #expect(error.code == .diskFull)
        #expect([UInt8](try Data(contentsOf: URL(fileURLWithPath: cache.path(of: a)))) == picture)
        #expect(try cache.resumablePart(b, serverKey: "s", now: .zero)?.offset == 20_000)

        try disk.makeRoom()
        #expect(try cache.appendParts([rest]) == [.held(40_000)])
        #expect(try commit(cache, b).map(\.avatar.name) == [b])
    }

    @Test func aFullDiskUnderTheCatalogIsTheSameTypedError() throws {
        let cache = try cache(state: disk.path + "/state")
        let picture = try TestPictures.padded(.png, to: 20_000)
        _ = try fetch(cache, a, picture)
        _ = try commit(cache, a)
        _ = try fetch(cache, b, picture)
        let part = try #require(try cache.verify([b]).first).get()
        let candidate = CommitCandidate(
            name: b, owner: nil, origin: .downloaded, part: part, lastWanted: .at(0))
        try disk.fill()
        #expect(code { try fillJournal(cache.catalog) } == .diskFull)
        // The journal's last page may still hold an intent; an error must be the typed one, and no name may appear.
        let outcome = code { try cache.writeIntents([candidate]) }
        #expect(outcome == nil || outcome == .diskFull)
        #expect(try cache.facts(of: b) == nil)
        #expect([UInt8](try Data(contentsOf: URL(fileURLWithPath: cache.path(of: a)))) == picture)

        try disk.makeRoom()
        #expect(try commit(cache, b).map(\.avatar.name) == [b])
        #expect(try cache.catalog.lastCursor() == 2)
    }

    /// Writes until the journal finds no room.
    private func fillJournal(_ catalog: Catalog) throws {
        for index in 0..<100 { try catalog.set("filler-\(index)", to: String(repeating: "x", count: 20_000)) }
    }

    @Test func anImportWithoutRoomLeavesNothingBehind() throws {
        let upload = try UploadFolder(path: disk.path + "/crops")
        let picture = try TestPictures.padded(.png, to: 50_000)
        try elsewhere.write("p.png", picture)
        try disk.fill()
        #expect(code { _ = try upload.importFile(path: elsewhere.file("p.png")) } == .diskFull)
        #expect(try FileManager.default.contentsOfDirectory(atPath: disk.path + "/crops").isEmpty)
        try disk.makeRoom()
        _ = try upload.importFile(path: elsewhere.file("p.png"))
    }
}

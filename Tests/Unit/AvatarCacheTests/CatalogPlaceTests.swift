import AvatarCore
import Foundation
import GRDB
import TestPictures
import Testing

@testable import AvatarCache

/// A catalog that was taken away from under its path, and crops in folders that come and go.
@Suite struct CatalogPlaceTests {
    let harness: CacheHarness

    init() throws { harness = try CacheHarness() }

    private var file: String { harness.statePath + "/catalog.sqlite" }

    @Test(arguments: [[""], ["-wal"], ["", "-wal", "-shm"]])
    func aCatalogThatWasRemovedIsMadeAnewWithEverythingInIt(removed: [String]) throws {
        let fetched = try harness.fetched(try named("a.png"))
        try harness.crop(try named("mine.png"), account: "s/7")
        #expect(harness.catalog.standing() == .held)
        for suffix in removed { try FileManager.default.removeItem(atPath: file + suffix) }
        #expect(harness.catalog.standing() == .missing && !harness.catalog.isReplaced())
        let anew = try harness.catalog.madeAnew(in: harness.statePath, bootID: "boot-1")
        #expect(anew.standing() == .held)
        #expect(try anew.avatars(named: [fetched.name])[fetched.name] == fetched)
        #expect(try anew.pendingCrops(of: "s/7").map(\.name.string) == ["mine.png"])
        #expect(anew.opening.epoch == "epoch-1" && !anew.opening.needsAudit)
        // What is written from now on is there after a crash, and nothing of the old file is in the way.
        try anew.set("note", to: "kept")
        try harness.reopen()
        #expect(try harness.catalog.setting("note") == "kept")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: harness.statePath).allSatisfy { !$0.hasSuffix(".new") })
    }

    @Test func anotherCatalogAtThePathIsSeen() throws {
        try FileManager.default.copyItem(atPath: file, toPath: file + ".copy")
        #expect(rename(file + ".copy", file) == 0)
        #expect(harness.catalog.standing() == .another && harness.catalog.isReplaced())
    }

    @Test func cropsAreKnownAgainWhenTheirFolderComesBack() throws {
        let (sent, waiting) = (try named("sent.png"), try named("waiting.png"))
        #expect(try harness.catalog.cropsLie(in: "one") == [])
        let facts = try harness.crop(sent, account: "s/7")
        _ = try harness.catalog.recordUploaded(sent, sha256: facts.sha256, to: "s/7", at: harness.wall)
        let order = try harness.catalog.crop(try harness.crop(waiting, account: "s/7").name)?.closedOrder
        #expect(try harness.catalog.cropsLie(in: "two") == [])
        #expect(try harness.catalog.crop(sent)?.state == .done, "the folder may be a copy of the one before")
        try harness.catalog.forgetCrops([sent, waiting])
        try harness.crop(sent, account: "s/7")
        #expect(try harness.catalog.cropsLie(in: "one") == [waiting])
        #expect(try harness.catalog.crop(sent)?.state == .done)
        #expect(try harness.catalog.crop(waiting)?.closedOrder == order)
        #expect(try harness.catalog.cropsLie(in: "one") == [], "nothing has changed")
        #expect(try harness.catalog.cropsLie(in: "two") == [sent])
    }

    @Test func aCropThatWasSentWhileItsFolderWasAwayDoesNotWaitAnyMore() throws {
        let name = try named("mine.png")
        _ = try harness.catalog.cropsLie(in: "one")
        let facts = try harness.crop(name, account: "s/7")
        _ = try harness.catalog.cropsLie(in: "two")
        try harness.catalog.forgetCrops([name])
        _ = try harness.catalog.recordUploaded(name, sha256: facts.sha256, to: "s/7", at: harness.wall)
        #expect(try harness.catalog.cropsLie(in: "one") == [])
        #expect(try harness.catalog.crop(name)?.state == .done)
    }

    @Test func onlySomeFoldersAreRemembered() throws {
        let name = try named("mine.png")
        try harness.crop(name, account: nil)
        for number in 0...Limits.Paths.cropFoldersMax + 4 { _ = try harness.catalog.cropsLie(in: "folder \(number)") }
        let kept = try harness.catalog.read("counting") { db in
            try Int.fetchOne(db, sql: "SELECT count(DISTINCT folder) FROM crops_elsewhere") ?? 0
        }
        #expect(kept == Limits.Paths.cropFoldersMax)
    }

    @Test func aColumnThatALaterVersionAddsToCropsDoesNotKeepThemFromComingBack() throws {
        let name = try named("mine.png")
        _ = try harness.catalog.cropsLie(in: "one")
        try harness.crop(name, account: "s/7")
        try harness.catalog.write("adding a column") {
            try $0.execute(sql: "ALTER TABLE crops ADD COLUMN later INTEGER")
        }
        _ = try harness.catalog.cropsLie(in: "two")
        try harness.catalog.forgetCrops([name])
        #expect(try harness.catalog.cropsLie(in: "one") == [name])
    }
}

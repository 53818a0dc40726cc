import AvatarCore
import Foundation
import TestPictures
import Testing

@testable import AvatarCache

/// What a run finds that was cut short between two steps of a commit.
@Suite struct RecoveryTests {
    let name: AvatarName
    let harness: CacheHarness
    let bytes: [UInt8]

    init() throws {
        name = try named("a.png")
        harness = try CacheHarness()
        bytes = try TestPictures.picture("ada.png")
    }

    private var recovery: CommitRecovery? {
        get throws { try harness.cache.intentFindings().first?.recovery }
    }

    @Test(arguments: ["boot-1", "boot-2"])
    func anIntentBeforeItsRenameIsFinished(boot: String) throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        try harness.reopen(boot: boot)
        #expect(try recovery == .place)
        #expect(try harness.cache.recoverIntents(at: harness.wall).map(\.event.kind) == [.ready])
        #expect(try harness.root.read("avatars/a.png") == bytes)
        #expect(try harness.catalog.intents().isEmpty)
    }

    @Test(arguments: ["boot-1", "boot-2"])
    func aRenameBeforeItsRowIsFinished(boot: String) throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        _ = try harness.cache.renameIntoPlace([name])
        try harness.reopen(boot: boot)
        #expect(try recovery == .record)
        let committed = try harness.cache.recoverIntents(at: harness.wall)
        #expect(committed.map(\.event.cursor) == [1])
        #expect(try harness.catalog.avatars(named: [name])[name] == committed.first?.avatar)
    }

    @Test func bytesThatAPowerCutTookLoseTheirFinalName() throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        _ = try harness.cache.renameIntoPlace([name])
        // Same inode, same size, other bytes: what a file system shows that kept the name and lost the data.
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: harness.cache.path(of: name)))
        try file.write(contentsOf: [UInt8](repeating: 0, count: bytes.count))
        try file.close()
        try harness.reopen(boot: "boot-2")
        #expect(try recovery == .removeDamaged)
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.cache.facts(of: name) == nil)
        #expect(try harness.catalog.intents().isEmpty)
    }

    @Test func anIntentWhoseBytesAreGoneIsDropped() throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        try FileManager.default.removeItem(atPath: harness.cachePath + "/.parts/a.png.part")
        try harness.reopen()
        #expect(try recovery == .forget)
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.catalog.intents().isEmpty)
    }

    @Test func aFileThatTookTheNameMeanwhileStays() throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        try harness.root.write("avatars/a.png", [1])
        try harness.reopen()
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.root.read("avatars/a.png") == [1])
        #expect(try harness.catalog.parts().map(\.name) == [name])
    }

    @Test func afterASwapThatWasCutShortTheOtherHandGetsItsNameBack() throws {
        _ = try harness.fetched(name, seed: 1)
        let second = try TestPictures.padded(.png, to: 5000, seed: 2)
        try harness.part(name, second)
        try harness.intend([name])
        // Between the check and the swap another program replaced the file; the agent was killed right after the swap.
        try harness.root.write("avatars/.parts/foreign", [9])
        let part = harness.cachePath + "/.parts/a.png.part"
        #expect(rename(part, harness.cache.path(of: name)) == 0)
        #expect(rename(harness.cachePath + "/.parts/foreign", part) == 0)
        try harness.reopen()
        #expect(try recovery == .giveBack)
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.root.read("avatars/a.png") == [9])
        #expect(try harness.root.read("avatars/.parts/a.png.part") == second)
    }

    /// The disk was full when the row was to be written; until it is not, the server has a newer picture.
    @Test func aPictureThatCouldNotBeRecordedMakesWayForANewerOne() throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        #expect(try harness.cache.renameIntoPlace([name]) == [.placed])
        let second = try TestPictures.padded(.png, to: 5000, seed: 2)
        try harness.part(name, second)
        try harness.intend([name])
        #expect(try harness.cache.renameIntoPlace([name]) == [.placed])
        #expect(try harness.root.read("avatars/a.png") == second)
    }

    @Test func theAgentsOwnEarlierFileGoesAfterACutSwap() throws {
        _ = try harness.fetched(name, seed: 1)
        try harness.part(name, try TestPictures.padded(.png, to: 5000, seed: 2))
        try harness.intend([name])
        let part = harness.cachePath + "/.parts/a.png.part"
        let final = harness.cache.path(of: name)
        #expect(rename(final, final + ".old") == 0)
        #expect(rename(part, final) == 0)
        #expect(rename(final + ".old", part) == 0)
        try harness.reopen()
        #expect(try harness.cache.recoverIntents(at: harness.wall).map(\.avatar.generation) == [2])
        #expect(try harness.root.names(in: "avatars/.parts").isEmpty)
    }

    @Test func anAuditFindsWhatAPowerCutTookAndWhatWasReplaced() throws {
        let names = try ["a", "b", "c", "d"].map { try named($0) }
        for name in names { _ = try harness.fetched(name, size: 3000) }
        // In place, so that the inode stays: zeros for one, another picture for the other, and one is deleted.
        for (name, bytes) in [("b", [UInt8](repeating: 0, count: 3000)), ("c", try TestPictures.tiny(.jpeg))] {
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: harness.cachePath + "/" + name))
            try file.truncate(atOffset: 0)
            try file.write(contentsOf: bytes)
            try file.close()
        }
        try FileManager.default.removeItem(atPath: harness.cachePath + "/d")
        let first = try harness.cache.audit(after: nil, limit: 3)
        #expect(first.checked == 3 && first.next == names[2])
        #expect(first.lost.map(\.name) == [names[1]] && first.replaced.map(\.name) == [names[2]])
        let second = try harness.cache.audit(after: first.next, limit: 3)
        #expect(second.lost.map(\.name) == [names[3]] && second.next == nil)
        let events = try harness.cache.removeLost(first.lost + second.lost, at: harness.wall)
        #expect(events.map(\.facts.reason) == ["corrupt", "corrupt"])
        #expect(try harness.root.names(in: "avatars") == [".parts", "a", "c"])
    }

    @Test func cleanAndUncleanEndsAreToldApart() throws {
        #expect(harness.catalog.opening == opening(existed: false, clean: false, same: false, epoch: "epoch-1"))
        try harness.reopen()
        #expect(harness.catalog.opening == opening(existed: true, clean: false, same: true, epoch: "epoch-1"))
        try harness.catalog.close()
        try harness.reopen(boot: "boot-2")
        #expect(harness.catalog.opening == opening(existed: true, clean: true, same: false, epoch: "epoch-1"))
    }

    @Test func onlyAnUncleanBootNeedsAnAudit() throws {
        #expect(!harness.catalog.opening.needsAudit)
        try harness.reopen()
        #expect(!harness.catalog.opening.needsAudit)
        try harness.reopen(boot: "boot-2")
        #expect(harness.catalog.opening.needsAudit)
        try harness.catalog.auditDone()
        try harness.catalog.close()
        try harness.reopen(boot: "boot-3")
        #expect(!harness.catalog.opening.needsAudit)
    }

    @Test func anAuditThatWasNotFinishedIsStillDueAtTheNextStart() throws {
        try harness.reopen(boot: "boot-2")
        try harness.catalog.close()
        try harness.reopen(boot: "boot-2")
        #expect(harness.catalog.opening.needsAudit)
    }

    private func opening(existed: Bool, clean: Bool, same: Bool, epoch: String) -> Catalog.Opening {
        Catalog.Opening(
            existed: existed, damagedMovedTo: nil, wasClean: clean, sameBoot: same, epoch: epoch, needsAudit: false)
    }
}

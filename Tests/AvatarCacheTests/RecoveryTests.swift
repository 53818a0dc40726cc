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

    private var place: IntentFinding.Place? {
        get throws { try harness.cache.intentFindings().first?.place }
    }

    @Test(arguments: ["boot-1", "boot-2"])
    func anIntentBeforeItsRenameIsFinished(boot: String) throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        try harness.reopen(boot: boot)
        #expect(try place == .inParts)
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
        #expect(try place == .inPlace)
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
        #expect(try place == .damaged)
        #expect(try harness.cache.recoverIntents(at: harness.wall).isEmpty)
        #expect(try harness.cache.facts(of: name) == nil)
        #expect(try harness.catalog.intents().isEmpty)
    }

    @Test func anIntentWhoseBytesAreGoneIsDropped() throws {
        try harness.part(name, bytes)
        try harness.intend([name])
        try FileManager.default.removeItem(atPath: harness.cachePath + "/.parts/a.png.part")
        try harness.reopen()
        #expect(try place == .gone)
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

    @Test func cleanAndUncleanEndsAreToldApart() throws {
        #expect(harness.catalog.opening == opening(existed: false, clean: false, same: false, epoch: "epoch-1"))
        try harness.reopen()
        #expect(harness.catalog.opening == opening(existed: true, clean: false, same: true, epoch: "epoch-1"))
        try harness.catalog.close()
        try harness.reopen(boot: "boot-2")
        #expect(harness.catalog.opening == opening(existed: true, clean: true, same: false, epoch: "epoch-1"))
    }

    private func opening(existed: Bool, clean: Bool, same: Bool, epoch: String) -> Catalog.Opening {
        Catalog.Opening(existed: existed, damagedMovedTo: nil, wasClean: clean, sameBoot: same, epoch: epoch)
    }
}

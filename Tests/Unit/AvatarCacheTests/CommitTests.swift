import AvatarCore
import Foundation
import PosixFiles
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct CommitTests {
    let a: AvatarName
    let b: AvatarName
    let harness: CacheHarness

    init() throws {
        a = try named("a.png")
        b = try named("b.png")
        harness = try CacheHarness()
    }

    @Test func aFetchedPictureEndsAtItsFinalNameWithRowAndEvent() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.part(a, bytes)
        let committed = try #require(try harness.commit([a]).first)
        #expect(try harness.root.read("avatars/a.png") == bytes)
        #expect(committed.avatar.image == ImageFacts(format: .png, width: 160, height: 160))
        #expect(committed.avatar.generation == 1)
        #expect(committed.event.kind == .ready && committed.event.cursor == 1)
        #expect(try harness.catalog.avatars(named: [a, b]) == [a: committed.avatar])
        #expect(try harness.root.names(in: "avatars/.parts").isEmpty)
        #expect(try harness.catalog.intents().isEmpty)
        #expect(try harness.catalog.parts().isEmpty)
    }

    @Test func manyAreCommittedInOneRound() throws {
        let names = try (0..<50).map { try named("n\($0).png") }.sorted()
        for name in names { try harness.part(name, try TestPictures.padded(.png, to: 3000)) }
        let committed = try harness.commit(names)
        #expect(committed.map(\.avatar.name) == names)
        #expect(committed.map(\.event.cursor) == Array(1...50))
    }

    @Test func aPartThatIsNoPictureIsRefusedWithAReason() throws {
        let short = try TestPictures.picture("ada.png").dropLast(3)
        try harness.part(a, Array(short))
        try harness.part(b, Array("text".utf8))
        let verdicts = try harness.cache.verify([a, b, try named("none")])
        #expect(verdicts[0] == .failure(.image(.truncated("the chunk IEND"))))
        #expect(verdicts[1] == .failure(.image(.notAnImage)))
        #expect(verdicts[2] == .failure(.missing))
    }

    @Test func aPartOfAnotherSizeThanPromisedIsRefused() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.cache.beginPart(
            PartStart(name: a, totalSize: Int64(bytes.count) + 1, chunkSize: 2048, serverKey: "s"), now: harness.now)
        _ = try harness.cache.appendParts([PartAppend(name: a, offset: 0, bytes: bytes)])
        let expected = PartError.wrongSize(expected: Int64(bytes.count) + 1, found: Int64(bytes.count))
        #expect(try harness.cache.verify([a]) == [.failure(expected)])
    }

    @Test func bytesWithThePromisedDigestAreProvenByIt() throws {
        let bytes = try TestPictures.picture("ada.png")
        let digest = try unsafe SHA256Digest(of: bytes.span.bytes)
        try harness.part(a, bytes, sha256: digest)
        try harness.part(b, bytes)
        #expect(try harness.commit([a, b]).map(\.avatar.assurance) == [.digest, .structural])
    }

    @Test func bytesWithAnotherDigestThanPromisedAreRefused() throws {
        let bytes = try TestPictures.picture("ada.png")
        let (promised, digest) = (try sha256("another"), try unsafe SHA256Digest(of: bytes.span.bytes))
        try harness.part(a, bytes, sha256: promised)
        #expect(try harness.cache.verify([a]) == [.failure(.wrongDigest(expected: promised, found: digest))])
    }

    @Test func anIntentKeepsHowFarItsBytesAreProven() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.part(a, bytes, sha256: try unsafe SHA256Digest(of: bytes.span.bytes))
        try harness.intend([a])
        try harness.reopen()
        #expect(try harness.cache.recoverIntents(at: harness.wall).map(\.avatar.assurance) == [.digest])
    }

    @Test func aNewVersionReplacesTheAgentsOwnFileAndIsAChange() throws {
        try harness.fetched(a, seed: 1)
        let second = try TestPictures.padded(.png, to: 4000, seed: 2)
        try harness.part(a, second)
        let committed = try #require(try harness.commit([a]).first)
        #expect(committed.event.kind == .changed)
        #expect(committed.avatar.generation == 2)
        #expect(try harness.root.read("avatars/a.png") == second)
        #expect(try harness.root.names(in: "avatars/.parts").isEmpty)
    }

    @Test func aFileOfAnotherHandIsNeverOverwritten() throws {
        try harness.root.write("avatars/a.png", [1, 2, 3])
        try harness.part(a, try TestPictures.picture("ada.png"))
        try harness.intend([a])
        #expect(try harness.cache.renameIntoPlace([a]) == [.nameTaken])
        #expect(try harness.root.read("avatars/a.png") == [1, 2, 3])
        #expect(try harness.root.names(in: "avatars/.parts") == ["a.png.part"])
    }

    @Test func aFileThatSomebodyPutOverTheAgentsIsNeverOverwritten() throws {
        try harness.fetched(a, seed: 1)
        try FileManager.default.removeItem(atPath: harness.cache.path(of: a))
        // ext4 gives the removed file's inode number out again at once.
        try harness.root.write("avatars/a.png", [9])
        try harness.part(a, try TestPictures.padded(.png, to: 4000))
        try harness.intend([a])
        #expect(try harness.cache.renameIntoPlace([a]) == [.nameTaken])
        #expect(try harness.root.read("avatars/a.png") == [9])
    }

    @Test func aFileWithTheVerySameBytesMayTakeTheRow() throws {
        let bytes = try TestPictures.picture("ada.png")
        try harness.root.write("avatars/a.png", bytes)
        try harness.part(a, bytes)
        #expect(try harness.commit([a]).map(\.event.kind) == [.ready])
        #expect(try harness.root.read("avatars/a.png") == bytes)
        #expect(try harness.root.names(in: "avatars/.parts").isEmpty)
    }

    @Test func aSymlinkAtTheFinalNameIsNotFollowed() throws {
        try harness.root.write("precious", [7])
        try FileManager.default.createSymbolicLink(
            atPath: harness.cache.path(of: a), withDestinationPath: harness.root.file("precious"))
        try harness.part(a, try TestPictures.picture("ada.png"))
        try harness.intend([a])
        #expect(try harness.cache.renameIntoPlace([a]) == [.nameTaken])
        #expect(try harness.root.read("precious") == [7])
    }

    @Test func aPartThatChangedAfterItWasVerifiedIsNotRenamed() throws {
        try harness.part(a, try TestPictures.picture("ada.png"))
        try harness.intend([a])
        try harness.root.write("avatars/.parts/a.png.part", [1])
        #expect(try harness.cache.renameIntoPlace([a, b]) == [.notVerified, .notVerified])
    }

    @Test func aCommitLiftsTheRefusalOfItsName() throws {
        try harness.catalog.setNegative(
            NegativeRow(
                name: a, owner: nil, reason: .absent, until: .at(9), tokenEpoch: 1, generation: nil, attempts: 1),
            at: harness.wall)
        try harness.fetched(a)
        #expect(try harness.catalog.negatives(named: [a]).isEmpty)
    }
}

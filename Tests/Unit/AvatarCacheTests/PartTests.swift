import AvatarCore
import Foundation
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct PartTests {
    let name: AvatarName
    let harness: CacheHarness

    init() throws {
        name = try named("a.png")
        harness = try CacheHarness()
    }

    private func begin(total: Int64 = 5000, server: String = "s") throws {
        try harness.cache.beginPart(
            PartStart(name: name, totalSize: total, chunkSize: 2048, serverKey: server), now: harness.now)
    }

    private func append(_ offset: Int64, _ count: Int) throws -> AppendOutcome? {
        try harness.cache.appendParts([
            PartAppend(name: name, offset: offset, bytes: [UInt8](repeating: 7, count: count))
        ]).first
    }

    private func resumable(
        server: String = "s", total: Int64? = nil, after: Duration = .zero
    ) throws -> Int64? {
        try harness.cache.resumablePart(name, serverKey: server, totalSize: total, now: harness.now + after)?.offset
    }

    @Test func bytesNeverLeaveAGap() throws {
        try begin()
        #expect(try append(0, 2048) == .held(2048))
        #expect(try append(0, 2048) == .held(2048), "what is held may be written over")
        #expect(try append(4096, 10) == .wrongOffset(held: 2048))
        #expect(try append(2048, 2953) == .pastEnd)
        #expect(try append(2048, 2952) == .held(5000))
        #expect(try resumable() == 5000)
    }

    @Test func bytesForNothingUnderWayAreRefused() throws {
        #expect(try append(0, 1) == .noPart)
    }

    /// What came together is written together: a part that begins, its first chunk, and the next chunk of another.
    @Test func partsBeginAndGoOnInOneTransaction() throws {
        try begin()
        _ = try append(0, 2048)
        let other = try named("b.png")
        let written = try harness.cache.writeParts(
            beginning: [PartStart(name: other, totalSize: 3000, chunkSize: 2048, serverKey: "s")],
            appending: [
                PartAppend(name: other, offset: 0, bytes: [UInt8](repeating: 1, count: 2048)),
                PartAppend(name: name, offset: 2048, bytes: [UInt8](repeating: 7, count: 100)),
                PartAppend(name: other, offset: 2048, bytes: [UInt8](repeating: 2, count: 952)),
            ], now: harness.now)
        #expect(written.unbegun.isEmpty)
        #expect(written.appended == [.held(2048), .held(2148), .held(3000)])
        try harness.reopen()
        #expect(try resumable() == 2148)
        #expect(try harness.cache.resumablePart(other, serverKey: "s", now: harness.now)?.offset == 3000)
    }

    /// The bytes of a part that could not be begun go nowhere, and certainly not behind those of an earlier part of that name.
    @Test func aPartThatCannotBeginTakesNoBytesAndHoldsNoOtherBack() throws {
        try begin()
        let blocked = try named("b.png")
        let place = harness.cachePath + "/.parts/b.png.part"
        try FileManager.default.createDirectory(atPath: place + "/in the way", withIntermediateDirectories: true)
        let written = try harness.cache.writeParts(
            beginning: [PartStart(name: blocked, totalSize: 10, chunkSize: 64, serverKey: "s")],
            appending: [
                PartAppend(name: blocked, offset: 0, bytes: [1]), PartAppend(name: name, offset: 0, bytes: [7]),
            ], now: harness.now)
        #expect(written.unbegun.keys.map(\.string) == ["b.png"])
        #expect(written.appended == [.noPart, .held(1)])
    }

    @Test func theOffsetSurvivesACrashInTheSameBoot() throws {
        try begin()
        _ = try append(0, 2048)
        try harness.reopen()
        #expect(try resumable() == 2048)
        #expect(try append(2048, 100) == .held(2148))
    }

    @Test func theOffsetIsWhatCatalogAndFileAgreeOn() throws {
        try begin()
        _ = try append(0, 4096)
        #expect(truncate(harness.cachePath + "/.parts/a.png.part", 3000) == 0)
        try harness.reopen()
        #expect(try resumable() == 3000)
        #expect(try append(3000, 1) == .held(3001))
    }

    /// Who may not go on: another boot, an hour later, another server, another size, no file.
    @Test func whatMayNotGoOnStartsAgain() throws {
        try begin()
        _ = try append(0, 2048)
        #expect(try resumable(server: "t") == nil)
        #expect(try resumable(total: 5001) == nil)
        #expect(try resumable(total: 5000) == 2048)
        #expect(try resumable(after: .seconds(3599)) == 2048)
        #expect(try resumable(after: .seconds(3600)) == nil)
        try harness.reopen(boot: "boot-2")
        #expect(try resumable() == nil)
        try harness.reopen(boot: "boot-1")
        try FileManager.default.removeItem(atPath: harness.cachePath + "/.parts/a.png.part")
        #expect(try resumable() == nil)
    }

    @Test func whatTheServerPromisedIsKeptWithThePart() throws {
        let digest = try sha256("promised")
        try harness.cache.beginPart(
            PartStart(
                name: name, totalSize: 100, chunkSize: nil, serverKey: "s", sha256: digest, tag: "W/\"a \u{e9}\""),
            now: harness.now)
        try harness.reopen()
        let part = try #require(try harness.cache.resumablePart(name, serverKey: "s", now: harness.now))
        #expect(part.chunkSize == nil && part.sha256 == digest && part.tag == "W/\"a \u{e9}\"")
    }

    @Test func beginningAgainTruncates() throws {
        try begin()
        _ = try append(0, 4096)
        try begin(total: 3000)
        #expect(try harness.root.read("avatars/.parts/a.png.part").isEmpty)
        #expect(try resumable() == 0)
    }

    @Test func aDiscardedPartIsGone() throws {
        try begin()
        _ = try append(0, 10)
        try harness.cache.discardParts([name])
        #expect(try harness.root.names(in: "avatars/.parts").isEmpty)
        #expect(try harness.catalog.parts().isEmpty)
    }

    @Test func moreTransfersThanOpenFilesGoOn() throws {
        let names = try (0..<Limits.Cache.openPartsMax * 2).map { try named("p\($0)") }
        for name in names {
            try harness.cache.beginPart(
                PartStart(name: name, totalSize: 100, chunkSize: 10, serverKey: "s"), now: harness.now)
        }
        for round in 0..<3 {
            let outcomes = try harness.cache.appendParts(
                names.map { PartAppend(name: $0, offset: Int64(round * 10), bytes: [UInt8](repeating: 1, count: 10)) })
            #expect(outcomes.allSatisfy { $0 == .held(Int64(round * 10 + 10)) })
        }
    }

    @Test func trimmingRemovesWhatCannotGoOnAndStrayFiles() throws {
        try begin()
        let kept = try named("kept.png")
        try harness.cache.beginPart(
            PartStart(name: kept, totalSize: 10, chunkSize: 10, serverKey: "s"), now: harness.now)
        let fresh = try named("fresh.png")
        let later = harness.now + .seconds(3600)
        try harness.cache.beginPart(
            PartStart(name: fresh, totalSize: 10, chunkSize: 10, serverKey: "s"), now: later)
        try harness.root.write("avatars/.parts/stray.part", [1])
        let trimmed = try harness.cache.trimParts(keep: [kept], now: later)
        #expect(trimmed == PartsTrimmed(names: [name], strayFiles: 1))
        #expect(try harness.root.names(in: "avatars/.parts") == ["fresh.png.part", "kept.png.part"])
    }
}

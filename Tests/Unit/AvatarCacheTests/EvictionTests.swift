import AvatarCore
import Foundation
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct EvictionTests {
    let harness: CacheHarness

    /// Four pictures of 2,000 bytes, wanted one after the other.
    init() throws {
        harness = try CacheHarness()
        for (index, name) in ["a", "b", "c", "d"].enumerated() {
            _ = try harness.fetched(try named(name), size: 2000, wanted: .at(Int64(index)))
        }
    }

    private func evict(_ bytesMax: Int64, keep: [String] = []) throws -> (gone: String, eviction: Eviction) {
        let eviction = try harness.cache.evict(
            bytesMax: bytesMax, keep: Set(try keep.map { try named($0) }), at: harness.wall)
        return (eviction.removed.map(\.name.string).joined(), eviction)
    }

    @Test(
        arguments: [
            (8000, [], "", false), (7999, [], "a", false), (4000, [], "ab", false), (4000, ["a"], "bc", false),
            (0, ["b", "d"], "ac", true), (0, [], "abcd", false),
        ] as [(Int64, [String], String, Bool)])
    func theLeastRecentlyWantedGoFirst(bytesMax: Int64, keep: [String], gone: String, over: Bool) throws {
        let result = try evict(bytesMax, keep: keep)
        #expect(result.gone == gone)
        #expect(result.eviction.isStillOver == over)
        #expect(result.eviction.bytesFreed == Int64(gone.count) * 2000)
        #expect(harness.catalog.totals.bytes == 8000 - Int64(gone.count) * 2000)
        let left = Set(["a", "b", "c", "d"]).subtracting(gone.map(String.init)).sorted()
        #expect(try harness.root.names(in: "avatars").filter { !$0.hasPrefix(".") } == left)
    }

    @Test func whatWasWantedAgainGoesLast() throws {
        try harness.catalog.touch([try named("a")], at: .at(100))
        #expect(try evict(2000).gone == "bcd")
    }

    @Test func everyEvictionIsAnEvent() throws {
        let events = try evict(4000).eviction.removed
        #expect(events.map(\.kind) == [.removed, .removed])
        #expect(events.allSatisfy { $0.facts.reason == "evicted" })
        #expect(events.map(\.cursor) == [5, 6])
    }

    @Test func whatComesBackIsANewGeneration() throws {
        _ = try harness.fetched(try named("a"), size: 2001, seed: 1)
        #expect(try harness.catalog.avatars(named: [named("a")]).values.map(\.generation) == [2])
        _ = try evict(0)
        #expect(try harness.fetched(try named("a"), size: 2000).generation == 3)
        #expect(try harness.fetched(try named("e"), size: 2000).generation == 3)
        try harness.reopen()
        _ = try evict(0)
        #expect(try harness.fetched(try named("a"), size: 2000).generation == 4)
    }

    @Test func aSymlinkToAPreciousFolderIsNeverTouched() throws {
        let precious = harness.root.file("precious")
        try FileManager.default.createDirectory(atPath: precious, withIntermediateDirectories: false)
        try harness.root.write("precious/thesis.txt", [1])
        try harness.root.write("precious.png", [2])
        for (name, target) in [("a", precious), ("b", harness.root.file("precious.png"))] {
            try FileManager.default.removeItem(atPath: harness.cachePath + "/" + name)
            try FileManager.default.createSymbolicLink(
                atPath: harness.cachePath + "/" + name, withDestinationPath: target)
        }
        let result = try evict(0)
        #expect(result.gone == "cd")
        #expect(result.eviction.isStillOver)
        #expect(try harness.root.read("precious/thesis.txt") == [1])
        #expect(try harness.root.read("precious.png") == [2])
        #expect(try harness.root.names(in: "avatars") == [".parts", "a", "b"])
    }

    @Test func aFileOfAnotherHandStays() throws {
        try FileManager.default.removeItem(atPath: harness.cachePath + "/a")
        try harness.root.write("avatars/a", [1])
        #expect(try evict(0).gone == "bcd")
        #expect(try harness.root.read("avatars/a") == [1])
    }

    @Test func aFileThatIsGoneAlreadyIsForgotten() throws {
        try FileManager.default.removeItem(atPath: harness.cachePath + "/a")
        #expect(try evict(7000).gone == "a")
    }

    @Test func foreignFilesAreNeverEvicted() throws {
        let foreign = try named("foreign.png")
        try harness.root.write("avatars/foreign.png", try TestPictures.tiny(.png))
        let file = try #require(try harness.cache.examine(foreign)).get()
        _ = try harness.cache.adopt([FoundFile(name: foreign, origin: .foreign, file: file)], at: .at(0))
        let result = try evict(0)
        #expect(result.gone == "abcd" && result.eviction.isStillOver)
        #expect(try harness.cache.forget(foreign, at: harness.wall) == nil)
        #expect(try harness.cache.facts(of: foreign) != nil)
    }

    @Test func aForgottenPictureGoesOnRequest() throws {
        #expect(try harness.cache.forget(named("c"), at: harness.wall)?.facts.reason == "forgotten")
        #expect(try harness.root.names(in: "avatars") == [".parts", "a", "b", "d"])
    }

    /// More rows than one page of the eviction's own.
    @Test func manyPagesAreGoneThrough() throws {
        let harness = try CacheHarness(sync: .none)
        let names = try (0..<Limits.Cache.differencesPerBatchMax + 40).map { try named("n\(1000 + $0)") }
        for name in names { try harness.part(name, try TestPictures.tiny(.webp)) }
        try harness.commit(names)
        let eviction = try harness.cache.evict(bytesMax: 96, keep: [names[0]], at: harness.wall)
        #expect(eviction.removed.count == names.count - 1 && !eviction.isStillOver)
    }
}

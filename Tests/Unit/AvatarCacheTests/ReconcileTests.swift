import AvatarCore
import Foundation
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct ReconcileTests {
    let harness: CacheHarness

    init() throws {
        harness = try CacheHarness()
        for name in ["a", "b", "c"] { _ = try harness.fetched(try named(name)) }
    }

    private func compare() throws -> (comparison: Comparison, differences: [CacheDifference]) {
        var differences: [CacheDifference] = []
        let comparison = try harness.cache.compare { differences += $0 }
        return (comparison, differences)
    }

    @Test func nothingDiffersWhenNothingHappened() throws {
        let result = try compare()
        #expect(result.differences.isEmpty)
        #expect(result.comparison == Comparison(files: 3, same: 3))
    }

    @Test func everyKindOfDifferenceIsFound() throws {
        let before = try harness.catalog.avatars(named: [named("a"), named("b")])
        try FileManager.default.removeItem(atPath: harness.cachePath + "/a")
        try harness.root.write("avatars/b", [1, 2, 3])
        for name in ["0", "bb", "zz"] { try harness.root.write("avatars/" + name, [1]) }
        try harness.root.write("avatars/.hidden", [1])
        try FileManager.default.createSymbolicLink(
            atPath: harness.cachePath + "/link", withDestinationPath: "/etc/passwd")
        try FileManager.default.createDirectory(
            atPath: harness.cachePath + "/folder", withIntermediateDirectories: false)
        let found = try compare().differences.map { difference -> String in
            switch difference {
            case .missing(let row): row == before[row.name] ? "missing \(row.name)" : "wrong row"
            case .changed(let row, let identity): identity.size == 3 ? "changed \(row.name)" : "wrong size"
            case .unknown(let name, _): "unknown \(name)"
            }
        }
        #expect(found == ["unknown 0", "missing a", "changed b", "unknown bb", "unknown zz"])
    }

    @Test func namesThatNoAvatarMayHaveAreReported() throws {
        let long = String(repeating: "x", count: 201)
        try harness.root.write("avatars/" + long, [1])
        #expect(try compare().comparison.invalid == [AvatarNameError(.tooLong(bytes: 201), name: long)])
        let notUTF8: [CChar] = Array((harness.cachePath + "/").utf8CString.dropLast()) + [-1, 97, 0]
        close(open(notUTF8, O_CREAT | O_WRONLY, 0o600))
        #expect(try compare().comparison.invalid.map(\.code).contains(.notUTF8))
    }

    @Test func aTouchedFileWithTheSameBytesIsAdoptedWithoutAnEvent() throws {
        let a = try named("a")
        let path = harness.cachePath + "/a"
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
        #expect(try compare().differences.count == 1)
        let file = try #require(try harness.cache.examine(a)).get()
        #expect(try harness.cache.adopt([FoundFile(name: a, origin: .foreign, file: file)], at: .at(1)).isEmpty)
        #expect(try compare().differences.isEmpty)
        #expect(try harness.catalog.avatars(named: [a])[a]?.origin == .downloaded)
    }

    @Test func aFileWithOtherBytesIsAChangeOfAnotherHand() throws {
        let a = try named("a")
        try harness.root.write("avatars/a", try TestPictures.tiny(.jpeg))
        let file = try #require(try harness.cache.examine(a)).get()
        let change = try harness.cache.adopt([FoundFile(name: a, origin: .foreign, file: file)], at: .at(1))
        #expect(change.map(\.event.kind) == [.changed])
        #expect(change.first?.avatar.generation == 2 && change.first?.avatar.origin == .foreign)
    }

    @Test func manyDifferencesComeInBoundedBatchesWhileTheCatalogIsWritten() throws {
        let harness = try CacheHarness(sync: .none)
        let picture = try TestPictures.tiny(.webp)
        let count = Limits.Cache.differencesPerBatchMax * 2 + 10
        _ = try harness.cache.adoptBaseline(shared: false, at: harness.wall)
        for index in 0..<count { try harness.root.write("avatars/n\(index)", picture) }
        var sizes: [Int] = []
        _ = try harness.cache.compare { (batch) throws(CacheError) in
            sizes.append(batch.count)
            try harness.catalog.set("seen", to: "\(sizes)")
        }
        #expect(sizes == [Limits.Cache.differencesPerBatchMax, Limits.Cache.differencesPerBatchMax, 10])
    }

    @Test func aFolderThatWasSomebodyElsesIsTakenInAsForeign() throws {
        let root = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: root.file("pictures"), withIntermediateDirectories: false)
        try root.write("pictures/holiday.jpg", try TestPictures.tiny(.jpeg))
        try root.write("pictures/notes.txt", [1])
        let catalog = try Catalog(stateDirectory: root.file("state"), sync: .none, bootID: "b", newEpoch: "e")
        let cache = try CacheFolder(path: root.file("pictures"), catalog: catalog, bootID: "b")
        #expect(!cache.wasHereBefore)
        let baseline = try cache.adoptBaseline(shared: false, at: .at(1))
        #expect(baseline == Baseline(adopted: 1, refused: [try named("notes.txt"): .image(.notAnImage)]))
        #expect(try catalog.list().first?.avatar?.origin == .foreign)
        #expect(try cache.evict(bytesMax: 0, keep: [], at: .at(2)).removed.isEmpty)
    }
}

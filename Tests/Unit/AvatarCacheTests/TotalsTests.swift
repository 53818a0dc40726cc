import AvatarCore
import Foundation
import TestPictures
import Testing

@testable import AvatarCache

/// The totals are kept in memory; a recount says whether they are right.
@Suite struct TotalsTests {
    let harness: CacheHarness
    let a: AvatarName

    init() throws {
        harness = try CacheHarness()
        a = try named("a.png")
        try harness.fetched(a, size: 2000)
        try harness.fetched(try named("b.png"), size: 3000)
    }

    private func expectTotals(_ files: Int, _ bytes: Int64) throws {
        let recounted = try harness.catalog.read("counting") { try Catalog.count($0) }
        #expect(recounted == (files, bytes))
        #expect(harness.catalog.totals == (files, bytes))
    }

    @Test func commitsAreCounted() throws { try expectTotals(2, 5000) }

    @Test func aNewVersionCountsInPlaceOfTheOld() throws {
        try harness.fetched(a, size: 2500, seed: 1)
        try expectTotals(2, 5500)
    }

    @Test func whatIsRemovedCountsNoMore() throws {
        _ = try harness.catalog.recordRemoved([a, a, try named("never-there")], reason: nil, at: harness.wall)
        try expectTotals(1, 3000)
        _ = try harness.cache.evict(bytesMax: 0, keep: [], at: harness.wall)
        try expectTotals(0, 0)
    }

    @Test func whatIsAdoptedCounts() throws {
        try harness.root.write("avatars/found.png", try TestPictures.padded(.png, to: 1000))
        _ = try harness.cache.adoptBaseline(shared: false, at: harness.wall)
        try expectTotals(3, 6000)
        try harness.root.write("avatars/found.png", try TestPictures.padded(.png, to: 1500))
        let file = try #require(try harness.cache.examine(try named("found.png"))).get()
        for _ in 0..<2 {
            let found = FoundFile(name: try named("found.png"), origin: .foreign, file: file)
            _ = try harness.cache.adopt([found], at: harness.wall)
        }
        try expectTotals(3, 6500)
    }

    @Test func aTransactionThatIsTakenBackCountsNothing() throws {
        #expect(throws: CacheError.self) {
            try harness.catalog.write("failing") { db in
                let row = try #require(try Catalog.avatar(a, db))
                try harness.catalog.delete(row, db)
                throw CacheError(.catalog, "on purpose")
            }
        }
        try expectTotals(2, 5000)
        try harness.fetched(try named("c.png"), size: 1000)
        try expectTotals(3, 6000)
    }

    @Test func theyAreCountedAnewWhenTheCatalogIsOpened() throws {
        try harness.reopen()
        try expectTotals(2, 5000)
    }
}

import AvatarCore
import Foundation
import GRDB
import TestPictures
import Testing

@testable import AvatarCache

@Suite struct CatalogTests {
    let harness: CacheHarness
    let a: AvatarName

    init() throws {
        harness = try CacheHarness()
        a = try named("a.png")
    }

    @Test func onlyItsOwnerMayReadIt() throws {
        _ = try harness.fetched(a)
        for file in try harness.root.names(in: "state") {
            let attributes = try FileManager.default.attributesOfItem(atPath: harness.statePath + "/" + file)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
        }
        for folder in [harness.statePath, harness.cachePath, harness.cachePath + "/.parts"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder)
            #expect(attributes[.posixPermissions] as? Int == 0o700, "\(folder)")
        }
    }

    @Test(arguments: [(SyncLevel.full, 2), (.none, 0)])
    func theSettingReachesSQLite(level: SyncLevel, pragma: Int) throws {
        let harness = try CacheHarness(sync: level)
        #expect(try harness.catalog.synchronousLevel() == pragma)
        try harness.part(a, [1])
        #expect(try harness.catalog.synchronousLevel() == pragma)
    }

    @Test func cursorsHaveNoGapsAcrossRestarts() throws {
        _ = try harness.fetched(a, seed: 1)
        try harness.reopen()
        _ = try harness.fetched(a, seed: 2)
        _ = try harness.catalog.recordRemoved([a, try named("never-there")], reason: nil, at: harness.wall)
        try harness.catalog.close()
        try harness.reopen(boot: "boot-2")
        _ = try harness.catalog.recordUploaded(a, sha256: try sha256("nothing"), to: "s/7", at: harness.wall)
        guard case .events(let rows) = try harness.catalog.events(after: 0, epoch: "epoch-1") else {
            Issue.record("the log was reset")
            return
        }
        #expect(rows.map(\.cursor) == [1, 2, 3, 4])
        #expect(rows.map(\.kind) == [.ready, .changed, .removed, .icon])
        #expect(rows[1].facts.generation == 2)
        #expect(try harness.catalog.lastCursor() == 4)
        #expect(try harness.catalog.icon(of: "s/7") == a)
    }

    @Test func aTransactionThatFailsLeavesNoGap() throws {
        _ = try harness.fetched(a)
        #expect(throws: CacheError.self) {
            try harness.catalog.write("failing") { db in
                _ = try Catalog.log(.ready, a, EventFacts(), at: harness.wall, db)
                throw CacheError(.catalog, "on purpose")
            }
        }
        #expect(try harness.catalog.recordRemoved([a], reason: nil, at: harness.wall).map(\.cursor) == [2])
    }

    @Test func aFileThatIsNotUploadedIsLoggedOnceUntilItIsAnotherOrTheReasonIs() throws {
        let catalog = harness.catalog
        func log(_ reason: String, changed: Int64? = 1_000, at seconds: Int64) throws -> EventRow? {
            try catalog.logRefusal(a, size: 300, changed: changed, reason: reason, at: .at(seconds))
        }
        let first = try #require(try log("full", at: 100))
        #expect(first.kind == .refused && first.facts.reason == "full" && first.facts.size == 300)
        #expect(try log("full", at: 200) == nil)
        #expect(try log("full", changed: 150_000_000_000, at: 200)?.cursor == 2, "the file was changed since")
        #expect(try log("quota", at: 300)?.cursor == 3)
        #expect(try log("full", at: 400)?.cursor == 4)
        let facts = try harness.crop(a, account: "s/7")
        _ = try catalog.recordUploaded(a, sha256: facts.sha256, to: "s/7", at: .at(500))
        #expect(try log("full", changed: nil, at: 600)?.cursor == 7, "it was uploaded meanwhile")
        #expect(try log("full", changed: nil, at: 700) == nil)
    }

    @Test func anotherEpochOrACursorOutOfTheLogIsAReset() throws {
        _ = try harness.fetched(a)
        #expect(try harness.catalog.events(after: 0, epoch: "older") == .reset)
        #expect(try harness.catalog.events(after: 2, epoch: "epoch-1") == .reset)
        #expect(try harness.catalog.events(after: 1, epoch: "epoch-1") == .events([]))
    }

    @Test func theLogIsBoundedAndSaysSo() throws {
        let keep = Limits.Cache.eventsMax
        try harness.catalog.write("filling the log") { db in
            for _ in 0..<keep + 10 { _ = try Catalog.log(.ready, a, EventFacts(), at: harness.wall, db) }
        }
        #expect(try harness.catalog.events(after: 9, epoch: "epoch-1") == .reset)
        guard case .events(let rows) = try harness.catalog.events(after: 10, epoch: "epoch-1", limit: 5) else {
            Issue.record("cursor 10 should still be in reach")
            return
        }
        #expect(rows.map(\.cursor) == [11, 12, 13, 14, 15])
    }

    @Test func pagesHoldEveryNameOnceInOrder() throws {
        let names = try ["a", "b", "c", "d"].map { try named($0) }
        _ = try harness.fetched(names[0])
        try harness.part(names[1], [1])
        let refusal = NegativeRow(
            name: names[2], owner: nil, reason: .absent, until: .at(5), tokenEpoch: 1, generation: nil, attempts: 1)
        try harness.catalog.setNegative(refusal, at: harness.wall)
        var forbidden = refusal
        (forbidden.name, forbidden.reason) = (names[3], .forbidden)
        try harness.catalog.setNegative(forbidden, at: harness.wall)
        let first = try harness.catalog.list(limit: 3)
        #expect(first.map(\.name) == Array(names[0..<3]))
        #expect(first[0].avatar != nil && first[1].part != nil && first[2].negative == refusal)
        #expect(try harness.catalog.list(after: names[2]).map(\.name) == [names[3]])
        let byFilter = try ListFilter.allCases.map { try harness.catalog.list($0).map(\.name.string).joined() }
        #expect(byFilter == ["abcd", "a", "", "b", "c", "d"])
    }

    @Test func refusalsAreKeptAndLiftedByNameOrToken() throws {
        let b = try named("b.png")
        for (name, epoch) in [(a, 1), (b, 2)] as [(AvatarName, Int64)] {
            let row = NegativeRow(
                name: name, owner: UserID(7), reason: .forbidden, until: .at(50), tokenEpoch: epoch, generation: 3,
                attempts: 2)
            let event = try harness.catalog.setNegative(row, at: harness.wall)
            #expect(event.kind == .failed && event.facts.reason == "forbidden")
            #expect(try harness.catalog.negatives(named: [name]) == [name: row])
        }
        try harness.reopen()
        _ = try harness.catalog.openAccount("s/7", credential: "first")
        #expect(try harness.catalog.negatives(named: [a, b]).keys.map(\.self) == [a])
        _ = try harness.catalog.openAccount("s/7", credential: "second")
        #expect(try harness.catalog.negatives(named: [a, b]).isEmpty)
        let row = NegativeRow(
            name: b, owner: nil, reason: .absent, until: .at(50), tokenEpoch: 2, generation: nil, attempts: 1)
        try harness.catalog.setNegative(row, at: harness.wall)
        try harness.catalog.clearNegatives([b])
        #expect(try harness.catalog.negatives(named: [a, b]).isEmpty)
    }

    @Test func smallValuesAreKept() throws {
        #expect(try harness.catalog.setting("token.epoch") == nil)
        try harness.catalog.set("token.epoch", to: "3")
        try harness.reopen()
        #expect(try harness.catalog.setting("token.epoch") == "3")
        try harness.catalog.set("token.epoch", to: nil)
        #expect(try harness.catalog.setting("token.epoch") == nil)
    }
}

/// A catalog that is not what it should be.
@Suite struct CatalogDamageTests {
    let harness: CacheHarness
    let a: AvatarName

    init() throws {
        harness = try CacheHarness()
        a = try named("a.png")
    }

    private var file: String { harness.statePath + "/catalog.sqlite" }

    private func release() throws {
        try harness.catalog.close()
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file + suffix) }
    }

    /// Enough rows that their table has pages of its own.
    private func keepManyRefusals() throws {
        for index in 0..<200 {
            try harness.catalog.setNegative(
                NegativeRow(
                    name: try named("n\(index)"), owner: nil, reason: .absent, until: .at(1), tokenEpoch: 1,
                    generation: nil, attempts: 1), at: harness.wall)
        }
    }

    @Test func aFileThatIsNoDatabaseIsMovedAsideAndTheFoldersAreTheBaseline() throws {
        let row = try harness.fetched(a)
        try release()
        try Data("this is no database, but long enough to be looked at as one".utf8).write(
            to: URL(fileURLWithPath: file))
        try harness.reopen(epoch: "epoch-2")
        let opening = harness.catalog.opening
        #expect(opening.damagedMovedTo == file + ".damaged-1")
        #expect(!opening.existed && opening.epoch == "epoch-2")
        let baseline = try harness.cache.adoptBaseline(shared: false, at: harness.wall)
        #expect(baseline == Baseline(adopted: 1, refused: [:]))
        let adopted = try #require(try harness.catalog.avatars(named: [a])[a])
        #expect(adopted.sha256 == row.sha256 && adopted.origin == .downloaded)
        #expect(try harness.catalog.events(after: 0, epoch: "epoch-2") == .events([]))
        try harness.reopen(epoch: "epoch-3")
        #expect(harness.catalog.opening.damagedMovedTo == nil && harness.catalog.opening.epoch == "epoch-2")
    }

    @Test func damagedPagesAreFoundAfterAnUncleanEnd() throws {
        try keepManyRefusals()
        try release()
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        let size = try handle.seekToEnd()
        for offset in stride(from: UInt64(8192), to: size, by: 4096) {
            try handle.seek(toOffset: offset)
            try handle.write(contentsOf: [UInt8](repeating: 0xa5, count: 2048))
        }
        try handle.close()
        try harness.reopen(epoch: "epoch-2")
        #expect(harness.catalog.opening.damagedMovedTo == file + ".damaged-1")
        #expect(harness.catalog.totals == (0, 0))
    }

    @Test func aDeletedCatalogBeginsANewEpoch() throws {
        _ = try harness.fetched(a)
        try release()
        try FileManager.default.removeItem(atPath: file)
        try harness.reopen(epoch: "epoch-2")
        #expect(!harness.catalog.opening.existed && harness.catalog.opening.damagedMovedTo == nil)
        #expect(harness.catalog.opening.epoch == "epoch-2")
        #expect(harness.cache.wasHereBefore)
    }

    /// A kill in the middle of taking the folders in must not make crops of what was not reached.
    @Test func aBaselineStaysDueUntilItIsTakenIn() throws {
        #expect(try !harness.catalog.isBaselineDue(), "no agent was here before")
        try release()
        try FileManager.default.removeItem(atPath: file)
        try harness.reopen(epoch: "epoch-2")
        #expect(try harness.catalog.isBaselineDue())
        try harness.reopen(epoch: "epoch-3")
        #expect(harness.catalog.opening.existed)
        #expect(try harness.catalog.isBaselineDue())
        try harness.catalog.baselineDone()
        try harness.reopen(epoch: "epoch-3")
        #expect(try !harness.catalog.isBaselineDue())
    }

    @Test func damageThatIsMetIsLookedForAtTheNextStart() throws {
        try keepManyRefusals()
        try release()
        // The page of the list alone, so that opening meets nothing of it after an end in order.
        let root = try DatabaseQueue(path: file).read {
            try Int.fetchOne($0, sql: "SELECT rootpage FROM sqlite_master WHERE name = 'negatives'")
        }
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        try handle.seek(toOffset: UInt64(try #require(root) - 1) * 4096)
        try handle.write(contentsOf: [UInt8](repeating: 0xa5, count: 4096))
        try handle.close()
        try harness.reopen()
        #expect(harness.catalog.opening.damagedMovedTo == nil)
        #expect(throws: CacheError.self) { try harness.catalog.negatives(named: [named("n7")]) }
        try harness.catalog.close()
        try harness.reopen(epoch: "epoch-2")
        #expect(harness.catalog.opening.damagedMovedTo == file + ".damaged-1")
    }

    @Test func damagedCatalogsDoNotPileUp() throws {
        for _ in 0..<Limits.Cache.damagedCatalogsMax + 3 {
            try release()
            try Data(repeating: 7, count: 100).write(to: URL(fileURLWithPath: file))
            try harness.reopen()
        }
        let damaged = try harness.root.names(in: "state").filter { $0.contains("damaged") }
        #expect(damaged.count == Limits.Cache.damagedCatalogsMax)
    }

    @Test func aCatalogOfALaterVersionIsRefusedAndLeftAlone() throws {
        try harness.catalog.write("pretending") { db in
            try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('v999')")
        }
        try release()
        let error = #expect(throws: CacheError.self) { try harness.reopen() }
        #expect(error?.code == .catalogNewer)
        let left = try DatabaseQueue(path: file).read { try String.fetchAll($0, sql: "SELECT * FROM grdb_migrations") }
        #expect(left.contains("v999"))
    }

    /// Writes the rows that the stored catalogs hold. When a migration is added, the file of the version before it is kept once, by
    /// running this test at that version with `AVATARD_KEEP_CATALOG` set to a path under `Tests/Support/Fixtures/catalogs`.
    @Test func rowsOfEveryKindAreWrittenAndRead() throws {
        let harness = try CacheHarness(epoch: "epoch-stored")
        _ = try harness.fetched(a, seed: 1)
        _ = try harness.fetched(a, seed: 2)
        try harness.catalog.setNegative(
            NegativeRow(
                name: try named("gone.png"), owner: UserID(3), reason: .absent, until: .at(1), tokenEpoch: 1,
                generation: 4, attempts: 1), at: harness.wall)
        try harness.crop(try named("crop.png"), account: nil)
        let sent = try harness.crop(try named("sent.png"), account: "s/7")
        _ = try harness.catalog.recordUploaded(sent.name, sha256: sent.sha256, to: "s/7", at: harness.wall)
        try harness.part(try named("part.png"), [UInt8](repeating: 1, count: 2048), sha256: try sha256("part"))
        try harness.part(try named("intent.png"), try TestPictures.tiny(.png))
        try harness.intend([try named("intent.png")])
        try harness.cache.discardParts([try named("intent.png")])
        #expect(try harness.catalog.intents().map(\.candidate.name.string) == ["intent.png"])
        var told = ChangeNotes()
        told.follow([try #require(UserID(1001)), try #require(UserID(1002))])
        told.position = "e.7"
        try harness.catalog.noteChanges(told, by: "https://avatars.test/7", at: harness.wall)
        try harness.catalog.close()
        if let keep = ProcessInfo.processInfo.environment["AVATARD_KEEP_CATALOG"] {
            try FileManager.default.copyItem(atPath: harness.statePath + "/catalog.sqlite", toPath: keep)
        }
    }

    /// Every version that was ever released opens, keeps what it held, and takes new rows.
    @Test(arguments: [("v1", 3), ("v2", 5), ("v7", 5)] as [(String, Int64)])
    func aCatalogOfEveryEarlierVersionIsMigrated(version: String, lastCursor: Int64) throws {
        try open(stored: version)
        #expect(harness.catalog.opening.existed && harness.catalog.opening.epoch == "epoch-stored")
        #expect(try harness.catalog.avatars(named: [a])[a]?.generation == 2)
        #expect(try harness.catalog.crop(named("crop.png"))?.state == .pending)
        #expect(try harness.catalog.negatives(named: [named("gone.png")]).count == 1)
        #expect(try harness.catalog.parts().map(\.offset) == [2048])
        #expect(try harness.catalog.parts().map(\.chunkSize) == [2048])
        #expect(try harness.catalog.lastCursor() == lastCursor)
        #expect(try harness.catalog.recordRemoved([a], reason: nil, at: harness.wall).map(\.cursor) == [lastCursor + 1])
    }

    /// Puts a stored catalog in the place of the harness's own, with `earlier` done to it first, and opens it.
    private func open(stored version: String, earlier: String = "") throws {
        let stored = TestPictures.fixtures.appendingPathComponent("catalogs/\(version).sqlite")
        try release()
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.copyItem(at: stored, to: URL(fileURLWithPath: file))
        let queue = try DatabaseQueue(path: file)
        try queue.write { try $0.execute(sql: earlier) }
        try queue.close()
        try harness.reopen(epoch: "epoch-new")
    }

    /// A crop of an earlier version is read once, since nobody knows its ctime; a baseline's bytes would tell nothing.
    @Test(arguments: ["v1", "v2"]) func cropsOfBeforeTheirTimesOfChangeAreReadOnceAgain(version: String) throws {
        try open(stored: version)
        let name = try named("crop.png")
        let row = try #require(try harness.catalog.crop(name))
        #expect(row.changed == nil)
        let facts = try harness.crop(name, account: "s/7")
        for state in ["done", "baseline"] {
            try harness.catalog.write("going back") { db in
                try db.execute(sql: "UPDATE crops SET changed = NULL, state = ?", arguments: [state])
            }
            #expect(try harness.upload().compare(with: harness.catalog).candidates == (state == "done" ? [name] : []))
        }
        try harness.catalog.refreshCrop(facts)
        #expect(try harness.catalog.crop(name)?.changed == facts.changed)
        #expect(try harness.upload().compare(with: harness.catalog).candidates == [])
    }

    /// Versions up to the seventh kept whose avatars are followed, and not what they are.
    @Test func ofUsersWhoWereFollowedBeforeNothingElseIsKnown() throws {
        try open(stored: "v7")
        let account = "https://avatars.test/7"
        let (ada, bob) = (try #require(UserID(1001)), try #require(UserID(1002)))
        var following = try harness.catalog.followed(by: account)
        #expect(following.users == [ada, bob] && following.avatars == [:] && following.position == "e.7")
        var notes = ChangeNotes()
        notes.avatars = [ada: UserAvatar(name: a, sha256: nil)]
        try harness.catalog.noteChanges(notes, by: account, at: harness.wall)
        following = try harness.catalog.followed(by: account)
        #expect(following.avatars == [ada: UserAvatar(name: a, sha256: nil)] && following.position == "e.7")
    }

    @Test func versionTwoGivesASentCropAndTheIconToTheAccountThatHasThem() throws {
        try open(
            stored: "v1",
            earlier: """
                UPDATE crops SET state = 'done', uploaded_to = 's/7';
                INSERT INTO settings VALUES ('icon', 'crop.png');
                """)
        #expect(try harness.catalog.crop(named("crop.png"))?.account == "s/7")
        #expect(try harness.catalog.icon(of: "s/7") == named("crop.png"))
        #expect(try harness.catalog.openAccount("s/8", credential: "t").icon == nil)
    }

    @Test func versionTwoKeepsWhatNoAccountHasForTheAccountThatIsOpenedNext() throws {
        try open(stored: "v1", earlier: "INSERT INTO settings VALUES ('icon', 'older.png')")
        #expect(try harness.catalog.crop(named("crop.png"))?.account == nil)
        #expect(try harness.catalog.icon(of: "s/7") == nil)
        #expect(try harness.catalog.openAccount("s/7", credential: "t").icon == named("older.png"))
        #expect(try harness.catalog.pendingCrops(of: "s/7").map(\.name.string) == ["crop.png"])
        #expect(try harness.catalog.openAccount("s/8", credential: "t").icon == nil)
    }

    /// Earlier versions gave a crop up after eight refusals, of a server that was full perhaps.
    @Test(arguments: [
        ("the server refused it 8 times: 1015: the server may not write the file", "", true),
        ("the image ends early", "", false),
        ("the server refused it 8 times: 1013: the server could not save the progress", "done", false),
        ("the server refused it 8 times: 1013: the server could not save the progress", "pending", false),
    ])
    func aCropThatAnEarlierVersionGaveUpComesBackUnlessALaterOneWaitsOrWent(
        reason: String, later: String, comesBack: Bool
    ) throws {
        let laterCrop = """
            INSERT INTO crops (name, device, inode, size, modified, state, closed_order)
                SELECT 'later.png', device, inode + 1, size, modified + 1, '\(later)', closed_order + 1000 FROM crops
                WHERE name = 'crop.png';
            """
        try open(
            stored: "v2",
            earlier: "UPDATE crops SET state = 'rejected', reason = '\(reason)', md5 = NULL, sha256 = NULL;"
                + (later.isEmpty ? "" : laterCrop))
        #expect((try harness.catalog.crop(named("crop.png")) == nil) == comesBack)
    }

    @Test func versionTwoLeavesAPartWithoutDigestAndTag() throws {
        try open(stored: "v1")
        let part = try #require(try harness.catalog.parts().first)
        #expect(part.sha256 == nil && part.tag == nil)
    }
}

import AvatarCore
import Foundation
import GRDB
import Testing

@testable import AvatarCache

/// What belongs to an account stays with it.
@Suite struct AccountTests {
    let harness: CacheHarness
    let a: AvatarName
    let b: AvatarName

    init() throws {
        harness = try CacheHarness()
        a = try named("a.png")
        b = try named("b.png")
    }

    private var catalog: Catalog { harness.catalog }

    private func waiting(for account: String) throws -> [String] {
        try catalog.pendingCrops(of: account).map(\.name.string)
    }

    @Test func aCropWaitsForItsOwnAccountAlone() throws {
        try harness.crop(a, account: "s/1")
        try harness.crop(b, account: "s/2")
        #expect(try waiting(for: "s/1") == ["a.png"])
        #expect(try waiting(for: "s/2") == ["b.png"])
        #expect(try catalog.pendingCropCount() == 2)
    }

    @Test func theAccountThatIsOpenedNextTakesWhatWasClosedWhileNobodyWasLoggedIn() throws {
        try harness.crop(a, account: nil)
        try harness.crop(b, account: "s/2")
        #expect(try waiting(for: "s/1").isEmpty)
        _ = try catalog.openAccount("s/1", credential: "t")
        #expect(try waiting(for: "s/1") == ["a.png"])
        _ = try catalog.openAccount("s/2", credential: "t")
        #expect(try waiting(for: "s/1") == ["a.png"])
        #expect(try waiting(for: "s/2") == ["b.png"])
    }

    @Test func aRefusedFileBelongsToNobody() throws {
        let facts = try harness.crop(a, account: nil)
        try catalog.recordRejected(a, identity: facts.identity, changed: facts.changed, reason: "no", incomplete: false)
        _ = try catalog.openAccount("s/1", credential: "t")
        #expect(try catalog.crop(a)?.account == nil)
    }

    @Test func anUploadSetsTheIconOfItsAccountAlone() throws {
        let facts = try harness.crop(a, account: "s/1")
        let events = try catalog.recordUploaded(a, sha256: facts.sha256, to: "s/1", at: harness.wall)
        #expect(events.map(\.kind) == [.uploaded, .icon])
        try harness.reopen()
        #expect(try catalog.openAccount("s/2", credential: "t").icon == nil)
        #expect(try catalog.openAccount("s/1", credential: "t").icon == a)
        #expect(try catalog.crop(a)?.account == "s/1")
    }

    @Test func anUploadForOneAccountLeavesTheCropOfAnotherWaiting() throws {
        let facts = try harness.crop(a, account: "s/2")
        let events = try catalog.recordUploaded(a, sha256: facts.sha256, to: "s/1", at: harness.wall)
        #expect(events.map(\.kind) == [.icon])
        #expect(try waiting(for: "s/2") == ["a.png"])
        #expect(try catalog.icon(of: "s/2") == nil)
    }

    @Test func aTokenKeepsItsNumberUntilAnotherIsUsed() throws {
        #expect(try catalog.openAccount("s/1", credential: "t").tokenEpoch == 1)
        try harness.reopen()
        #expect(try catalog.openAccount("s/1", credential: "t").tokenEpoch == 1)
        #expect(try catalog.openAccount("s/1", credential: "u").tokenEpoch == 2)
        #expect(try catalog.openAccount("s/2", credential: "u").tokenEpoch == 3)
    }

    // MARK: The same user at the same server, by another way

    private let classic = "avatars.test:9090/7"
    private let web = "https://avatars.test/7"

    @Test func theOtherWayTakesWhatWaitsAndTheIcon() throws {
        _ = try catalog.openAccount(classic, credential: "t")
        let waits = try harness.crop(a, account: classic)
        try catalog.keep(location: "/up/1", ofCrop: try #require(try catalog.crop(a)).closedOrder)
        let sent = try harness.crop(b, account: classic)
        _ = try catalog.recordUploaded(b, sha256: sent.sha256, to: classic, at: harness.wall)
        let opened = try catalog.openAccount(web, credential: "t") { $0 == classic }
        #expect(opened.icon == b)
        #expect(try waiting(for: web) == ["a.png"] && waiting(for: classic) == [])
        #expect(try catalog.crop(a)?.location == nil && catalog.crop(a)?.sha256 == waits.sha256)
        #expect(try catalog.crop(b)?.uploadedTo == web, "and it is not sent again")
        #expect(try catalog.icon(of: classic) == nil)
        _ = try catalog.openAccount(classic, credential: "t") { $0 == web }
        #expect(try waiting(for: classic) == ["a.png"], "and back")
    }

    /// Another token may be another server's, and so may one that was not the last in use.
    @Test func theOtherWayTakesNothingWithoutTheSameToken() throws {
        _ = try catalog.openAccount(classic, credential: "t")
        try harness.crop(a, account: classic)
        _ = try catalog.openAccount(web, credential: "u") { _ in true }
        #expect(try waiting(for: classic) == ["a.png"])
        _ = try catalog.openAccount(web, credential: "t") { _ in true }
        #expect(try waiting(for: classic) == ["a.png"])
    }

    @Test func anotherUserTakesNothing() throws {
        _ = try catalog.openAccount(classic, credential: "t")
        try harness.crop(a, account: classic)
        _ = try catalog.openAccount(web, credential: "t") { _ in false }
        #expect(try waiting(for: classic) == ["a.png"])
        #expect(try catalog.cropsOfOthers(than: web).map(\.account) == [classic])
        #expect(try catalog.cropsOfOthers(than: classic).isEmpty)
    }

    @Test func openingAnAccountIsAllOrNothing() throws {
        try harness.crop(a, account: nil)
        try catalog.write("an icon that no avatar's name fits") { db in
            try db.execute(sql: "INSERT INTO settings VALUES ('unclaimed_icon', '.')")
        }
        #expect(throws: CacheError.self) { try catalog.openAccount("s/1", credential: "t") }
        #expect(try catalog.crop(a)?.account == nil)
        try catalog.write("a name again") { db in
            try db.execute(sql: "UPDATE settings SET value = 'b.png' WHERE key = 'unclaimed_icon'")
        }
        #expect(try catalog.openAccount("s/1", credential: "t") == OpenedAccount(icon: b, tokenEpoch: 1))
    }
}

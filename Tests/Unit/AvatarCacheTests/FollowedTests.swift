import AvatarCore
import Testing

@testable import AvatarCache

/// What the server's stream of changes told, as the catalog keeps it for a later run.
@Suite struct FollowedTests {
    private let account = "https://avatars.test/1001"
    private let ada = UserID(1001)!
    private let bob = UserID(1002)!

    private func isChecked(_ name: AvatarName, _ harness: CacheHarness) throws -> Bool {
        let row = try #require(try harness.catalog.avatars(named: [name])[name])
        return row.checked != nil
    }

    private func note(
        _ harness: CacheHarness, by account: String? = nil, at position: ExactString? = nil, later: Int64 = 0,
        _ told: (inout ChangeNotes) -> Void = { _ in }
    ) throws {
        var notes = ChangeNotes()
        notes.position = position
        told(&notes)
        let now = UnixTime(milliseconds: harness.wall.milliseconds + later)
        try harness.catalog.noteChanges(notes, by: account ?? self.account, at: now)
    }

    @Test func aPictureThatIsAnotherNowCountsAsUnchecked() throws {
        let harness = try CacheHarness()
        let (same, other) = (try named("same.png"), try named("other.png"))
        let sha256 = try harness.fetched(same).sha256
        try harness.fetched(other, seed: 1)
        try note(harness, at: "e.7") { $0.changes = [same: sha256, other: sha256] }
        #expect(try isChecked(same, harness))
        #expect(try !isChecked(other, harness))
        try harness.reopen()
        #expect(try harness.catalog.followed(by: account).position == "e.7")
    }

    @Test func allPicturesOfAUserWhoseChangesMayBeMissedCountAsUnchecked() throws {
        let harness = try CacheHarness()
        let (first, second) = (try named("a.png"), try named("b.png"))
        try harness.fetched(first, owner: ada)
        try harness.fetched(second, seed: 1, owner: bob)
        try note(harness) { notes in
            notes.follow([ada, bob])
            notes.mayBeOld = [bob]
        }
        #expect(try isChecked(first, harness))
        #expect(try !isChecked(second, harness))
    }

    @Test func whoIsFollowedIsReplacedAndAnotherAccountHasItsOwn() throws {
        let harness = try CacheHarness()
        try note(harness, at: "e.1") { $0.follow([ada, bob]) }
        try note(harness) { $0.follow([bob]) }
        try note(harness, at: "e.2")
        let following = try harness.catalog.followed(by: account)
        #expect(following.users == [bob] && following.position == "e.2")
        #expect(try harness.catalog.followed(by: "server/7").users == [])
    }

    // MARK: What avatars are

    @Test func whatAvatarsAreIsKeptWithThePlaceUntilNobodyKnows() throws {
        let harness = try CacheHarness()
        let avatar = UserAvatar(name: try named("a.png"), sha256: try sha256("a"))
        let carl = try #require(UserID(1003))
        try note(harness, at: "e.1") { notes in
            notes.follow([ada, bob])
            notes.avatars = [ada: avatar, bob: UserAvatar.none, carl: avatar]
        }
        try harness.reopen()
        #expect(
            try harness.catalog.followed(by: account).avatars == [ada: avatar, bob: .none],
            "of who is not followed nothing is kept")
        try note(harness) { $0.follow([ada, bob, carl]) }
        #expect(try harness.catalog.followed(by: account).avatars == [ada: avatar, bob: .none], "who stays is known")
        try note(harness) { $0.miss([ada]) }
        #expect(try harness.catalog.followed(by: account).avatars == [bob: .none])
    }

    @Test func anAvatarWithoutDigestIsKept() throws {
        let harness = try CacheHarness()
        let avatar = UserAvatar(name: try named("a.png"), sha256: nil)
        try note(harness) { notes in
            notes.follow([ada])
            notes.avatars = [ada: avatar]
        }
        #expect(try harness.catalog.followed(by: account).avatars == [ada: avatar])
    }

    @Test func whoIsNotFollowedAnyMoreIsNotKnown() throws {
        let harness = try CacheHarness()
        let avatar = UserAvatar(name: try named("a.png"), sha256: nil)
        try note(harness) { notes in
            notes.follow([ada, bob])
            notes.avatars = [ada: avatar, bob: avatar]
        }
        try note(harness) { $0.follow([bob]) }
        try note(harness) { $0.follow([ada, bob]) }
        #expect(try harness.catalog.followed(by: account).avatars == [bob: avatar])
    }

    /// A person logs in here and there; what was kept of an account of long ago is asked for again.
    @Test func theAccountsUsedLastAreKept() throws {
        let harness = try CacheHarness()
        let accounts = (0...Limits.HTTPWay.followingAccountsMax).map { "https://\($0).test/7" }
        for (number, account) in accounts.enumerated() {
            try note(harness, by: account, at: "e.1", later: Int64(number)) { $0.follow([ada]) }
        }
        #expect(try harness.catalog.followed(by: accounts[0]) == Following())
        for account in accounts.dropFirst() {
            #expect(try harness.catalog.followed(by: account).users == [ada])
        }
    }
}

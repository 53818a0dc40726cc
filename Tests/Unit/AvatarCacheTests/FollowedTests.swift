import AvatarCore
import Testing

@testable import AvatarCache

/// What the server's stream of changes told, as the catalog keeps it for a later run.
@Suite struct FollowedTests {
    private let account = "https://avatars.test/1001"

    private func isChecked(_ name: AvatarName, _ harness: CacheHarness) throws -> Bool {
        let row = try #require(try harness.catalog.avatars(named: [name])[name])
        return row.checked != nil
    }

    @Test func aPictureThatIsAnotherNowCountsAsUnchecked() throws {
        let harness = try CacheHarness()
        let (same, other) = (try named("same.png"), try named("other.png"))
        let sha256 = try harness.fetched(same).sha256
        try harness.fetched(other, seed: 1)
        try harness.catalog.noteChanges(
            [same: sha256, other: sha256], mayBeOld: [], followed: nil, by: account, position: "e.7")
        #expect(try isChecked(same, harness))
        #expect(try !isChecked(other, harness))
        try harness.reopen()
        #expect(try harness.catalog.followed(by: account).position == "e.7")
    }

    @Test func allPicturesOfAUserWhoseChangesMayBeMissedCountAsUnchecked() throws {
        let harness = try CacheHarness()
        let (ada, bob) = (try #require(UserID(1001)), try #require(UserID(1002)))
        let (first, second) = (try named("a.png"), try named("b.png"))
        try harness.fetched(first, owner: ada)
        try harness.fetched(second, seed: 1, owner: bob)
        try harness.catalog.noteChanges([:], mayBeOld: [bob], followed: [ada, bob], by: account, position: nil)
        #expect(try isChecked(first, harness))
        #expect(try !isChecked(second, harness))
    }

    @Test func whoIsFollowedIsReplacedAndAnotherAccountHasItsOwn() throws {
        let harness = try CacheHarness()
        let (ada, bob) = (try #require(UserID(1001)), try #require(UserID(1002)))
        try harness.catalog.noteChanges([:], mayBeOld: [], followed: [ada, bob], by: account, position: "e.1")
        try harness.catalog.noteChanges([:], mayBeOld: [], followed: [bob], by: account, position: nil)
        try harness.catalog.noteChanges([:], mayBeOld: [], followed: nil, by: account, position: "e.2")
        let (users, position) = try harness.catalog.followed(by: account)
        #expect(users == [bob] && position == "e.2")
        #expect(try harness.catalog.followed(by: "server/7").users == [])
    }
}

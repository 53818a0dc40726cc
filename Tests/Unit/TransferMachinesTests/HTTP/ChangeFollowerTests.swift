import AvatarCore
import Testing

@testable import TransferMachines

/// Whose avatars are followed by the server's stream, and whose may be old.
@Suite struct ChangeFollowerTests {
    private let ada = UserID(1001)!
    private let bob = UserID(1002)!

    /// A follower of these users whose stream is open, and the number of its request.
    private func following(
        _ users: Set<UserID>, from position: ExactString? = nil, kept: [UserID] = [],
        avatars: [UserID: UserAvatar] = [:]
    ) -> (follower: ChangeFollower, number: Int) {
        var follower = ChangeFollower()
        follower.accountOpened(position, followed: kept, avatars: avatars)
        follower.follow(users, now: at(.seconds(0)))
        let asked = follower.pump(now: at(.seconds(0)))
        guard case .send(.http(let id, .changes(let named, let after)))? = asked.first else {
            Issue.record("no stream was asked for: \(asked)")
            return (follower, 0)
        }
        #expect(Set(named) == users.union(kept) && after == position)
        _ = follower.replied(id.number, .head(HTTPHead(status: 200)), now: at(.seconds(0)))
        return (follower, id.number)
    }

    private func hear(
        _ kind: ServerChange.Kind, at position: ExactString, _ follower: inout ChangeFollower, _ number: Int
    ) -> [ChangeFollower.Action] {
        follower.replied(number, .change(ServerChange(kind, position: position)), now: at(.seconds(1)))
    }

    private func note(
        _ changes: [AvatarName: SHA256Digest] = [:], followed: Set<UserID>? = nil, missed: Set<UserID> = [],
        avatars: [UserID: UserAvatar] = [:], at position: ExactString
    ) -> ChangeFollower.Action {
        var notes = ChangeNotes()
        (notes.changes, notes.position) = (changes, position)
        if let followed { notes.follow(followed) }
        notes.miss(missed)
        notes.avatars.merge(avatars.mapValues { $0 }) { $1 }
        return .disk(.noteChanges(notes))
    }

    private func avatar(_ string: String, _ digest: UInt8) -> UserAvatar {
        UserAvatar(name: name(string), sha256: sha256(digest))
    }

    /// The catalog notes what it is to note, and what is to be noted after that.
    private func settle(_ actions: [ChangeFollower.Action], _ follower: inout ChangeFollower) {
        for case .disk(.noteChanges(let notes)) in actions { settle(follower.noted(notes), &follower) }
    }

    private func notes(in actions: [ChangeFollower.Action]) -> [ChangeNotes] {
        actions.compactMap { if case .disk(.noteChanges(let notes)) = $0 { notes } else { nil } }
    }

    // MARK: The catalog's note

    /// A later place in the log is not kept while an earlier change is not: after a crash the server would never tell that change again.
    @Test func noPlaceIsNotedWithoutWhatWasToldBeforeIt() throws {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada, bob])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        let first = notes(in: hear(.avatar(ada, name("a.png"), sha256(1)), at: "e.8", &follower, number))
        #expect(first.map { $0.position } == ["e.8"])
        #expect(
            notes(in: hear(.avatar(bob, name("b.png"), sha256(2)), at: "e.9", &follower, number)) == [],
            "one note is under way at a time")
        follower.notNoted(try #require(first.first))
        #expect(
            follower.storageIsFine()
                == [
                    note(
                        [name("a.png"): sha256(1), name("b.png"): sha256(2)],
                        avatars: [ada: avatar("a.png", 1), bob: avatar("b.png", 2)], at: "e.9")
                ])
    }

    @Test func whatAnotherAccountCouldNotNoteIsForgotten() throws {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        let first = notes(in: hear(.avatar(ada, name("a.png"), sha256(1)), at: "e.8", &follower, number))
        follower.accountChanged()
        follower.accountOpened("f.1", followed: [])
        follower.notNoted(try #require(first.first))
        #expect(follower.storageIsFine() == [])
    }

    /// While only some are followed the place in the log moves on past the changes of the others.
    @Test func whoWasNotFollowedForAWhileMayHaveChanged() {
        var (follower, number) = following(
            [ada, bob], from: "e.7", kept: [ada, bob], avatars: [bob: avatar("b.png", 2)])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        follower.connectionLost()
        follower.follow([ada], now: at(.seconds(2)))
        let late = at(.seconds(2)) + Limits.HTTPWay.unwantedTime
        number = stream(&follower, of: [ada], now: late)
        #expect(follower.avatar(of: bob) == nil)
        settle(hear(.avatar(ada, name("a.png"), sha256(1)), at: "e.9", &follower, number), &follower)
        follower.connectionLost()
        follower.follow([ada, bob], now: late)
        number = stream(&follower, of: [ada, bob], now: late)
        #expect(hear(.ready, at: "e.9", &follower, number).contains(.mayBeOld([bob])))
    }

    /// Labels come and go, and come one by one after a start: for that nobody is asked for.
    @Test func whomNobodyWantsForAMomentIsFollowedOn() {
        var (follower, number) = following(
            [ada], from: "e.7", kept: [ada, bob], avatars: [bob: avatar("b.png", 2)])
        #expect(hear(.ready, at: "e.8", &follower, number) == [note(followed: [ada, bob], at: "e.8")])
        follower.follow([ada, bob], now: at(.seconds(2)))
        #expect(follower.takeCancelled() == [], "the stream goes on as it is")
        #expect(follower.follows(bob) && follower.avatar(of: bob) == avatar("b.png", 2))
        follower.follow([ada], now: at(.seconds(3)))
        follower.connectionLost()
        number = stream(&follower, of: [ada, bob], now: at(.seconds(10)))
    }

    @Test func whoIsWantedHasRoomBeforeWhoIsNot() {
        let others = (1...Limits.HTTPWay.followedMax).compactMap { UserID(Int64(5000 + $0)) }
        var follower = ChangeFollower()
        follower.accountOpened("e.7", followed: others)
        follower.follow([ada, bob], now: at(.seconds(0)))
        for case .send(.http(_, .changes(let users, _))) in follower.pump(now: at(.seconds(0))) {
            #expect(users.count == Limits.HTTPWay.followedMax)
            #expect(users.starts(with: [ada, bob]))
        }
    }

    /// Opens the next stream, for these users, and tells its number.
    private func stream(_ follower: inout ChangeFollower, of users: [UserID], now: MonotonicTime) -> Int {
        for case .send(.http(let id, .changes(let named, _))) in follower.pump(now: now) {
            #expect(named == users)
            return id.number
        }
        Issue.record("no stream was asked for")
        return 0
    }

    // MARK: What an avatar is called

    private func ask(_ follower: inout ChangeFollower, now: MonotonicTime) -> Int? {
        follower.pump(now: now).compactMap { action in
            if case .send(.http(let id, .avatar)) = action { id.number } else { nil }
        }.first
    }

    @Test func whatAServerPutOffIsAskedAgain() throws {
        var (follower, _) = following([ada], from: "e.7", kept: [ada])
        follower.ask(ada)
        let first = try #require(ask(&follower, now: at(.seconds(1))))
        _ = follower.replied(first, .head(HTTPHead(status: 503, retryAfter: .seconds(5))), now: at(.seconds(1)))
        #expect(ask(&follower, now: at(.seconds(5))) == nil)
        #expect(follower.deadline <= at(.seconds(6)))
        #expect(ask(&follower, now: at(.seconds(6))) != nil)
    }

    @Test func anAnswerFromBeforeAChangeDoesNotCount() throws {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        follower.ask(ada)
        let asked = try #require(ask(&follower, now: at(.seconds(1))))
        _ = hear(.avatar(ada, name("new.png"), sha256(2)), at: "e.8", &follower, number)
        let late = HTTPHead(status: 200, sha256: sha256(1), name: name("old.png"))
        #expect(follower.replied(asked, .head(late), now: at(.seconds(1))) == [])
    }

    // MARK: What avatars are

    @Test func whatTheStreamToldOfAvatarsIsNotedWithThePlace() {
        var (follower, number) = following(
            [ada, bob], from: "e.7", kept: [ada, bob], avatars: [ada: avatar("a.png", 1)])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        let told = hear(.avatar(bob, name("b.png"), sha256(2)), at: "e.8", &follower, number)
        #expect(notes(in: told).map { $0.avatars } == [[bob: avatar("b.png", 2)]])
        settle(told, &follower)
        #expect(
            hear(.removed(ada), at: "e.9", &follower, number)
                == [note(avatars: [ada: .none], at: "e.9"), .avatar(ada, nil, nil)])
        #expect(follower.avatar(of: ada) == UserAvatar.none && follower.avatar(of: bob) == avatar("b.png", 2))
    }

    /// Of who is not followed yet the next change may be missed.
    @Test func anAnswerIsNotedOnceTheUserIsFollowed() throws {
        var (follower, number) = following([ada], from: "e.7")
        follower.ask(ada)
        let early = try #require(ask(&follower, now: at(.seconds(1))))
        let head = HTTPHead(status: 200, sha256: sha256(1), name: name("a.png"))
        #expect(
            follower.replied(early, .head(head), now: at(.seconds(1))) == [
                .answered(ada, name("a.png")), .avatar(ada, name("a.png"), sha256(1)),
            ])
        #expect(follower.avatar(of: ada) == nil)
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        follower.askAgain(ada)
        let asked = try #require(ask(&follower, now: at(.seconds(1))))
        let told = follower.replied(asked, .head(head), now: at(.seconds(1)))
        #expect(
            notes(in: told).map { $0.avatars } == [[ada: avatar("a.png", 1)]], "and nobody asks in a later run")
        #expect(follower.avatar(of: ada) == avatar("a.png", 1))
    }

    @Test func whatTheCatalogKeptIsNotAskedFor() {
        var follower = ChangeFollower()
        follower.ask(ada)
        follower.ask(bob)
        follower.accountOpened("e.7", followed: [ada], avatars: [ada: .none, bob: avatar("b.png", 2)])
        follower.follow([ada, bob], now: at(.seconds(0)))
        let asked = follower.pump(now: at(.seconds(0))).compactMap { action in
            if case .send(.http(_, .avatar(let user))) = action { user } else { nil }
        }
        #expect(asked == [bob], "of one who was not followed nothing is known")
    }

    @Test func afterAResetNobodyKnowsWhatAvatarsAre() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada], avatars: [ada: avatar("a.png", 1)])
        _ = hear(.reset, at: "f.1", &follower, number)
        let told = hear(.ready, at: "f.1", &follower, number)
        #expect(notes(in: told).map { $0.avatars } == [[ada: nil]])
        #expect(follower.avatar(of: ada) == nil)
    }

    /// What the catalog kept may be wrong where the server gives no such picture; what was told in this run is asked for once.
    @Test func aPictureThatIsNotThereIsAReasonToAskOnce() throws {
        var (follower, _) = following([ada], from: "e.7", kept: [ada], avatars: [ada: avatar("a.png", 1)])
        follower.notThere(of: ada)
        let asked = try #require(ask(&follower, now: at(.seconds(1))))
        _ = follower.replied(
            asked, .head(HTTPHead(status: 200, sha256: sha256(2), name: name("b.png"))), now: at(.seconds(1)))
        #expect(follower.avatar(of: ada) == avatar("b.png", 2))
        follower.notThere(of: ada)
        #expect(ask(&follower, now: at(.seconds(2))) == nil)
    }

    @Test func whenTheStreamEndsAgainAndAgainAvatarsAreAskedFor() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada], avatars: [ada: avatar("a.png", 1)])
        var now = at(.seconds(1))
        for count in 1...Limits.HTTPWay.streamFailuresMax {
            #expect(follower.avatar(of: ada) == avatar("a.png", 1))
            let isLast = count == Limits.HTTPWay.streamFailuresMax
            #expect(follower.replied(number, .end, now: now) == (isLast ? [.askForAll] : []))
            now = now + .seconds(100)
            number = stream(&follower, of: [ada], now: now)
        }
        #expect(follower.avatar(of: ada) == nil)
    }

    /// A server that wants to be left alone is not asked for every user instead.
    @Test func aServerThatPutsTheStreamOffIsNotAskedForAvatars() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada], avatars: [ada: avatar("a.png", 1)])
        var now = at(.seconds(1))
        for _ in 0..<3 * Limits.HTTPWay.streamFailuresMax {
            #expect(follower.replied(number, .head(HTTPHead(status: 503)), now: now) == [])
            now = now + .seconds(100)
            number = stream(&follower, of: [ada], now: now)
        }
        #expect(follower.avatar(of: ada) == avatar("a.png", 1))
    }

    /// The catalog takes nothing: what was heard meanwhile is told again from the place that it has, and who is followed stays known.
    @Test func whatIsTooMuchToKeepIsForgottenAndToldAgain() throws {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada], avatars: [ada: avatar("a.png", 1)])
        let first = notes(in: hear(.avatar(ada, name("0.png"), sha256(1)), at: "e.8", &follower, number))
        _ = hear(.ready, at: "e.9", &follower, number)
        for count in 1...Limits.HTTPWay.notesMax + 1 {
            _ = hear(.avatar(ada, name("\(count).png"), sha256(2)), at: "e.10", &follower, number)
        }
        #expect(follower.avatar(of: ada) == nil)
        follower.notNoted(try #require(first.first))
        let left = try #require(notes(in: follower.storageIsFine()).first)
        #expect(left.position == "e.7" && left.followed == [ada, bob] && left.mayBeOld == [bob])
        guard case .send(.http(_, .changes(_, let after)))? = follower.pump(now: at(.seconds(100))).first else {
            Issue.record("no stream was asked for")
            return
        }
        #expect(after == "e.7")
    }

    // MARK: Whose avatars may be old

    @Test func usersThatWereFollowedUpToThePlaceNeedNoQuestion() {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada, bob])
        #expect(
            hear(.ready, at: "e.9", &follower, number) == [note(followed: [ada, bob], at: "e.9")])
        #expect(follower.follows(ada))
    }

    @Test(arguments: [404, 405, 501])
    func aServerWithoutSuchAStreamIsToldOfOnceAndNotAskedAgain(status: Int) {
        var follower = ChangeFollower()
        follower.accountOpened(nil, followed: [])
        follower.follow([ada], now: at(.seconds(0)))
        guard case .send(.http(let id, _))? = follower.pump(now: at(.seconds(0))).first else {
            Issue.record("no stream was asked for")
            return
        }
        #expect(
            follower.replied(id.number, .head(HTTPHead(status: status)), now: at(.seconds(1)))
                == [.tellsNothing, .askForAll])
        follower.follow([ada, bob], now: at(.seconds(2)))
        #expect(follower.pump(now: at(.seconds(1000))) == [])
        #expect(!follower.follows(ada))
    }

    @Test func usersThatAreNewMayHaveChangedBefore() {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada])
        #expect(
            hear(.ready, at: "e.9", &follower, number)
                == [note(followed: [ada, bob], missed: [bob], at: "e.9"), .mayBeOld([bob])])
    }

    @Test func afterAResetAtTheBeginningAllMayBeOldOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        #expect(hear(.reset, at: "f.1", &follower, number) == [])
        #expect(
            hear(.ready, at: "f.1", &follower, number)
                == [note(followed: [ada], missed: [ada], at: "f.1"), .mayBeOld([ada])])
    }

    @Test func afterAResetOfAStreamThatWasReadyAllMayBeOldAtOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        #expect(
            hear(.reset, at: "f.1", &follower, number)
                == [note(followed: [ada], missed: [ada], at: "f.1"), .mayBeOld([ada])])
    }
}

import AvatarCore
import Testing

@testable import TransferMachines

/// Whose avatars are followed by the server's stream, and whose may be old.
@Suite struct ChangeFollowerTests {
    private let ada = UserID(1001)!
    private let bob = UserID(1002)!

    /// A follower of these users whose stream is open, and the number of its request.
    private func following(
        _ users: Set<UserID>, from position: ExactString? = nil, kept: [UserID] = []
    ) -> (follower: ChangeFollower, number: Int) {
        var follower = ChangeFollower()
        follower.accountOpened(position, followed: kept)
        follower.follow(users, now: at(.seconds(0)))
        let asked = follower.pump(now: at(.seconds(0)))
        guard case .send(.http(let id, .changes(let named, let after)))? = asked.first else {
            Issue.record("no stream was asked for: \(asked)")
            return (follower, 0)
        }
        #expect(Set(named) == users && after == position)
        _ = follower.replied(id.number, .head(HTTPHead(status: 200)), now: at(.seconds(0)))
        return (follower, id.number)
    }

    private func hear(
        _ kind: ServerChange.Kind, at position: ExactString, _ follower: inout ChangeFollower, _ number: Int
    ) -> [ChangeFollower.Action] {
        follower.replied(number, .change(ServerChange(kind, position: position)), now: at(.seconds(1)))
    }

    private func note(
        _ changes: [AvatarName: SHA256Digest] = [:], followed: [UserID]? = nil, mayBeOld: Set<UserID> = [],
        at position: ExactString
    ) -> ChangeFollower.Action {
        var notes = ChangeNotes()
        (notes.changes, notes.followed, notes.mayBeOld, notes.position) = (changes, followed, mayBeOld, position)
        return .disk(.noteChanges(notes))
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
                == [note([name("a.png"): sha256(1), name("b.png"): sha256(2)], at: "e.9")])
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
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada, bob])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        follower.connectionLost()
        follower.follow([ada], now: at(.seconds(2)))
        number = stream(&follower)
        settle(hear(.avatar(ada, name("a.png"), sha256(1)), at: "e.9", &follower, number), &follower)
        follower.connectionLost()
        follower.follow([ada, bob], now: at(.seconds(3)))
        number = stream(&follower)
        #expect(hear(.ready, at: "e.9", &follower, number).contains(.mayBeOld([bob])))
    }

    /// Opens the next stream, and tells its number.
    private func stream(_ follower: inout ChangeFollower) -> Int {
        for case .send(.http(let id, .changes)) in follower.pump(now: at(.seconds(100))) { return id.number }
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
        #expect(follower.replied(id.number, .head(HTTPHead(status: status)), now: at(.seconds(1))) == [.tellsNothing])
        follower.follow([ada, bob], now: at(.seconds(2)))
        #expect(follower.pump(now: at(.seconds(1000))) == [])
        #expect(!follower.follows(ada))
    }

    @Test func usersThatAreNewMayHaveChangedBefore() {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada])
        #expect(
            hear(.ready, at: "e.9", &follower, number)
                == [note(followed: [ada, bob], mayBeOld: [bob], at: "e.9"), .mayBeOld([bob])])
    }

    @Test func afterAResetAtTheBeginningAllMayBeOldOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        #expect(hear(.reset, at: "f.1", &follower, number) == [])
        #expect(
            hear(.ready, at: "f.1", &follower, number)
                == [note(followed: [ada], mayBeOld: [ada], at: "f.1"), .mayBeOld([ada])])
    }

    @Test func afterAResetOfAStreamThatWasReadyAllMayBeOldAtOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        settle(hear(.ready, at: "e.7", &follower, number), &follower)
        #expect(
            hear(.reset, at: "f.1", &follower, number)
                == [note(followed: [ada], mayBeOld: [ada], at: "f.1"), .mayBeOld([ada])])
    }
}

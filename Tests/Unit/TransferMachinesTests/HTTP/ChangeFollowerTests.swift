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

    @Test func usersThatWereFollowedUpToThePlaceNeedNoQuestion() {
        var (follower, number) = following([ada, bob], from: "e.7", kept: [ada, bob])
        #expect(
            hear(.ready, at: "e.9", &follower, number) == [.disk(.keepFollowed([ada, bob], position: "e.9"))])
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
                == [.disk(.keepFollowed([ada, bob], position: "e.9")), .mayBeOld([bob])])
    }

    @Test func afterAResetAtTheBeginningAllMayBeOldOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        #expect(hear(.reset, at: "f.1", &follower, number) == [])
        #expect(
            hear(.ready, at: "f.1", &follower, number)
                == [.disk(.keepFollowed([ada], position: "f.1")), .mayBeOld([ada])])
    }

    @Test func afterAResetOfAStreamThatWasReadyAllMayBeOldAtOnce() {
        var (follower, number) = following([ada], from: "e.7", kept: [ada])
        _ = hear(.ready, at: "e.7", &follower, number)
        #expect(
            hear(.reset, at: "f.1", &follower, number)
                == [.disk(.keepFollowed([ada], position: "f.1")), .mayBeOld([ada])])
    }
}

import AvatarCore
import Testing
import TransferMachines

@Suite struct SharedFolderRuleTests {
    typealias Candidate = SharedFolderRule.Candidate

    private static func candidate(_ change: (inout Candidate) -> Void = { _ in }) -> Candidate {
        var candidate = Candidate()
        candidate.user = UserID(7)
        change(&candidate)
        return candidate
    }

    @Test(
        arguments: [
            (candidate(), nil),
            (candidate { $0.owner = UserID(7) }, nil),
            (candidate { $0.isOwnWrite = true }, .ownWrite),
            (candidate { $0.isWanted = true }, .wanted),
            (candidate { $0.wasFetched = true }, .anotherUsers),
            (candidate { ($0.wasFetched, $0.owner) = (true, UserID(7)) }, nil),
            (candidate { ($0.wasFetched, $0.owner) = (true, UserID(8)) }, .anotherUsers),
            (candidate { $0.owner = UserID(8) }, .anotherUsers),
            (candidate { ($0.owner, $0.user) = (UserID(8), nil) }, .anotherUsers),
            (candidate { $0.incompleteCloses = 1 }, .appended),
            (candidate { $0.closesHeard = 2 }, .appended),
            (candidate { $0.closesHeard = 0 }, .unseen),
        ] as [(Candidate, SharedFolderRule.Refusal?)])
    func onlyACropThatNothingSpeaksAgainstIsTaken(candidate: Candidate, refusal: SharedFolderRule.Refusal?) {
        #expect(SharedFolderRule.refusal(of: candidate) == refusal)
    }

    @Test func closesAreCountedBetweenTwoLooks() throws {
        var closes = SharedFolderCloses()
        let name = try AvatarName("a.png")
        #expect(closes.closes(of: name) == 0)
        closes.closed(name)
        closes.closed(name)
        #expect(closes.closes(of: name) == 2)
        closes.begin(name)
        closes.closed(name)
        #expect(closes.closes(of: name) == 1)
    }

    @Test func namesWithoutRoomCountAsClosedMoreThanOnce() throws {
        var closes = SharedFolderCloses()
        for index in 0..<Limits.Watch.closesMax { closes.closed(try AvatarName("n\(index)")) }
        let late = try AvatarName("late")
        closes.closed(late)
        #expect(closes.closes(of: late) == 2)
        #expect(closes.closes(of: try AvatarName("n1")) == 1)
    }
}

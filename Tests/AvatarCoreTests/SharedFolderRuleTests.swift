import AvatarCore
import Testing

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
            (candidate { $0.owner = UserID(8) }, .anotherUsers),
            (candidate { ($0.owner, $0.user) = (UserID(8), nil) }, .anotherUsers),
            (candidate { $0.incompleteCloses = 1 }, .appended),
            (candidate { $0.wasSeen = false }, .unseen),
        ] as [(Candidate, SharedFolderRule.Refusal?)])
    func onlyACropThatNothingSpeaksAgainstIsTaken(candidate: Candidate, refusal: SharedFolderRule.Refusal?) {
        #expect(SharedFolderRule.refusal(of: candidate) == refusal)
    }
}

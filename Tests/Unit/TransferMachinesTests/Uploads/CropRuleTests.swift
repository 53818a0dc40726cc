import AvatarCore
import Testing
import TransferMachines

/// What is sent, and what is known; how long a refusal that the catalog kept still holds.
@Suite struct CropRuleTests {
    @Test func whatTheServerHasIsSentAgainOnlyOnAPersonsWord() {
        #expect(CropRule.verdict(.sent(toThisAccount: true), .normal) == .known)
        #expect(CropRule.verdict(.sent(toThisAccount: true), .forced) == .isNew)
    }

    @Test(arguments: [ExamineMode.normal, .forced]) func whatAnotherServerHasIsSentHere(mode: ExamineMode) {
        #expect(CropRule.verdict(.sent(toThisAccount: false), mode) == .isNew)
    }

    /// The same bytes closed again under the same name are the last crop closed, and go behind the others.
    @Test(arguments: [ExamineMode.normal, .forced]) func whatWaitsKeepsItsPlaceUnlessItWasClosedAgain(mode: ExamineMode)
    {
        #expect(CropRule.verdict(.waiting(isSameFile: true, isInOrder: true), mode) == .waits)
        #expect(CropRule.verdict(.waiting(isSameFile: false, isInOrder: true), mode) == .isNew)
        #expect(CropRule.verdict(.waiting(isSameFile: false, isInOrder: false), mode) == .isNew)
    }

    /// A writer closes, opens again and is done before its first close is looked at; in between another crop was closed.
    @Test(arguments: [ExamineMode.normal, .forced]) func whatIsClosedAgainAfterOthersGoesBehindThem(mode: ExamineMode) {
        #expect(CropRule.verdict(.waiting(isSameFile: true, isInOrder: false), mode) == .closedAgain)
    }

    @Test(arguments: [ExamineMode.normal, .forced]) func whatTheCatalogDoesNotKnowIsNew(mode: ExamineMode) {
        #expect(CropRule.verdict(nil, mode) == .isNew)
    }

    /// Minutes by which the wall clock jumped since the refusal was kept, and minutes for which it holds then.
    @Test(arguments: [(0, 5), (2, 3), (6, -1), (-2, 5), (-100_000, 5)])
    func aRefusalNeverOutlivesItsReason(jumped: Int64, left: Int64) {
        let wall = UnixTime(milliseconds: 1_700_000_000_000)
        let end = Negative.keptUntil(.corrupt, wall: wall)
        #expect(end.milliseconds - wall.milliseconds == 5 * 60_000)
        let now = MonotonicTime(nanoseconds: 77)
        let later = UnixTime(milliseconds: wall.milliseconds + jumped * 60_000)
        let negative = Negative(reason: .corrupt, keptUntil: end, wall: later, now: now)
        #expect(negative.until == now + .seconds(left * 60))
    }
}

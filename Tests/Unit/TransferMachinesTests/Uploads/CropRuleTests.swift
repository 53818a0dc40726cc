import AvatarCore
import Testing
import TransferMachines

/// What is sent, and what is known; how long a refusal that the catalog kept still holds.
@Suite struct CropRuleTests {
    private func verdict(_ recorded: CropRule.Recorded?, _ mode: CropRule.Mode) -> CropRule.Verdict {
        CropRule.verdict(CropRule.Candidate(recorded: recorded), mode)
    }

    /// And then from its beginning: what the server has of it says nothing of the new upload.
    @Test func whatTheServerHasIsSentAgainOnlyOnAPersonsWord() {
        #expect(verdict(.sent(toThisAccount: true), .normal) == .known)
        #expect(verdict(.sent(toThisAccount: true), .confirming) == .known)
        #expect(verdict(.sent(toThisAccount: true), .forced) == .isNew(everSent: false))
    }

    @Test(arguments: [CropRule.Mode.normal, .confirming, .forced])
    func whatAnotherServerHasIsSentHere(mode: CropRule.Mode) {
        #expect(verdict(.sent(toThisAccount: false), mode) == .isNew(everSent: true))
    }

    /// The same bytes closed again under the same name are the last crop closed, and go behind the others.
    @Test(arguments: [CropRule.Mode.normal, .forced])
    func whatWaitsKeepsItsPlaceUnlessItWasClosedAgain(mode: CropRule.Mode) {
        // A person's word is the last one: the crop goes behind all others that wait.
        #expect(
            verdict(.waiting(isSameFile: true, isInOrder: true), mode)
                == (mode == .forced ? .isNew(everSent: true) : .waits))
        #expect(verdict(.waiting(isSameFile: false, isInOrder: true), mode) == .isNew(everSent: true))
        #expect(verdict(.waiting(isSameFile: false, isInOrder: false), mode) == .isNew(everSent: true))
    }

    /// A writer closes, opens again and is done before its first close is looked at; in between another crop was closed.
    @Test(arguments: [CropRule.Mode.normal, .forced])
    func whatIsClosedAgainAfterOthersGoesBehindThem(mode: CropRule.Mode) {
        #expect(verdict(.waiting(isSameFile: true, isInOrder: false), mode) == .isNew(everSent: true))
    }

    /// The file settled before or while the folder was looked through, which gave the crop its place.
    @Test(arguments: [true, false]) func whatALookHasPlacedKeepsItsPlace(isInOrder: Bool) {
        #expect(verdict(.waiting(isSameFile: true, isInOrder: isInOrder), .confirming) == .waits)
        #expect(verdict(.waiting(isSameFile: false, isInOrder: isInOrder), .confirming) == .isNew(everSent: true))
    }

    @Test func whatWaitsForAnotherUserIsSentHereOnlyOnAPersonsWord() {
        #expect(verdict(.waitingForAnother(isSameFile: true), .normal) == .known)
        #expect(verdict(.waitingForAnother(isSameFile: true), .confirming) == .known)
        #expect(verdict(.waitingForAnother(isSameFile: true), .forced) == .isNew(everSent: true))
    }

    /// The file was closed again since, under this user: it is this user's crop now.
    @Test(arguments: [CropRule.Mode.normal, .confirming, .forced])
    func whatIsClosedAgainUnderAnotherUserIsSentForThatUser(mode: CropRule.Mode) {
        #expect(verdict(.waitingForAnother(isSameFile: false), mode) == .isNew(everSent: true))
    }

    @Test(arguments: [CropRule.Mode.normal, .confirming, .forced])
    func whatTheCatalogDoesNotKnowIsNew(mode: CropRule.Mode) {
        #expect(verdict(nil, mode) == .isNew(everSent: false))
    }

    // MARK: One folder for both

    private func shared(_ change: (inout SharedFolderRule.Candidate) -> Void) -> CropRule.Candidate {
        var shared = SharedFolderRule.Candidate()
        shared.user = UserID(7)
        change(&shared)
        return CropRule.Candidate(shared: shared)
    }

    /// In a folder of its own everything is the user's; in a shared one what the agent fetched is somebody else's.
    @Test func aNameThatWasFetchedIsSentOnlyOnAPersonsWord() {
        let fetched = shared { $0.wasFetched = true }
        #expect(CropRule.verdict(fetched, .normal) == .refused(.anotherUsers))
        #expect(CropRule.verdict(fetched, .confirming) == .refused(.anotherUsers))
        #expect(CropRule.verdict(fetched, .forced) == .isNew(everSent: false))
    }

    @Test func theAgentsOwnWriteIsKnownAndNotRefused() {
        #expect(CropRule.verdict(shared { $0.isOwnWrite = true }, .normal) == .known)
    }

    @Test func whatNothingSpeaksAgainstIsNew() {
        #expect(CropRule.verdict(shared { _ in }, .normal) == .isNew(everSent: false))
    }

    /// It was taken for a crop once already: what is heard of it now changes nothing.
    @Test func aCropThatWaitsInASharedFolderKeepsWaiting() {
        var waiting = shared { $0.closesHeard = 2 }
        waiting.recorded = .waiting(isSameFile: true, isInOrder: true)
        #expect(CropRule.verdict(waiting, .normal) == .waits)
    }

    // MARK: Refusals

    /// Minutes by which the wall clock jumped since the refusal was kept, and minutes for which it holds then.
    @Test(arguments: [(0, 5), (2, 3), (6, -1), (-2, 5), (-100_000, 5)])
    func aRefusalNeverOutlivesItsReason(jumped: Int64, left: Int64) {
        let wall = UnixTime(milliseconds: 1_700_000_000_000)
        let whole = Negative.timeToLive(.corrupt, of: name("a.png"), attempts: 2)
        let end = Negative.keptUntil(.corrupt, of: name("a.png"), attempts: 2, wall: wall)
        #expect(.milliseconds(end.milliseconds - wall.milliseconds) == whole)
        #expect(whole >= .seconds(300) && whole < .seconds(375))
        let now = MonotonicTime(nanoseconds: 77)
        let later = UnixTime(milliseconds: wall.milliseconds + jumped * 60_000)
        let negative = Negative(
            reason: .corrupt, of: name("a.png"), attempts: 2, keptUntil: end, wall: later, now: now)
        #expect(negative.until == now + (whole + .seconds((left - 5) * 60)))
        #expect(negative.until - negative.learned == whole)
    }
}

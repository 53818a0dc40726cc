import AvatarCore
import Testing
import TransferMachines

/// One folder that is cache and upload folder at once: what is closed in it is the user's own only when nothing speaks against it.
@Suite struct AgentSharedFolderTests {
    private let me = name("me.png")

    /// Closed once (or as often as said), and found to be a complete picture.
    private func judged(
        _ candidate: SharedFolderRule.Candidate = .init(), closes: Int = 1,
        _ before: (inout AgentScript) -> Void = { _ in }
    ) -> AgentScript {
        var agent = AgentScript(isShared: true)
        before(&agent)
        for _ in 0..<closes { agent.give(.folder(.settled(.crops, me))) }
        if closes == 0 {
            agent.give(.folder(.overflow))
            agent.give(.disk(.rescanned(.crops, settled: [me], unnameable: [], vanished: [], events: [])))
        }
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: candidate)))))
        return agent
    }

    @Test func aPictureThatNobodyWantsClosedOnceIsACrop() {
        var agent = judged()
        #expect(agent.disk == [.judge(me, .isNew(everSent: false))])
        let own = crop(1, "me.png", size: 100)
        agent.give(.disk(.cropRecorded(own)))
        #expect(agent.disk == [.readCrop(own.id, range: 0..<100)])
    }

    /// cp -p sets the file's times before it closes it; the close is counted before the look for the times has come back.
    @Test func aCloseThatIsCountedDuringALookAtTheFileIsStillAClose() {
        var agent = AgentScript(isShared: true)
        var candidate = CropRule.Candidate(recorded: .sent(toThisAccount: true, .changed), shared: .init())
        agent.give(.folder(.touched(.crops, me)))
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .settled(candidate))))
        #expect(agent.disk.contains(.judge(me, .known)))
        candidate.recorded = .sent(toThisAccount: true, .untouched)
        agent.give(.disk(.examined(me, .settled(candidate))))
        #expect(agent.disk.contains(.judge(me, .isNew(everSent: false))))
    }

    /// install(1) removes the file and makes it anew; the look for the one that was removed comes back when the new one is closed.
    @Test func aCloseBehindARemovalIsStillAClose() {
        var agent = AgentScript(isShared: true)
        agent.give(.folder(.gone(.crops, me)))
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .missing)))
        #expect(agent.disk.contains(.examine(me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk.contains(.judge(me, .isNew(everSent: false))))
    }

    /// ln -f over the picture that is the icon is known, and its rename counts for nothing afterwards.
    @Test func aRenameOverTheIconDoesNotMakeTheNextCloseAnAppend() {
        var facts = AgentScript.facts
        facts.icon = me
        var agent = AgentScript(account: facts, isShared: true)
        agent.give(.folder(.renamed(.crops, me)))
        let same = CropRule.Candidate(recorded: .sent(toThisAccount: true, .rewritten), shared: .init())
        agent.give(.disk(.examined(me, .settled(same))))
        #expect(agent.disk.contains(.judge(me, .known)))
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk.contains(.judge(me, .isNew(everSent: false))))
    }

    /// The close was heard, and is still known when the disk takes the crop.
    @Test func aCropThatCouldNotBeRecordedIsTakenWhenTheDiskIsWell() {
        var agent = judged()
        agent.give(.disk(.failed(.judge(me, .isNew(everSent: false)), .stateFull)))
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk.contains(.rescan(.crops)))
        agent.give(.disk(.rescanned(.crops, settled: [me], unnameable: [], vanished: [], events: [])))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk.contains(.judge(me, .isNew(everSent: false))))
    }

    @Test func aPictureThatALabelWantsIsAFriends() {
        let agent = judged { $0.want("me.png") }
        #expect(agent.disk.contains(.judge(me, .refused(.wanted))))
    }

    @Test func theNameOfTheOwnIconMayBeUsedAgain() {
        var facts = AgentScript.facts
        facts.icon = me
        var agent = AgentScript(account: facts, isShared: true)
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk == [.judge(me, .isNew(everSent: false))])
    }

    @Test func aNameThatTheAgentFetchedIsSomebodyElses() {
        var candidate = SharedFolderRule.Candidate()
        candidate.wasFetched = true
        #expect(judged(candidate).disk.contains(.judge(me, .refused(.anotherUsers))))
    }

    /// A login on another machine may have fetched the icon; its name is the user's all the same.
    @Test func theOwnIconMayBeReplacedAlthoughItWasFetchedAndIsWanted() {
        var facts = AgentScript.facts
        facts.icon = me
        var agent = AgentScript(account: facts, isShared: true)
        agent.want("me.png")
        var candidate = SharedFolderRule.Candidate()
        candidate.wasFetched = true
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: candidate)))))
        #expect(agent.disk == [.judge(me, .isNew(everSent: false))])
    }

    @Test func aPersonsWordOverrulesWhatSpeaksAgainstAFile() {
        var agent = AgentScript(isShared: true)
        agent.want("me.png")
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk == [.judge(me, .isNew(everSent: false))])
    }

    @Test func whatIsClosedMoreThanOnceWasAppendedTo() {
        #expect(judged(closes: 2).disk.contains(.judge(me, .refused(.appended))))
    }

    @Test func whatWasClosedIncompleteBeforeWasAppendedTo() {
        var candidate = SharedFolderRule.Candidate()
        candidate.incompleteCloses = 3
        #expect(judged(candidate).disk.contains(.judge(me, .refused(.appended))))
    }

    @Test func aCloseThatWasHeardWhileTheFileWasBusyCounts() {
        var agent = AgentScript(isShared: true)
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .busy)))
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .settled(CropRule.Candidate(shared: .init())))))
        #expect(agent.disk.contains(.judge(me, .refused(.appended))))
    }

    @Test func anotherUsersPictureStaysTheirs() {
        var candidate = SharedFolderRule.Candidate()
        candidate.owner = UserID(8)
        #expect(judged(candidate).disk.contains(.judge(me, .refused(.anotherUsers))))
    }

    @Test func whatWasNotSeenBeingClosedIsNotTaken() {
        #expect(judged(closes: 0).disk.contains(.judge(me, .refused(.unseen))))
    }

    /// Files that other programs leave there are not the agent's to complain of.
    @Test func whatIsNoPictureIsNoProblem() {
        var agent = AgentScript(isShared: true)
        agent.give(.folder(.settled(.crops, me)))
        agent.give(.disk(.examined(me, .refused(reason: "it is cut short"))))
        #expect(agent.machine.status.problems == [])
        #expect(agent.machine.activity.steps(of: "me.png").map(\.what) == ["no crop"])
    }

    @Test func anUploadedCropStaysWhereItLies() {
        var agent = judged()
        let own = crop(1, "me.png", size: 100)
        agent.give(.disk(.cropRecorded(own)))
        agent.give(.disk(.cropRead(own.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "me.png", md5: own.md5.hex, seq: 1)))
        agent.give(.disk(.cropFinished(own.id, me, [])))
        agent.unknown("me.png")
        let ready = AvatarEvent(cursor: 3, kind: .ready, name: me)
        agent.give(.disk(.cropAdopted(own.id, record("me.png"), [ready])))
        #expect(agent.machine.status.icon?.state == .ready)
        #expect(agent.machine.status.uploads == 0)
        #expect(agent.sent == [], "nothing is fetched over it")
    }

    /// The chat client downloads the same picture, more slowly: its half lies under the name when the agent's whole is to go there.
    @Test func aLabelGetsThePictureThatAChatClientCompletesUnderItsName() {
        var agent = AgentScript(isShared: true)
        agent.want("friend.png")
        agent.chunk("friend.png")
        agent.give(.disk(.wrote(name("friend.png"), through: 100)))
        agent.endCommit("friend.png", .nameTaken)
        #expect(agent.states == ["label of friend.png: failed"])
        agent.give(.folder(.settled(.cache, name("friend.png"))))
        #expect(agent.disk == [.inspect(name("friend.png")), .adopt(name("friend.png"))])
        let ready = AvatarEvent(cursor: 2, kind: .ready, name: name("friend.png"))
        agent.give(.disk(.adopted(record("friend.png"), [ready])))
        #expect(agent.states == ["label of friend.png: ready"])
    }
}

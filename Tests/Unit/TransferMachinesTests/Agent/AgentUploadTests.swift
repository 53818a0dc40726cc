import AvatarCore
import Testing
import TransferMachines

/// From a closed file in the upload folder to the user's icon.
@Suite struct AgentUploadTests {
    /// A crop of one chunk, settled, examined and read: its chunk is on the way.
    private func sending(_ crop: Crop) -> AgentScript {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, crop.name)))
        agent.find(crop)
        agent.give(.disk(.cropRead(crop.id, offset: 0, bytes: bytes(Int(crop.size)))))
        return agent
    }

    private func acknowledge(_ crop: Crop, in agent: inout AgentScript) {
        agent.reply(.upload(UploadReply(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: 1)))
    }

    @Test func aCropIsExaminedReadSentStagedCommittedAndTheIcon() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("me.png"))))
        #expect(agent.disk == [.examine(only.name)])
        agent.give(.disk(.examined(only.name, .settled(CropRule.Candidate()))))
        #expect(agent.disk == [.judge(only.name, .isNew(everSent: false))])
        agent.give(.disk(.cropRecorded(only)))
        #expect(agent.disk == [.readCrop(only.id, range: 0..<100)])
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        guard case .upload(only, let chunk) = agent.sent.first else {
            Issue.record("\(agent.sent)")
            return
        }
        #expect(chunk.showsToken && chunk.isLast && chunk.transSize == 100)
        acknowledge(only, in: &agent)
        #expect(agent.disk == [.finishCrops([only.id])])
        #expect(agent.machine.status.icon == nil, "not before the catalog knows")
        let events = [
            AvatarEvent(cursor: 1, kind: .uploaded, name: only.name),
            AvatarEvent(cursor: 2, kind: .icon, name: only.name),
        ]
        agent.give(.disk(.cropFinished(only.id, only.name, events)))
        #expect(agent.disk == [.lookUp([only.name], touch: false), .stageCrop(only.id)])
        agent.unknown("me.png")
        agent.give(.disk(.cropStaged(only.id)))
        #expect(agent.disk == [.commit([.init(name: only.name, origin: .crop(only.id))])])
        agent.finishCommit(
            record("me.png", isOwn: true), events: [AvatarEvent(cursor: 3, kind: .ready, name: only.name)])
        #expect(agent.machine.status.icon?.state == .ready)
        #expect(agent.machine.status.uploads == 0)
    }

    /// Two crops are found; the server has the first one, and the catalog knows.
    private func halfDone(_ first: Crop, _ second: Crop) -> AgentScript {
        var agent = sending(first)
        agent.give(.folder(.settled(.crops, second.name)))
        agent.find(second)
        acknowledge(first, in: &agent)
        agent.give(.disk(.cropFinished(first.id, first.name, [])))
        return agent
    }

    @Test func copiesWaitForEachOtherWhileOtherCropsAreOnTheirWay() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var agent = halfDone(first, second)
        #expect(!agent.disk.contains(.stageCrop(first.id)))
        agent.give(.disk(.cropRead(second.id, offset: 0, bytes: bytes(100))))
        acknowledge(second, in: &agent)
        agent.give(.disk(.cropFinished(second.id, second.name, [])))
        #expect(agent.disk.suffix(2) == [.stageCrop(first.id), .stageCrop(second.id)])
    }

    @Test func aCopyDoesNotWaitForLong() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var agent = halfDone(first, second)
        agent.pass(Limits.Upload.copyDelay)
        #expect(agent.disk.contains(.stageCrop(first.id)))
    }

    @Test func aCropThatIsFoundAgainWhileItWaitsIsNoNewOne() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript(online: false)
        agent.logIn()
        agent.find(only)
        #expect(agent.notes == ["new crop"])
        agent.find(only)
        #expect(agent.notes == [])
        #expect(agent.machine.status.uploads == 1)
    }

    @Test func aNameThatCannotBeOneIsSaidOnceAndNeverExamined() {
        var agent = AgentScript()
        agent.give(.folder(.unnameable(.crops, notAName(".hidden.png"))))
        #expect(agent.disk == [])
        #expect(agent.notes == ["not uploaded"])
        agent.give(.folder(.unnameable(.crops, notAName(".hidden.png"))))
        #expect(agent.notes == [], "said already")
        #expect(agent.machine.status.problems.first?.remedy == "rename or remove the file", "it cannot be dismissed")
        #expect(agent.machine.status.problems.count == 1)
    }

    /// "Nothing that appears in the cache folder is ever uploaded."
    @Test func whatAppearsInTheCacheIsInspectedAndNotExamined() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.cache, name("a.png"))))
        #expect(agent.disk == [.inspect(name("a.png"))])
        agent.give(.folder(.unnameable(.cache, notAName(".parts"))))
        #expect(agent.disk == [])
    }

    @Test(arguments: [AgentScript.known, .busy])
    func whatIsKnownOrStillBeingWrittenIsNotSent(examination: Examination) {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), examination)))
        #expect(agent.sent == [])
        #expect(agent.machine.status.uploads == 0)
        #expect(agent.machine.status.problems == [])
    }

    @Test func whatIsRefusedIsAProblemUntilTheFileIsGone() {
        var agent = AgentScript()
        agent.give(.disk(.examined(name("me.png"), .refused(reason: "no image"))))
        #expect(agent.machine.status.problems.map(\.key) == ["upload me.png"])
        agent.give(.folder(.gone(.crops, name("me.png"))))
        #expect(agent.machine.status.problems == [])
    }

    @Test func aCropThatChangesWhileItIsSentIsExaminedAnew() {
        let old = crop(1, "me.png", size: 5000)
        var agent = AgentScript()
        agent.find(old)
        agent.give(.disk(.cropChanged(old.id)))
        #expect(agent.disk == [.examine(old.name)])
        let new = crop(2, "me.png", size: 100)
        agent.find(new)
        #expect(agent.disk == [.readCrop(new.id, range: 0..<100)])
    }

    @Test func aCropThatIsTakenAwayIsWithdrawn() {
        let first = crop(1, "first.png", size: 100)
        let second = crop(2, "second.png", size: 100)
        var agent = sending(first)
        agent.find(second)
        agent.give(.folder(.gone(.crops, name("second.png"))))
        #expect(agent.disk == [.examine(second.name)])
        agent.give(.disk(.examined(second.name, .missing)))
        #expect(agent.machine.status.uploads == 1)
        acknowledge(first, in: &agent)
        #expect(agent.disk == [.finishCrops([first.id])], "and nothing of the second")
    }

    @Test func aLabelOfTheCropsNameSeesItOnItsWay() {
        let only = crop(1, "me.png", size: 100)
        var agent = sending(only)
        agent.register(1, "me.png")
        agent.unknown("me.png")
        #expect(agent.states == ["label of me.png: outgoing"])
        #expect(agent.view("me.png").place == .crops)
        #expect(agent.asked == [], "it is not asked of the server")
        acknowledge(only, in: &agent)
        agent.give(.disk(.cropStaged(only.id)))
        agent.finishCommit(record("me.png", isOwn: true), events: [])
        #expect(agent.states == ["label of me.png: ready"])
    }

    @Test func aCropThatIsRefusedForItselfIsSetAside() {
        let bad = crop(1, "bad.png", size: 100)
        let good = crop(2, "good.png", size: 100)
        var agent = AgentScript()
        agent.find(bad)
        agent.find(good)
        for attempt in 1...Limits.Upload.refusalsMax {
            agent.give(.disk(.cropRead(bad.id, offset: 0, bytes: bytes(100))))
            agent.reply(.upload(UploadReply(error: 1015, name: "bad.png", md5: nil, seq: nil, reason: .tooLarge)))
            if attempt < Limits.Upload.refusalsMax {
                #expect(agent.disk == [])
                agent.pass(Limits.Upload.backoffMax)
                #expect(agent.disk == [.readCrop(bad.id, range: 0..<100)])
            }
        }
        guard case .setCropAside(bad.id, _) = agent.disk.first else {
            Issue.record("\(agent.disk)")
            return
        }
        #expect(agent.machine.status.problems.map(\.key) == ["upload bad.png"])
        #expect(agent.machine.status.problems.first?.what.contains("larger than the server takes") == true)
        #expect(
            agent.refusals.count == 2 && agent.refusals.allSatisfy { $0.contains("larger than") }, "\(agent.refusals)")
        agent.give(.disk(.cropRead(good.id, offset: 0, bytes: bytes(100))))
        #expect(agent.sent.count == 1)
    }

    /// A full disk of the server is no fault of the file: said with the right words, tried again for ever, over when the server has it.
    @Test func aCropThatAFullServerRefusesGoesUpWhenThereIsRoom() throws {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.find(only)
        for _ in 0..<100 {
            agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
            agent.reply(.upload(UploadReply(error: 1015, name: "me.png", md5: nil, seq: nil, reason: .noRoom)))
            let problem = try #require(agent.machine.status.problems.first)
            #expect(problem.what == "not uploaded yet: me.png: the server's disk is full (1015)")
            #expect(problem.remedy?.contains("nothing is wrong with the file") == true)
            #expect(agent.view("me.png").reason == "the server's disk is full (1015)")
            agent.pass(Limits.Upload.backoffMax)
            #expect(agent.disk == [.readCrop(only.id, range: 0..<100)])
        }
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        acknowledge(only, in: &agent)
        #expect(agent.machine.status.problems == [])
        #expect(agent.disk.contains(.finishCrops([only.id])))
    }

    /// `avatarctl sync` is a fetch of what is missing, nothing perhaps.
    @Test func aPersonWhoAsksEndsThePauseAfterARefusal() {
        let only = crop(1, "me.png", size: 100)
        var agent = sending(only)
        agent.reply(.upload(UploadReply(error: 1013, name: "me.png", md5: nil, seq: nil)))
        #expect(agent.disk == [])
        agent.fetch(4)
        #expect(agent.disk.contains(.readCrop(only.id, range: 0..<100)))
    }

    @Test func whoFollowsAnUploadIsAnsweredWhenTheServerKeepsRefusing() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), only.name)))
        agent.find(only)
        var last: (view: AvatarView, continues: Bool)?
        for _ in 0..<Limits.Upload.refusalsTold {
            #expect(last?.continues != false)
            agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
            agent.reply(.upload(UploadReply(error: 1015, name: "me.png", md5: nil, seq: nil, reason: .quota)))
            for case .avatar(StreamID(3), let view, let continues) in agent.told { last = (view, continues) }
            agent.pass(Limits.Upload.backoffMax)
        }
        #expect(last?.continues == false)
        #expect(last?.view.state == .outgoing)
        #expect(last?.view.reason == "the user's files on the server have no room for it (1015)")
    }

    /// Of crops that the server has no room for the last is tried as well; those before it must not become the icon after it.
    @Test func aSmallerLaterCropGoesAndTheOneBeforeStays() {
        let (large, small) = (crop(1, "large.png", size: 2000), crop(2, "small.png", size: 100))
        var agent = AgentScript()
        agent.find(large)
        agent.find(small)
        for _ in 0..<Limits.Upload.refusalsTold {
            agent.give(.disk(.cropRead(large.id, offset: 0, bytes: bytes(2000))))
            agent.reply(.upload(UploadReply(error: 1015, name: "large.png", md5: nil, seq: nil, reason: .quota)))
            agent.pass(Limits.Upload.backoffMax)
        }
        #expect(agent.disk == [.readCrop(small.id, range: 0..<100)])
        agent.give(.disk(.cropRead(small.id, offset: 0, bytes: bytes(100))))
        acknowledge(small, in: &agent)
        #expect(agent.disk.first == .finishCrops([small.id]))
        #expect(
            agent.disk.contains(
                .setCropAside(large.id, reason: "a later crop was uploaded before the server took it")))
        #expect(agent.machine.status.problems == [] && agent.machine.status.uploads == 0)
    }

    /// A, B, and A again: the last word is the icon, whatever the catalog knows of A.
    @Test func aPictureThatWasUploadedBeforeIsSentAgainWhenAPersonAsks() {
        let (first, other, again) = (
            crop(1, "a.png", size: 100), crop(2, "b.png", size: 100), crop(3, "a.png", size: 100)
        )
        var agent = AgentScript()
        for crop in [first, other] {
            agent.find(crop)
            agent.give(.disk(.cropRead(crop.id, offset: 0, bytes: bytes(100))))
            acknowledge(crop, in: &agent)
            agent.give(.disk(.cropFinished(crop.id, crop.name, [])))
        }
        #expect(agent.machine.status.icon?.name == "b.png")
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), again.name)))
        agent.give(.disk(.examined(again.name, AgentScript.known)))
        #expect(
            agent.disk == [.judge(again.name, .isNew(everSent: false))],
            "what the server has of the earlier upload says nothing of this one")
        agent.give(.disk(.cropRecorded(again)))
        #expect(agent.sent == [], "not 1005")
        agent.give(.disk(.cropRead(again.id, offset: 0, bytes: bytes(100))))
        #expect(agent.machine.status.icon?.name == "b.png", "not before the server says so")
        acknowledge(again, in: &agent)
        agent.give(.disk(.cropFinished(again.id, again.name, [])))
        #expect(agent.machine.status.icon?.name == "a.png")
    }

    @Test func aCropThatAPersonAsksForGoesBehindAllThatWait() {
        let (first, last) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var agent = AgentScript(online: false)
        agent.give(.login(AgentScript.login))
        agent.give(.disk(.accountOpened(AgentScript.facts)))
        agent.find(first)
        agent.find(last)
        let waiting = Examination.settled(
            CropRule.Candidate(recorded: .waiting(isSameFile: true, isInOrder: true)))
        for (crop, verdict) in [(first, CropRule.Verdict.isNew(everSent: true)), (last, .waits)] {
            agent.give(.bus(StreamID(3), .upload(path: "/p", more: false)))
            agent.give(.disk(.imported(StreamID(3), crop.name)))
            agent.give(.disk(.examined(crop.name, waiting)))
            #expect(agent.disk == [.judge(crop.name, verdict)], "the last one that waits is where it should be")
            agent.give(.disk(.cropRecorded(crop)))
        }
    }

    @Test func aRefusedTokenKeepsTheCrop() {
        let only = crop(1, "me.png", size: 100)
        var agent = sending(only)
        agent.reply(.upload(UploadReply(error: 1010, name: "me.png", md5: nil, seq: nil)))
        #expect(agent.actions.contains(.disconnect(1)))
        var facts = AgentScript.facts
        facts.crops = [only]
        agent.logIn(account: facts)
        #expect(agent.sent == [.askProgress(only)])
        agent.reply(.progress(name: nil, .error(1012)))
        #expect(agent.disk == [.readCrop(only.id, range: 0..<100)])
    }

    @Test func afterACutTheServerIsAskedAndItGoesOn() {
        let only = crop(1, "me.png", size: 5000)
        var agent = AgentScript()
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
        agent.give(.connection(.closed(1, cause: "reset")))
        agent.pass(.seconds(1))
        agent.give(.connection(.opened(2)))
        #expect(agent.sent == [.askProgress(only)])
        agent.reply(.progress(name: "me.png", .at(seq: 1, totalSize: 5000, transSize: 2048)))
        #expect(agent.disk == [.readCrop(only.id, range: 2048..<5000)])
    }

    /// Nothing was lost: the server need not be asked how far it is.
    @Test func pausingUpStopsBetweenTwoChunks() {
        let only = crop(1, "me.png", size: 5000)
        var agent = AgentScript()
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
        agent.give(.bus(StreamID(1), .pause(.up)))
        agent.reply(.upload(UploadReply(error: 0, name: "me.png", md5: nil, seq: 1)))
        agent.give(.disk(.cropRead(only.id, offset: 2048, bytes: bytes(2952, from: 2048))))
        #expect(agent.disk == [] && agent.sent == [])
        agent.give(.bus(StreamID(1), .resume(.up)))
        #expect(agent.sent.count == 1, "the next chunk, and no question")
    }

    @Test func cropsOfAnEarlierRunGoUpInTheirOrder() {
        var facts = AgentScript.facts
        facts.crops = [crop(4, "b.png", size: 100, everSent: true), crop(9, "a.png", size: 100)]
        var agent = AgentScript(account: facts)
        #expect(agent.sent == [.askProgress(facts.crops[0])])
        #expect(agent.disk.contains(.readCrop(CropID(9), range: 0..<100)), "read ahead")
        agent.give(.disk(.cropRead(CropID(9), offset: 0, bytes: bytes(100))))
        agent.reply(.progress(name: nil, .error(1012)))
        #expect(agent.sent == [], "its last chunk waits")
        agent.give(.disk(.cropRead(CropID(4), offset: 0, bytes: bytes(100))))
        acknowledge(facts.crops[0], in: &agent)
        #expect(agent.disk == [.finishCrops([CropID(4)])])
        #expect(agent.sent.count == 1)
    }

    @Test func theUsersOwnIconIsWantedWithoutAnyLabel() {
        var facts = AgentScript.facts
        facts.icon = name("me.png")
        var agent = AgentScript(account: facts)
        agent.unknown("me.png")
        #expect(agent.asked == ["me.png 1"])
    }

    @Test func anIconThatCouldNotBePlacedIsFetchedFromTheServer() {
        let only = crop(1, "me.png", size: 100)
        var agent = sending(only)
        acknowledge(only, in: &agent)
        #expect(agent.disk == [.finishCrops([only.id])])
        agent.give(.disk(.cropFinished(only.id, only.name, [])))
        #expect(agent.disk == [.lookUp([only.name], touch: false), .stageCrop(only.id)])
        agent.unknown("me.png")
        agent.give(.disk(.cropNotStaged(only.id, .failed("another device"))))
        #expect(agent.asked == ["me.png 1"])
    }

    // MARK: Upload on a person's behalf

    @Test func anUploadWithMoreIsToldUntilItIsThere() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.give(.bus(StreamID(3), .upload(path: "/home/me/picture.png", more: true)))
        #expect(agent.disk == [.importCrop(StreamID(3), path: "/home/me/picture.png")])
        agent.give(.disk(.imported(StreamID(3), only.name)))
        #expect(agent.disk == [.examine(only.name)])
        agent.give(.disk(.examined(only.name, AgentScript.known)))
        #expect(agent.disk == [.judge(only.name, .isNew(everSent: false))], "a person asked for it")
        agent.give(.disk(.cropRecorded(only)))
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        acknowledge(only, in: &agent)
        agent.give(.disk(.cropStaged(only.id)))
        agent.finishCommit(record("me.png", isOwn: true), events: [])
        let last = agent.told.compactMap { output -> (AvatarView.State, Bool)? in
            guard case .avatar(StreamID(3), let view, let continues) = output else { return nil }
            return (view.state, continues)
        }
        #expect(last.count == 1)
        #expect(last.first?.0 == .ready)
        #expect(last.first?.1 == false)
    }

    @Test func anUploadThatIsNoCropEndsItsCall() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), .refused(reason: "no image"))))
        guard case .avatar(StreamID(3), let view, continues: false) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(view.state == .failed)
        #expect(view.reason == "no image")
    }

    /// Another agent of the user may have made another icon since: what a person asks for is sent, though it was the icon when the agent
    /// heard last.
    @Test func anUploadOfTheIconItselfIsSentOnceMore() {
        var facts = AgentScript.facts
        facts.icon = name("me.png")
        var agent = AgentScript(account: facts)
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), AgentScript.known)))
        #expect(agent.disk == [.judge(name("me.png"), .isNew(everSent: false))])
    }

    /// The same picture again: the old one in the cache does not end the call before the crop is up.
    @Test func anUploadOfANameThatIsInTheCacheEndsWithTheUpload() {
        var facts = AgentScript.facts
        facts.icon = name("me.png")
        var agent = AgentScript(account: facts)
        agent.row(CatalogRow(name: name("me.png"), avatar: record("me.png", isOwn: true)))
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), name("me.png"))))
        let again = crop(1, "me.png", size: 100)
        agent.find(again)
        guard case .avatar(StreamID(3), let view, continues: true) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(view.state == .outgoing)
        agent.give(.disk(.cropRead(again.id, offset: 0, bytes: bytes(100))))
        acknowledge(again, in: &agent)
        agent.give(.disk(.cropStaged(again.id)))
        let new = record("me.png", generation: 2, isOwn: true)
        agent.finishCommit(new, events: [])
        #expect(agent.told.contains(.avatar(StreamID(3), AvatarView(new), continues: false)))
    }
}

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
        agent.reply(.upload(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: 1))
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
        #expect(agent.disk == [.finishCrop(only.id)])
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

    @Test func aNameThatCannotBeOneIsSaidOnceAndNeverExamined() {
        var agent = AgentScript()
        agent.give(.folder(.unnameable(.crops, notAName(".hidden.png"))))
        #expect(agent.disk == [])
        #expect(agent.notes == ["not uploaded"])
        agent.give(.folder(.unnameable(.crops, notAName(".hidden.png"))))
        #expect(agent.notes == [], "said already")
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
        #expect(agent.disk == [.finishCrop(first.id)], "and nothing of the second")
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

    @Test func aCropThatTheServerRefusesAgainAndAgainIsSetAside() {
        let bad = crop(1, "bad.png", size: 100)
        let good = crop(2, "good.png", size: 100)
        var agent = AgentScript()
        agent.find(bad)
        agent.find(good)
        for attempt in 1...Limits.Upload.refusalsMax {
            agent.give(.disk(.cropRead(bad.id, offset: 0, bytes: bytes(100))))
            agent.reply(.upload(error: 1015, name: "bad.png", md5: nil, seq: nil))
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
        #expect(agent.disk.last == .readCrop(good.id, range: 0..<100))
        #expect(agent.machine.status.problems.map(\.key) == ["upload bad.png"])
    }

    @Test func aRefusedTokenKeepsTheCrop() {
        let only = crop(1, "me.png", size: 100)
        var agent = sending(only)
        agent.reply(.upload(error: 1010, name: "me.png", md5: nil, seq: nil))
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
        #expect(agent.disk == [.readCrop(only.id, range: 2048..<4096)])
    }

    /// Nothing was lost: the server need not be asked how far it is.
    @Test func pausingUpStopsBetweenTwoChunks() {
        let only = crop(1, "me.png", size: 5000)
        var agent = AgentScript()
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
        agent.give(.bus(StreamID(1), .pause(.up)))
        agent.reply(.upload(error: 0, name: "me.png", md5: nil, seq: 1))
        #expect(agent.disk == [] && agent.sent == [])
        agent.give(.bus(StreamID(1), .resume(.up)))
        #expect(agent.sent == [])
        #expect(agent.disk == [.readCrop(only.id, range: 2048..<4096)])
    }

    @Test func cropsOfAnEarlierRunGoUpInTheirOrder() {
        var facts = AgentScript.facts
        facts.crops = [crop(4, "b.png", size: 100, everSent: true), crop(9, "a.png", size: 100)]
        var agent = AgentScript(account: facts)
        #expect(agent.sent == [.askProgress(facts.crops[0])])
        agent.reply(.progress(name: nil, .error(1012)))
        agent.give(.disk(.cropRead(CropID(4), offset: 0, bytes: bytes(100))))
        acknowledge(facts.crops[0], in: &agent)
        #expect(agent.disk == [.finishCrop(CropID(4))])
        agent.give(.disk(.cropFinished(CropID(4), name("b.png"), [])))
        #expect(agent.disk.contains(.readCrop(CropID(9), range: 0..<100)))
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
        #expect(agent.disk == [.finishCrop(only.id)])
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
        #expect(agent.disk == [.judge(only.name, .isNew(everSent: true))], "a person asked for it")
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

    /// The server has it already: the call ends when the catalog has told of the picture.
    @Test func anUploadOfWhatIsKnownEndsWithThePicture() {
        var facts = AgentScript.facts
        facts.icon = name("me.png")
        var agent = AgentScript(account: facts)
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), AgentScript.known)))
        agent.row(CatalogRow(name: name("me.png"), avatar: record("me.png", isOwn: true)))
        #expect(
            agent.told == [.avatar(StreamID(3), AvatarView(record("me.png", isOwn: true)), continues: false)])
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

import AvatarCore
import Testing
import TransferMachines

/// Disks that are full, folders that go and come back, events that are lost, and what a start finds.
@Suite struct AgentStorageTests {
    @Test func aStartLooksThroughBothFolders() {
        let agent = AgentScript(online: false)
        #expect(agent.disk == [.openAccount, .findRefused, .rescan(.cache), .rescan(.crops)])
    }

    @Test func aLostCatalogIsSaidOnce() {
        var facts = StartFacts()
        facts.isBaseline = true
        let agent = AgentScript(facts)
        #expect(agent.machine.status.problems.map(\.key) == ["catalog"])
    }

    @Test func statusTellsHowMuchTheCacheHoldsWithoutAskingTheDisk() {
        var agent = AgentScript()
        #expect(agent.machine.status.cachedFiles == 0)
        agent.give(.disk(.totals(files: 3, bytes: 4500, isOverfull: false)))
        #expect(agent.actions == [])
        #expect(agent.machine.status.cachedFiles == 3)
        #expect(agent.machine.status.cachedBytes == 4500)
        agent.give(.disk(.totals(files: 2, bytes: 1500, isOverfull: false)))
        #expect(agent.machine.status.cachedFiles == 2)
        #expect(agent.machine.status.cachedBytes == 1500)
    }

    // MARK: A full disk

    @Test func aFullDiskStopsTransfersAndIsTriedAgain() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", 1, of: 2_000)
        agent.give(.disk(.partFailed(name("a.png"), .full)))
        #expect(agent.machine.status.problems.map(\.key) == ["storage"])
        #expect(agent.view("a.png").reason == "the disk takes no writes")
        agent.register(2, "b.png")
        agent.unknown("b.png")
        #expect(agent.sent == [])
        agent.pass(Limits.Storage.retryFirst)
        #expect(agent.disk == [.probe])
        agent.give(.disk(.probed(.full)))
        #expect(agent.sent == [])
        agent.pass(Limits.Storage.retryFirst * 2)
        #expect(agent.disk == [.probe])
        agent.give(.disk(.probed(nil)))
        #expect(agent.machine.status.problems == [])
        #expect(agent.disk == [.lookUp([name("a.png"), name("b.png")], touch: false)])
        agent.unknown("a.png", "b.png")
        #expect(agent.asked.sorted() == ["a.png 1", "b.png 1"])
    }

    /// The disk has room for a probe, not for a picture: the server must not be asked for it every other second.
    @Test func aDiskThatIsFullAgainAtOnceIsLeftAloneForLonger() {
        var agent = AgentScript()
        agent.want("a.png")
        var waits: [Duration] = []
        for _ in 0..<8 {
            agent.chunk("a.png", 1, of: 2_000)
            agent.give(.disk(.partFailed(name("a.png"), .full)))
            let wait = (agent.machine.deadline ?? agent.now) - agent.now
            waits.append(wait)
            agent.pass(wait)
            agent.give(.disk(.probed(nil)))
            agent.unknown("a.png")
            #expect(agent.asked == ["a.png 1"])
        }
        #expect(waits[7] >= Limits.Storage.retryMax / 2)
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.register(2, "b.png")
        agent.unknown("b.png")
        agent.chunk("b.png", 1, of: 2_000)
        agent.give(.disk(.partFailed(name("b.png"), .full)))
        #expect((agent.machine.deadline ?? agent.now) - agent.now <= Limits.Storage.retryFirst, "it worked in between")
    }

    @Test func aCommitThatFindsTheDiskFullIsTakenUpAgain() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .diskFull)
        #expect(agent.states == [])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.lookUp([name("a.png")], touch: false)])
    }

    @Test func anUploadedCropWaitsForRoomInTheCache() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "me.png", md5: nil, seq: 1)))
        agent.give(.disk(.cropFinished(only.id, only.name, [])))
        agent.unknown("me.png")
        agent.give(.disk(.cropNotStaged(only.id, .full)))
        #expect(agent.disk == [])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.stageCrop(only.id)])
    }

    /// After a crash a crop that is not noted is sent again: a later one must not be noted before.
    @Test func theNextCropIsNotedWhenTheCatalogKnowsOfTheOneBefore() {
        let first = crop(1, "a.png", size: 100)
        let second = crop(2, "b.png", size: 100)
        var agent = AgentScript()
        agent.find(first)
        agent.find(second)
        agent.give(.disk(.cropRead(first.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "a.png", md5: nil, seq: 1)))
        #expect(agent.disk == [.finishCrops([first.id])])
        agent.give(.disk(.failed(.finishCrops([first.id]), .full)))
        agent.give(.disk(.cropRead(second.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "b.png", md5: nil, seq: 1)))
        #expect(agent.disk == [])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.finishCrops([first.id])])
        agent.give(.disk(.cropFinished(first.id, first.name, [])))
        #expect(agent.disk.contains(.finishCrops([second.id])))
    }

    // MARK: Folders

    @Test(arguments: [WatchedFolder.crops, .cache])
    func aLostFolderIsLookedForWithWaitsThatGrow(folder: WatchedFolder) {
        var agent = AgentScript()
        agent.give(.folder(.lost(folder, reason: "removed", remedy: nil)))
        #expect(agent.machine.status.problems.map(\.key) == ["folder \(folder.rawValue)"])
        var waits: [Duration] = []
        for _ in 0..<8 {
            let wait = (agent.machine.deadline ?? agent.now) - agent.now
            waits.append(wait)
            agent.pass(wait)
            #expect(agent.actions == [.attach(folder), .disk(.rescan(folder))])
            #expect(agent.machine.deadline == at(0) + Limits.Paths.compareInterval, "until it is told how that went")
            agent.give(.folder(.lost(folder, reason: "removed", remedy: nil)))
            #expect(agent.notes == [], "said once")
        }
        #expect(waits[0] <= Limits.Storage.retryFirst)
        #expect(waits[7] >= Limits.Storage.retryMax / 2)
        agent.give(.folder(.back(folder)))
        #expect(agent.disk == [.rescan(folder)])
        #expect(agent.machine.status.problems == [])
        #expect(agent.machine.deadline == at(0) + Limits.Paths.compareInterval)
    }

    @Test func afterAnOverflowBothFoldersAreReadAgain() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        #expect(agent.disk == [.rescan(.cache), .rescan(.crops)])
        #expect(agent.machine.activity.overflows == 1)
    }

    @Test func aRescanExaminesWhatSettledAndFetchesWhatIsGone() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.give(
            .disk(
                .rescanned(.cache, settled: [], unnameable: [], vanished: [name("a.png"), name("b.png")], events: [])))
        #expect(agent.asked == ["a.png 1"])
        agent.give(
            .disk(
                .rescanned(
                    .crops, settled: [name("2.png"), name("1.png")], unnameable: [notAName(".no")], vanished: [],
                    events: [])))
        #expect(agent.looks() == ["2.png", "1.png"])
    }

    /// The look may still find crops that were closed before: order is kept.
    @Test func whatSettlesDuringALookThroughTheUploadFolderWaitsForIt() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.folder(.settled(.crops, name("newer.png"))))
        agent.give(.folder(.settled(.crops, name("new.png"))))
        #expect(agent.disk == [])
        agent.give(.disk(.rescanned(.crops, settled: [name("old.png")], unnameable: [], vanished: [], events: [])))
        #expect(agent.looks() == ["old.png", "newer.png", "new.png"])
        agent.give(.folder(.settled(.crops, name("next.png"))))
        #expect(agent.disk == [.examine(name("next.png"))])
    }

    @Test func moreThanCanBeKeptInMindIsFoundByAnotherLook() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        for number in 0..<Limits.Upload.deferredMax {
            agent.give(.folder(.settled(.crops, name("\(number).png"))))
            #expect(agent.disk == [])
        }
        agent.give(.folder(.settled(.crops, name("one more.png"))))
        #expect(agent.disk == [.rescan(.crops)])
    }

    @Test func partsThatNobodyCameBackForGoWhenNewOnesCome() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", of: 5000)
        #expect(agent.disk.first == .beginPart(name("a.png"), PartPlan(totalSize: 5000, chunkSize: 2048)))
        agent.give(.hungUp(StreamID(1)))
        for seq in [Int64(2), 3] { agent.chunk("a.png", seq, of: 5000) }
        agent.pass(Limits.Download.partAge)
        agent.register(2, "b.png")
        agent.unknown("b.png")
        #expect(agent.asked == ["b.png 1"])
        agent.chunk("b.png", of: 5000)
        #expect(agent.disk.contains(.trimParts(keep: [name("b.png")])))
    }
}

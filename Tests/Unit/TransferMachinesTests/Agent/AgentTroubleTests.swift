import AvatarCore
import Testing
import TransferMachines

/// What must not be lost, mixed up or told wrongly when disk, catalog or login fail or change in the middle.
@Suite struct AgentTroubleTests {
    private func read(_ stream: UInt64 = 9, since: Int64?, in agent: inout AgentScript) {
        agent.give(.bus(StreamID(stream), .watch(epoch: nil, since: since, heartbeat: false, more: true)))
    }

    // MARK: Another login

    @Test func afterALoginElsewhereADownloadBeginsAnew() {
        var agent = AgentScript()
        agent.want("a.bmp")
        agent.chunk("a.bmp", 1, of: 10_000)
        agent.give(.disk(.wrote(name("a.bmp"), through: 2048)))
        agent.chunk("a.bmp", 2, of: 10_000)
        agent.give(.login(Login(server: "elsewhere:9090", uid: UserID(7)!, way: .classic(uploadChunkBytes: 2048))))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.asked == ["a.bmp 1"], "the same name and size there is another picture")
        agent.chunk("a.bmp", 1, of: 10_000)
        #expect(agent.disk.contains(.beginPart(name("a.bmp"), PartPlan(totalSize: 10_000, chunkSize: 2048))))
    }

    @Test func afterALoginWithAnotherTokenADownloadGoesOn() {
        var agent = AgentScript()
        agent.want("a.bmp")
        agent.chunk("a.bmp", 1, of: 10_000)
        agent.give(.disk(.wrote(name("a.bmp"), through: 2048)))
        agent.give(.login(Login(server: "127.0.0.1:9090", uid: UserID(7)!, way: .classic(uploadChunkBytes: 2048))))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.asked.first == "a.bmp 2")
    }

    /// The crop is the first user's: no note of it is made in the second user's name, and the second user has nothing to send.
    @Test func aCropThatOneServerHasAndTheCatalogDoesNotKnowOfStaysWithItsAccount() {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "me.png", md5: nil, seq: 1)))
        agent.give(.disk(.failed(.finishCrops([only.id]), .full)))
        agent.give(.login(Login(server: "elsewhere:9090", uid: UserID(8)!, way: .classic(uploadChunkBytes: 2048))))
        agent.give(.disk(.accountOpened(AccountFacts(account: "elsewhere:9090/8"))))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.disk == [] && agent.sent == [])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [], "the catalog keeps it as a crop that waits for the first user")
        agent.give(.disk(.cropFinished(only.id, only.name, [])))
        #expect(agent.disk == [] && agent.machine.status.icon == nil, "it is not this user's icon")
    }

    @Test func aLoginThatCannotBeUsedIsSaidUntilThereIsAnother() {
        var agent = AgentScript(online: false)
        agent.give(.loginUnusable(reason: "it can be read by others"))
        #expect(agent.machine.status.problems.map(\.what) == ["it can be read by others"])
        agent.give(.login(AgentScript.login))
        #expect(agent.machine.status.problems == [])
    }

    // MARK: The start

    @Test func withoutAStartNothingIsLookedThroughAndItIsTriedAgain() {
        var agent = AgentScript(online: false)
        agent.machine = AgentMachine(now: at(0), seed: 1)
        agent.give(.disk(.failed(.start, .full)))
        agent.give(.folder(.overflow))
        agent.give(.folder(.gone(.crops, name("me.png"))))
        agent.give(.folder(.settled(.crops, name("new.png"))))
        #expect(agent.disk == [], "without its rows every crop would be taken for new")
        #expect(agent.machine.status.problems.map(\.key) == ["storage"])
        agent.pass(Limits.Storage.retryFirst)
        #expect(agent.disk == [.probe])
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.start])
        agent.give(.disk(.started(StartFacts())))
        #expect(agent.disk == [.openAccount, .findRefused, .rescan(.cache), .rescan(.crops)])
    }

    @Test func whatSettlesBeforeTheStartWaitsForTheLookThatComesWithIt() {
        var agent = AgentScript(online: false)
        agent.machine = AgentMachine(now: at(0), seed: 1)
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.disk(.started(StartFacts())))
        agent.give(.disk(.rescanned(.crops, settled: [name("old.png")], unnameable: [], vanished: [], events: [])))
        #expect(agent.looks() == ["old.png", "new.png"])
    }

    @Test func cropsThatTheStartIsNotSureOfAreLookedAt() {
        var facts = AccountFacts(account: nil)
        facts.doubtful = [name("me.png")]
        var agent = AgentScript(online: false)
        agent.give(.disk(.accountOpened(facts)))
        #expect(
            agent.disk == [.rescan(.crops)], "a look through the folder may still find crops that were closed before")
        agent.give(.disk(.rescanned(.crops, settled: [name("old.png")], unnameable: [], vanished: [], events: [])))
        #expect(agent.disk == [.examine(name("old.png"))])
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        agent.give(.disk(.examined(name("old.png"), .missing)))
        #expect(agent.looks() == ["me.png"])
    }

    // MARK: Failing looks

    @Test func aCropThatCannotBeRecordedIsLookedForAgainWhenTheDiskIsWell() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.failed(.examine(name("me.png")), .full)))
        #expect(agent.machine.status.problems.map(\.key) == ["storage"])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.rescan(.crops)])
        agent.give(.disk(.rescanned(.crops, settled: [name("me.png")], unnameable: [], vanished: [], events: [])))
        #expect(agent.disk == [.examine(name("me.png"))])
    }

    @Test(arguments: [WatchedFolder.crops, .cache])
    func aFolderThatCouldNotBeLookedThroughStaysDue(folder: WatchedFolder) {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.disk(.failed(.rescan(folder), .failed("EMFILE"))))
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk == [.rescan(folder)])
    }

    @Test func whatIsClosedAfterACropThatIsStillToBeFoundWaitsForThatOne() {
        var agent = AgentScript()
        agent.give(.disk(.failed(.examine(name("first.png")), .full)))
        agent.give(.folder(.settled(.crops, name("second.png"))))
        #expect(agent.disk == [])
        agent.pass(Limits.Storage.retryFirst)
        agent.give(.disk(.probed(nil)))
        agent.give(.disk(.rescanned(.crops, settled: [name("first.png")], unnameable: [], vanished: [], events: [])))
        #expect(agent.looks() == ["first.png", "second.png"])
    }

    @Test func afterALookThatFailedNoneOfThoseBehindItIsTaken() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("first.png"))))
        agent.give(.folder(.settled(.crops, name("second.png"))))
        #expect(agent.disk == [], "one after the other")
        agent.give(.disk(.failed(.examine(name("first.png")), .full)))
        #expect(agent.disk == [])
    }

    @Test func aFolderThatIsNotAtItsPathIsLost() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        agent.give(.disk(.moved(.crops)))
        #expect(agent.disk.contains(.comparePaths))
        agent.give(.disk(.pathsCompared([PathFinding(.folder(.crops), .another)])))
        #expect(agent.machine.status.problems.map(\.key) == ["folder crops"])
        #expect(agent.actions.contains(.attach(.crops)))
    }

    @Test func aNameThatTheFileSystemDoesNotTakeStopsNoOther() {
        var agent = AgentScript()
        agent.register(1, "a:b.png", "c.png")
        agent.unknown("a:b.png", "c.png")
        agent.chunk("a:b.png", 1, of: 10_000)
        agent.give(.disk(.partRefused(name("a:b.png"), reason: "openat: Invalid argument")))
        #expect(agent.states == ["label of a:b.png: failed"])
        #expect(agent.machine.status.problems == [])
        agent.chunk("c.png", 1, of: 10_000)
        #expect(agent.asked.contains("c.png 2"))
    }

    // MARK: One name, both ways

    @Test func aCropTakesItsNameFromADownload() {
        let mine = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.want("me.png")
        agent.chunk("me.png", 1, of: 10_000)
        agent.find(mine)
        for seq in Int64(2)...5 { agent.chunk("me.png", seq, of: 10_000) }
        #expect(agent.disk.allSatisfy { if case .append = $0 { false } else { true } })
        #expect(agent.asked == [])
    }

    @Test func aCropThatIsReplacedBeforeItWentIsForgotten() {
        let old = crop(1, "me.png", size: 100, account: nil)
        let new = crop(2, "me.png", size: 200, account: nil)
        var agent = AgentScript(online: false)
        agent.find(old)
        agent.find(new)
        #expect(agent.disk.contains(.forgetCrop(old.id)))
    }

    // MARK: The log

    @Test func aFollowerIsToldOfAnEventThatWasWrittenAndNotReported() {
        var agent = AgentScript()
        read(since: nil, in: &agent)
        agent.give(
            .disk(.events(StreamID(9), EventPage(epoch: "e", cursor: 4, reset: false, events: [], rows: []))))
        let late = [AvatarEvent(cursor: 6, kind: .removed, name: name("b.png"))]
        agent.give(.disk(.logged(late)))
        #expect(agent.told == [])
        #expect(agent.disk == [.readEvents(StreamID(9), since: 4, epoch: "e")])
        let both = [AvatarEvent(cursor: 5, kind: .removed, name: name("a.png"))] + late
        agent.give(
            .disk(.events(StreamID(9), EventPage(epoch: "e", cursor: 6, reset: false, events: both, rows: []))))
        guard case .changes(_, _, 6, false, let changes, true) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(changes.map(\.cursor) == [5, 6])
    }

    @Test func aCallThatTheDiskRefusedIsFollowedNoLonger() {
        var agent = AgentScript()
        read(since: 0, in: &agent)
        agent.give(.disk(.refused(StreamID(9), .storage("EIO"))))
        agent.give(.disk(.logged([AvatarEvent(cursor: 1, kind: .removed, name: name("a.png"))])))
        #expect(agent.told == [] && agent.disk == [])
    }

    @Test func theIconIsKeptWhateverIsKnownOfIt() {
        var facts = AgentScript.facts
        facts.icon = name("me.png")
        var agent = AgentScript(account: facts)
        agent.give(.disk(.totals(files: 2, bytes: 200, isOverfull: true)))
        #expect(agent.disk == [.evict(keep: [name("me.png")])])
    }

    // MARK: Configuration

    @Test func configurationThatIsNotTakenOverIsSaidUntilItIs() {
        var agent = AgentScript()
        agent.give(.configurationRead(ConfigurationFacts(fault: "a.yaml: server.prot: there is no such key")))
        #expect(agent.machine.status.problems.map(\.what).first?.contains("server.prot") == true)
        #expect(agent.disk == [])
        agent.give(.configurationRead(ConfigurationFacts(waiting: ["cache.directory", "bus.socket"])))
        #expect(
            agent.machine.status.problems.map(\.what) == [
                "configured anew, and not in force yet: cache.directory, bus.socket"
            ])
        agent.give(.configurationRead(ConfigurationFacts()))
        #expect(agent.machine.status.problems == [])
    }

    @Test func aLargerBoundIsAReasonToLookThroughTheUploadFolder() {
        var agent = AgentScript()
        agent.give(.configurationRead(ConfigurationFacts(mayTakeLargerCrops: true)))
        #expect(agent.disk == [.rescan(.crops)])
    }
}

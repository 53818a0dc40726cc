import AvatarCore
import Testing
import TransferMachines

/// Commands that the disk could not carry out: whoever waits is told, and what nobody asks for again is done again.
@Suite struct AgentRedoTests {
    /// The disk is asked whether it takes writes, and does.
    private func recover(_ agent: inout AgentScript) {
        agent.pass((agent.machine.deadline ?? agent.now) - agent.now)
        #expect(agent.disk == [.probe])
        agent.give(.disk(.probed(nil)))
    }

    @Test(
        arguments: [
            .touch([name("a.png")]), .discardPart(name("a.png")), .judge(name("a.png"), .known),
            .judge(name("a.png"), .refused(.wanted)), .adopt(name("a.png")), .forgetCrop(CropID(1)),
            .setCropAside(CropID(1), reason: "refused"), .setNegative(name("a.png"), .absent, attempts: 1),
            .clearNegatives([name("a.png")]), .inspect(name("a.png")), .audit(after: nil), .evict(keep: []),
        ] as [DiskCommand])
    func whatFailedIsDoneAgainWhenTheDiskIsWellSoManyTimes(command: DiskCommand) {
        var agent = AgentScript()
        for _ in 0..<Limits.Storage.triesMax {
            agent.give(.disk(.failed(command, .failed("EIO"))))
            #expect(agent.disk == [])
            #expect(agent.machine.status.problems.map(\.key) == ["storage"])
            recover(&agent)
            #expect(agent.disk == [command])
            #expect(agent.machine.status.problems == [])
        }
        agent.give(.disk(.failed(command, .failed("EIO"))))
        #expect(agent.notes.contains("given up after the disk failed"))
        recover(&agent)
        #expect(agent.disk == [])
    }

    @Test(arguments: [DiskCommand.openAccount, .finishCrops([CropID(1)])])
    func withoutWhichNoCropWouldGoIsTriedForAsLongAsItTakes(command: DiskCommand) {
        var agent = AgentScript()
        for _ in 0..<3 * Limits.Storage.triesMax {
            agent.give(.disk(.failed(command, .failed("EIO"))))
            recover(&agent)
            #expect(agent.disk == [command])
        }
    }

    @Test func whatFailedTwiceBeforeTheDiskIsWellIsDoneOnceAndInOrder() {
        var agent = AgentScript()
        agent.give(.disk(.failed(.inspect(name("b.png")), .full)))
        agent.give(.disk(.failed(.inspect(name("a.png")), .full)))
        agent.give(.disk(.failed(.inspect(name("b.png")), .full)))
        #expect(agent.machine.load.redo == 2)
        recover(&agent)
        #expect(agent.disk == [.inspect(name("b.png")), .inspect(name("a.png"))])
        #expect(agent.machine.load.redo == 0)
    }

    @Test func aPictureThatIsPlacedMakesTheTriesBeginAnew() {
        var agent = AgentScript()
        let command = DiskCommand.inspect(name("b.png"))
        for _ in 0..<Limits.Storage.triesMax {
            agent.give(.disk(.failed(command, .full)))
            recover(&agent)
        }
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.give(.disk(.failed(command, .full)))
        recover(&agent)
        #expect(agent.disk == [command])
    }

    /// What looking at each name would have found a look through the cache finds.
    @Test func pastTheBoundOneLookThroughTheCacheTakesThePlaceOfTheRest() {
        var agent = AgentScript()
        for number in 0..<Limits.Storage.redoMax + 50 {
            agent.give(.disk(.failed(.inspect(name("\(number).png")), .full)))
        }
        #expect(agent.machine.load.redo == Limits.Storage.redoMax)
        recover(&agent)
        #expect(agent.disk.count == Limits.Storage.redoMax + 1)
        #expect(agent.disk.last == .rescan(.cache))
    }

    @Test func theDiskIsAskedOnceHoweverManyCommandsFailed() {
        var agent = AgentScript()
        for number in 0..<10 { agent.give(.disk(.failed(.inspect(name("\(number).png")), .full))) }
        agent.pass((agent.machine.deadline ?? agent.now) - agent.now)
        #expect(agent.disk == [.probe])
        agent.pass(Limits.Storage.retryMax)
        #expect(agent.disk == [], "it has not answered")
    }

    /// Old parts are looked for again by themselves; nothing waits for that.
    @Test func oldPartsThatAreNotRemovedStopNothing() {
        var agent = AgentScript()
        agent.give(.disk(.failed(.trimParts(keep: []), .failed("EIO"))))
        #expect(agent.notes == ["old parts are not removed"])
        #expect(agent.machine.status.problems == [])
        agent.want("a.png")
        #expect(agent.asked == ["a.png 1"])
    }

    // MARK: Calls

    @Test func callsOfTheDiskThatFailAreAnsweredWithTheReason() {
        let stream = StreamID(5)
        let commands: [DiskCommand] = [
            .forget(stream, name("a.png")), .dismiss(stream, name("a.png")), .importCrop(stream, path: "/p"),
            .readEvents(stream, since: nil, epoch: nil), .list(stream, state: nil, after: nil, limit: 10),
        ]
        for command in commands {
            var agent = AgentScript()
            agent.give(.disk(.failed(command, .full)))
            #expect(agent.told == [.failed(stream, .storage("the disk is full"))])
            recover(&agent)
            #expect(agent.disk == [], "whoever asked may ask again")
        }
    }

    // MARK: The catalog's word of a name

    @Test func aTouchThatFailsChangesNoLabelAndFetchesNothing() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        agent.give(.disk(.failed(.touch([name("a.png"), name("b.png")]), .full)))
        #expect(agent.told == [] && agent.sent == [] && agent.disk == [])
        #expect(agent.view("a.png").state == .ready)
        recover(&agent)
        #expect(agent.disk == [.touch([name("a.png"), name("b.png")])])
        #expect(agent.told == [] && agent.sent == [])
    }

    @Test func aLabelWhoseNameCannotBeLookedUpIsPendingAndSaysWhy() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.give(.disk(.failed(.lookUp([name("a.png")], touch: true), .failed("EIO"))))
        #expect(agent.states == ["label of a.png: pending"])
        #expect(agent.view("a.png").reason == "the disk takes no writes")
        #expect(agent.sent == [])
        recover(&agent)
        #expect(agent.disk == [.lookUp([name("a.png")], touch: false)])
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        #expect(agent.states == ["label of a.png: ready"])
    }

    @Test func aNameThatCouldNotBeLookedUpIsFetchedWhenTheCatalogKnowsNothingOfIt() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.give(.disk(.failed(.lookUp([name("a.png")], touch: true), .full)))
        recover(&agent)
        agent.unknown("a.png")
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aQuestionThatTheCatalogCannotAnswerIsAnsweredWithPending() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(2), .get(.name(name("a.png"), owner: nil))))
        agent.give(.disk(.failed(.lookUp([name("a.png")], touch: false), .full)))
        let pending = AvatarView(name: "a.png", state: .pending, reason: "the disk takes no writes")
        #expect(agent.told == [.avatar(StreamID(2), pending, continues: false)])
        recover(&agent)
        #expect(agent.disk == [], "nobody waits for it any more")
    }

    @Test func aFetchThatTheCatalogCannotAnswerGoesOnWhenTheDiskIsWell() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        agent.give(.disk(.failed(.lookUp([name("a.png")], touch: true), .full)))
        let pending = AvatarView(name: "a.png", state: .pending, reason: "the disk takes no writes")
        #expect(agent.told == [.accepted(StreamID(1), 1, pending, continues: true)])
        recover(&agent)
        agent.unknown("a.png")
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func anExaminationWhoseVerdictCannotBeRecordedIsMadeAgain() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.folder(.settled(.crops, name("next.png"))))
        agent.give(.disk(.examined(name("me.png"), .settled(CropRule.Candidate()))))
        agent.give(.disk(.failed(.judge(name("me.png"), .isNew(everSent: false)), .full)))
        #expect(agent.disk == [], "none of those behind it may take its place")
        recover(&agent)
        #expect(agent.disk == [.rescan(.crops)])
        let found = [name("me.png"), name("next.png")]
        agent.give(.disk(.rescanned(.crops, settled: found, unnameable: [], vanished: [], events: [])))
        #expect(agent.looks() == ["me.png", "next.png"])
    }
}

import AvatarCore
import Testing
import TransferMachines

/// What files of the upload folder do besides being written and closed.
@Suite struct AgentFolderTests {
    private func examination(_ recorded: CropRule.Recorded?, renamed: CropRule.Renamed? = nil) -> Examination {
        .settled(CropRule.Candidate(recorded: recorded, renamed: renamed))
    }

    @Test func whatAppearsIsLookedAtAndExaminedWhenNobodyWritesIt() {
        var agent = AgentScript()
        agent.give(.folder(.appeared(.crops, name("a.png"))))
        #expect(agent.disk == [.look(name("a.png"))])
        agent.give(.disk(.appeared(name("a.png"))))
        #expect(agent.disk == [.examine(name("a.png"))])
        agent.give(.disk(.examined(name("a.png"), examination(nil))))
        #expect(agent.disk == [.judge(name("a.png"), .isNew(everSent: false))])
        agent.give(.folder(.appeared(.cache, name("a.png"))))
        #expect(agent.disk == [])
    }

    @Test func attributesOfAFileUnderExaminationAreLookedAtAfterIt() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("a.png"))))
        for _ in 0..<3 {
            agent.give(.folder(.touched(.crops, name("a.png"))))
            #expect(agent.disk == [])
        }
        agent.give(.disk(.examined(name("a.png"), .refused(reason: "it cannot be read"))))
        #expect(agent.disk == [.examine(name("a.png"))])
        agent.give(.disk(.examined(name("a.png"), examination(nil))))
        #expect(agent.disk == [.judge(name("a.png"), .isNew(everSent: false))])
        agent.give(.disk(.cropRecorded(crop(1, "a.png", size: 100))))
        #expect(agent.machine.status.problems.isEmpty)
    }

    @Test func attributesOfASentCropMakeNoNewCrop() {
        var agent = AgentScript()
        agent.give(.folder(.touched(.crops, name("a.png"))))
        agent.give(.disk(.examined(name("a.png"), examination(.sent(toThisAccount: true, .changed)))))
        #expect(agent.disk.first == .judge(name("a.png"), .known))
        agent.give(.folder(.settled(.crops, name("a.png"))))
        agent.give(.disk(.examined(name("a.png"), examination(.sent(toThisAccount: true, .changed)))))
        #expect(agent.disk.first == .judge(name("a.png"), .isNew(everSent: false)))
    }

    @Test(arguments: [CropRule.Renamed.waiting, .dealtWith])
    func aRenameWithinTheFolderKeepsTheCropsState(before: CropRule.Renamed) {
        var agent = AgentScript()
        agent.give(.folder(.renamed(.crops, name("new.png"))))
        agent.give(.disk(.examined(name("new.png"), examination(nil, renamed: before))))
        #expect(agent.disk.first == .judge(name("new.png"), .renamed(before)))
        agent.give(.folder(.settled(.crops, name("next.png"))))
        #expect(agent.disk == (before == .waiting ? [] : [.examine(name("next.png"))]))
    }

    /// A file that was moved away and back came from elsewhere.
    @Test func whatIsMovedInIsANewCropWhateverItWasBefore() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.disk(.examined(name("new.png"), examination(nil, renamed: .dealtWith))))
        #expect(agent.disk.first == .judge(name("new.png"), .isNew(everSent: false)))
    }

    @Test func aProblemEndsWithItsFile() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("a.png"))))
        agent.give(.disk(.examined(name("a.png"), .refused(reason: "it is empty"))))
        agent.give(.folder(.unnameable(.crops, notAName("b.png"))))
        #expect(agent.machine.status.problems.count == 2)
        agent.give(.folder(.gone(.crops, name("a.png"))))
        agent.give(.folder(.unnameableGone(.crops, notAName("b.png"))))
        #expect(agent.machine.status.problems.isEmpty)
    }

    @Test func aLookThroughTheFolderEndsProblemsOfFilesThatAreGone() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("a.png"))))
        agent.give(.disk(.examined(name("a.png"), .refused(reason: "it is empty"))))
        agent.give(.folder(.unnameable(.crops, notAName("b.png"))))
        agent.give(.folder(.overflow))
        agent.give(.disk(.rescanned(.crops, settled: [name("a.png")], unnameable: [], vanished: [], events: [])))
        agent.give(.disk(.examined(name("a.png"), .missing)))
        #expect(agent.machine.status.problems.isEmpty)
    }

    /// A look that was there before the name came, or went, says nothing about it.
    @Test func whatIsHeardOfANameDuringALookCountsMoreThanTheLook() {
        var agent = AgentScript()
        agent.give(.folder(.unnameable(.crops, notAName("old.png"))))
        agent.give(.folder(.overflow))
        agent.give(.folder(.unnameable(.crops, notAName("new.png"))))
        agent.give(.folder(.unnameableGone(.crops, notAName("old.png"))))
        let stale = DiskResult.rescanned(
            .crops, settled: [], unnameable: [notAName("old.png")], vanished: [], events: [])
        agent.give(.disk(stale))
        #expect(agent.machine.status.problems.map { $0.what.contains("new.png") } == [true])
        agent.give(.folder(.overflow))
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        #expect(agent.machine.status.problems.isEmpty)
    }

    @Test func aNameThatBeginsWithADotIsNobodysBusiness() {
        var agent = AgentScript()
        agent.give(.folder(.unnameable(.crops, AvatarNameError(.leadingDot, name: ".goutputstream-A"))))
        #expect(agent.notes == [] && agent.machine.status.problems.isEmpty)
    }

    @Test func aCheckWithALookIsAnsweredWhenAllThatWasFoundIsDealtWith() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .check(look: true)))
        #expect(agent.disk == [.findRefused, .rescan(.cache), .rescan(.crops)])
        agent.give(.disk(.refusedFound([name("refused.png")])))
        #expect(agent.disk == [.examine(name("refused.png"))])
        agent.give(.disk(.rescanned(.crops, settled: [name("new.png")], unnameable: [], vanished: [], events: [])))
        agent.give(.disk(.examined(name("refused.png"), .refused(reason: "it is empty"))))
        #expect(agent.disk == [.examine(name("new.png"))])
        agent.give(.disk(.examined(name("new.png"), .missing)))
        #expect(agent.disk == [.check(StreamID(1))])
        var check = FolderCheck()
        check.add(FolderDifference(.crops, "refused.png", .refused, reason: "it is empty"))
        check.add(FolderDifference(.crops, "saved-now.png", .new))
        agent.give(.folder(.settled(.crops, name("saved-now.png"))))
        agent.give(.disk(.checked(StreamID(1), check)))
        guard case .checked(_, let told)? = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(told.differences.map(\.name.string) == ["refused.png"] && told.total == 1)
    }

    @Test func aCheckThatTheDiskCannotCarryOutEndsWithAnError() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .check(look: false)))
        #expect(agent.disk == [.check(StreamID(1))])
        agent.give(.disk(.failed(.check(StreamID(1)), .failed("no"))))
        #expect(agent.told == [.failed(StreamID(1), .storage("no"))])
    }

    /// The agent right after its start, with a check of each kind.
    private func early() -> AgentMachine {
        var machine = AgentMachine(now: at(0), seed: 1)
        for (stream, look) in [(1, false), (2, true)] {
            #expect(machine.handle(.bus(StreamID(UInt64(stream)), .check(look: look)), now: at(0)) == [])
        }
        return machine
    }

    @Test func aCheckBeforeTheCatalogIsOpenIsAnsweredWhenItIs() {
        var machine = early()
        let actions = machine.handle(.disk(.started(StartFacts())), now: at(0))
        #expect(actions.contains(.disk(.check(StreamID(1)))))
        #expect(!actions.contains(.disk(.check(StreamID(2)))), "its look is not over")
        let looked = machine.handle(
            .disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])), now: at(0))
        #expect(looked.contains(.disk(.check(StreamID(2)))))
    }

    @Test func aCheckBeforeTheCatalogIsOpenEndsWithAnErrorWhereItCannotBeOpened() {
        var machine = early()
        let actions = machine.handle(.disk(.failed(.start, .failed("no"))), now: at(0))
        for stream in [StreamID(1), StreamID(2)] {
            #expect(actions.contains(.bus(.failed(stream, .storage("no")))))
        }
    }

    @Test func whoHangsUpIsNotCheckedFor() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .check(look: true)))
        agent.give(.hungUp(StreamID(1)))
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        #expect(!agent.disk.contains(.check(StreamID(1))))
    }
}

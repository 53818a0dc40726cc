import AvatarCore
import Testing
import TransferMachines

/// What the agent does when a path leads elsewhere than to what is held of it.
@Suite struct AgentPathTests {
    private static let all: [HeldPath] = [.folder(.crops), .folder(.cache), .state, .bus]

    private func compared(_ agent: inout AgentScript, _ path: HeldPath, _ standing: PathStanding) {
        agent.give(.pathsMayDiffer)
        agent.give(.disk(.pathsCompared([PathFinding(path, standing)])))
    }

    private func keys(_ agent: AgentScript) -> [ExactString] { agent.machine.status.problems.map(\.key) }

    @Test func reasonsThatComeWhileThePathsAreComparedAreTakenTogether() {
        var agent = AgentScript()
        agent.give(.pathsMayDiffer)
        #expect(agent.disk == [.comparePaths])
        for _ in 0..<3 {
            agent.give(.pathsMayDiffer)
            #expect(agent.disk == [])
        }
        agent.give(.disk(.pathsCompared(Self.all.map { PathFinding($0, .held) })))
        #expect(agent.disk == [.comparePaths], "what came meanwhile may have come after the look")
        agent.give(.disk(.pathsCompared([])))
        #expect(agent.actions == [])
    }

    @Test func aComparisonThatFailedDoesNotKeepTheNextOneOff() {
        var agent = AgentScript()
        agent.give(.pathsMayDiffer)
        agent.give(.disk(.failed(.comparePaths, .failed("EIO"))))
        agent.give(.pathsMayDiffer)
        #expect(agent.disk == [.comparePaths])
    }

    @Test func withoutAReasonThePathsAreComparedRarely() {
        var agent = AgentScript()
        #expect(agent.machine.deadline == at(0) + Limits.Paths.compareInterval)
        agent.pass(Limits.Paths.compareInterval)
        #expect(agent.disk.contains(.comparePaths))
    }

    /// What is tried at once, by what lies at the path.
    @Test(arguments: [
        (HeldPath.folder(.crops), PathStanding.another, AgentAction.attach(.crops)),
        (.folder(.cache), .another, .attach(.cache)), (.folder(.cache), .missing, .attach(.cache)),
        (.state, .another, .disk(.restoreState)), (.state, .missing, .disk(.restoreState)),
        (.bus, .another, .bindBus), (.bus, .missing, .bindBus),
    ])
    func whatLiesElsewhereIsSaidAndHeldAnew(_ path: HeldPath, _ standing: PathStanding, _ action: AgentAction) {
        var agent = AgentScript()
        compared(&agent, path, standing)
        #expect(agent.actions.contains(action) == (standing == .another))
        #expect(keys(agent).count == 1)
        if standing == .missing {
            // Whoever has removed it may be about to make it.
            agent.pass(Limits.Paths.makeDelay)
            #expect(agent.actions.contains(action))
        }
        compared(&agent, path, standing)
        #expect(!agent.actions.contains(action), "a try is under way")
    }

    @Test func aFolderThatIsMadeAgainInTheMomentIsHeldAtOnce() {
        var agent = AgentScript()
        compared(&agent, .folder(.cache), .missing)
        #expect(!agent.actions.contains(.attach(.cache)))
        compared(&agent, .folder(.cache), .another)
        #expect(agent.actions.contains(.attach(.cache)))
    }

    @Test func aLookThroughAFolderThatIsLostIsNoReasonToCompareAgain() {
        var agent = AgentScript()
        compared(&agent, .folder(.cache), .missing)
        agent.pass(Limits.Paths.makeDelay)
        #expect(agent.disk.contains(.rescan(.cache)))
        agent.give(.disk(.moved(.cache)))
        #expect(agent.disk == [])
    }

    @Test func anUploadFolderThatIsGoneIsNotMadeButHeldWhenItIsBack() {
        var agent = AgentScript()
        compared(&agent, .folder(.crops), .missing)
        #expect(!agent.actions.contains(.attach(.crops)))
        #expect(keys(agent) == ["folder crops"])
        compared(&agent, .folder(.crops), .held)
        #expect(agent.actions.contains(.attach(.crops)))
        agent.give(.folder(.back(.crops)))
        #expect(agent.disk == [.rescan(.crops)])
        #expect(keys(agent) == [])
    }

    @Test func aFolderThatTheWatchLostIsLookedForAtOnceAndThenByWaits() {
        var agent = AgentScript()
        agent.give(.folder(.lost(.cache, reason: "it was deleted", remedy: nil)))
        #expect(agent.disk == [.comparePaths])
        agent.give(.disk(.pathsCompared([PathFinding(.folder(.cache), .another)])))
        #expect(agent.actions.contains(.attach(.cache)))
        agent.give(.folder(.lost(.cache, reason: "no watch is left", remedy: nil)))
        #expect(agent.disk == [], "a try that failed is no reason to compare: the next try has its time")
        agent.pass(Limits.Storage.retryMax)
        #expect(agent.actions.contains(.attach(.cache)))
    }

    @Test func whileTheCacheFolderCannotBeOpenedDownloadsWait() {
        var agent = AgentScript()
        compared(&agent, .folder(.cache), .missing)
        agent.give(.folder(.unopened(.cache, reason: "mkdir: No such file or directory")))
        agent.register(1, "a.png")
        agent.unknown("a.png")
        #expect(agent.asked == [])
        #expect(keys(agent).contains("storage"))
        agent.give(.folder(.back(.cache)))
        #expect(agent.disk.contains(.probe), "not only when the wait is over")
        agent.give(.disk(.probed(nil)))
        #expect(agent.disk.contains(.lookUp([name("a.png")], touch: false)) || agent.asked == ["a.png 1"])
        #expect(keys(agent) == [])
    }

    /// A label must not be sent to a file that is not there: the path is told again when the look through the folder has found the picture.
    @Test(arguments: [PathStanding.another, .missing])
    func whileTheCacheFolderIsAwayItsPicturesArePending(_ standing: PathStanding) {
        var agent = AgentScript()
        agent.logIn()
        agent.register(1, "a.png", "b.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        agent.row(CatalogRow(name: name("b.png"), avatar: record("b.png")))
        agent.give(.pathsMayDiffer)
        agent.give(.disk(.pathsCompared([PathFinding(.folder(.cache), standing)])))
        #expect(agent.states == ["label of a.png: pending", "label of b.png: pending"])
        agent.give(.folder(.unopened(.cache, reason: "EROFS")))
        #expect(agent.states == [], "they know it")
        agent.register(2, "a.png")
        #expect(agent.states == ["label of a.png: pending"])
        agent.fetch(3, "a.png", more: true)
        #expect(
            agent.told.allSatisfy { if case .accepted(_, _, _, let continues) = $0 { continues } else { true } })
        agent.give(.disk(.listed(StreamID(4), [CatalogRow(name: name("c.png"), avatar: record("c.png"))], next: nil)))
        guard case .page(_, let views, _) = agent.told.first else {
            return #expect(Bool(false), "no page")
        }
        #expect(views.map(\.state) == [.pending])
        agent.register(5, "d.png")
        agent.unknown("d.png")
        #expect(agent.view("d.png").reason == "the cache folder is not at its path")
        agent.give(.folder(.back(.cache)))
        #expect(agent.states == [], "the folder may hold other files")
        agent.give(.disk(.rescanned(.cache, settled: [], unnameable: [], vanished: [name("b.png")], events: [])))
        #expect(agent.states.contains("label of a.png: ready") && !agent.states.contains("label of b.png: ready"))
        #expect(agent.view("a.png") == AvatarView(record("a.png")) && agent.view("b.png").state == .pending)
        #expect(
            agent.told.contains { if case .accepted(_, _, _, let continues) = $0 { !continues } else { false } })
    }

    @Test func aCacheFolderThatIsHeldIsNeverAway() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        // No watch can be had for it: its files are there.
        agent.give(.folder(.lost(.cache, reason: "no watch is left", remedy: nil)))
        agent.give(.disk(.pathsCompared([PathFinding(.folder(.cache), .held)])))
        #expect(agent.view("a.png").state == .ready)
        compared(&agent, .folder(.crops), .missing)
        #expect(agent.view("a.png").state == .ready)
    }

    @Test func aStateThatIsMadeAnewIsSaidAndNoProblemAnyMore() {
        var agent = AgentScript()
        compared(&agent, .state, .missing)
        agent.pass(Limits.Paths.makeDelay)
        #expect(keys(agent) == ["state folder"])
        agent.give(.disk(.stateNotRestored(.failed(.stateFull))))
        #expect(agent.machine.status.problems.first?.what.contains("full") == true)
        agent.pass(Limits.Storage.retryMax)
        #expect(agent.disk.contains(.restoreState))
        agent.give(.disk(.stateRestored))
        #expect(keys(agent) == [])
        #expect(agent.notes.contains { $0.contains("made anew") })
    }

    @Test func theAgentEndsWhereAnotherCatalogLies() {
        var agent = AgentScript()
        compared(&agent, .state, .another)
        agent.give(.disk(.stateNotRestored(.foreign)))
        #expect(agent.actions.contains { if case .end = $0 { true } else { false } })
    }

    @Test func theAgentEndsWhereAnotherKeepsTheLockAndNotWhereItLetsGo() {
        var agent = AgentScript()
        compared(&agent, .state, .missing)
        for number in 1...Limits.Paths.lockTriesMax {
            agent.give(.disk(.stateNotRestored(.locked)))
            let ends = agent.actions.contains { if case .end = $0 { true } else { false } }
            #expect(ends == (number == Limits.Paths.lockTriesMax))
            agent.pass(Limits.Storage.retryMax)
        }
        agent.give(.disk(.stateRestored))
        compared(&agent, .state, .missing)
        agent.give(.disk(.stateNotRestored(.locked)))
        #expect(!agent.actions.contains { if case .end = $0 { true } else { false } }, "the tries are counted anew")
    }

    @Test func aSocketThatCannotBeMadeIsTriedAgain() {
        var agent = AgentScript()
        compared(&agent, .bus, .another)
        agent.give(.busBound(failure: "another agent answers"))
        #expect(keys(agent) == ["bus socket"])
        agent.pass(Limits.Storage.retryMax)
        #expect(agent.actions.contains(.bindBus))
        agent.give(.busBound(failure: nil))
        #expect(keys(agent) == [])
    }

    @Test func theFileSystemThatIsFullIsNamed() {
        let places = PlaceNames(crops: "/crops", cache: "/cache", state: "/state", bus: "/bus")
        for (fault, words, remedy) in [
            (StorageFault.full, "that of the cache /cache", "file system of the cache /cache"),
            (.stateFull, "that of the state folder /state", "file system of the state folder /state"),
        ] {
            var machine = AgentMachine(now: at(0), seed: 1, places: places)
            _ = machine.handle(.disk(.started(StartFacts())), now: at(0))
            _ = machine.handle(.disk(.failed(.openAccount, fault)), now: at(0))
            let problem = machine.status.problems.first
            #expect(problem?.what.contains(words) == true, "\(String(describing: problem))")
            #expect(problem?.remedy?.contains(remedy) == true)
            // By the time of the next look it is the other one.
            _ = machine.handle(.disk(.probed(fault == .full ? .stateFull : .full)), now: at(1))
            #expect(machine.status.problems.first?.what.contains(words) == false)
        }
    }
}

import AvatarCore
import Testing
import TransferMachines

/// When a file of the upload folder is looked at, and how often.
@Suite struct AgentExaminationTests {
    @Test func closesDuringALookCostOneMoreLookHoweverManyTheyAre() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("me.png"))))
        #expect(agent.disk == [.examine(name("me.png"))])
        for _ in 0..<1000 {
            agent.give(.folder(.settled(.crops, name("me.png"))))
            #expect(agent.disk == [])
        }
        agent.give(.disk(.examined(name("me.png"), .busy)))
        #expect(agent.disk == [.examine(name("me.png"))])
        agent.give(.disk(.examined(name("me.png"), .refused(reason: "it is empty"))))
        #expect(agent.disk == [])
        agent.give(.folder(.settled(.crops, name("me.png"))))
        #expect(agent.disk == [.examine(name("me.png"))])
    }

    @Test func aRefusedFileThatIsDismissedIsNoProblemAnyMore() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .dismiss(name("me.png"))))
        #expect(agent.told == [.failed(StreamID(1), .unknownAvatar("me.png"))], "nothing is wrong with it")
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), .refused(reason: "it is empty"))))
        #expect(agent.machine.status.problems.map(\.key) == ["upload me.png"])
        _ = agent.disk
        agent.give(.bus(StreamID(2), .dismiss(name("me.png"))))
        #expect(agent.disk == [.dismiss(StreamID(2), name("me.png"))])
        agent.give(.disk(.dismissed(StreamID(2), name("me.png"))))
        #expect(agent.told == [.done(StreamID(2))])
        #expect(agent.machine.status.problems == [])
    }

    @Test(arguments: [
        ("me.png", "me.png"), ("-a.png", "-- -a.png"), ("at home.png", "'at home.png'"),
        ("it's me.png", "'it'\\''s me.png'"), ("$HOME.png", "'$HOME.png'"),
    ])
    func aRefusedFileIsToldWithTheLineThatLeavesItAlone(file: String, words: String) {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name(file))))
        agent.give(.disk(.examined(name(file), .refused(reason: "it is empty"))))
        let remedy = agent.machine.status.problems.first?.remedy
        #expect(remedy?.hasSuffix("; avatarctl dismiss \(words) leaves it as it is") == true, "\(remedy ?? "")")
    }

    /// The kernel's word of a close may come after a look through the folder has found the file.
    @Test func aCloseThatIsHeardLateTakesNoFileOutOfItsPlace() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        let found = ["1.png", "2.png", "3.png"].map { name($0) }
        agent.give(.disk(.rescanned(.crops, settled: found, unnameable: [], vanished: [], events: [])))
        agent.give(.folder(.settled(.crops, name("2.png"))))
        #expect(agent.disk == [])
        agent.give(.disk(.examined(name("1.png"), AgentScript.known)))
        #expect(agent.looks() == ["2.png", "3.png", "2.png"])
    }

    @Test func anUploadThatAPersonAsksForIsLookedAtAfterTheLookUnderWay() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .upload(path: "/tmp/me.png", more: true)))
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.imported(StreamID(1), name("me.png"))))
        #expect(agent.disk == [])
        agent.give(.disk(.examined(name("me.png"), AgentScript.known)))
        #expect(agent.disk == [.judge(name("me.png"), .known), .examine(name("me.png"))])
        #expect(agent.told == [], "the second look decides")
        agent.give(.disk(.examined(name("me.png"), AgentScript.known)))
        #expect(agent.disk == [.judge(name("me.png"), .isNew(everSent: false))], "whatever the catalog says")
        agent.give(.disk(.cropRecorded(crop(1, "me.png", size: 100))))
        guard case .avatar(_, let view, true) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(view.state == .outgoing)
    }

    @Test func aRescanSaysWhichNamesCannotBeUploaded() {
        var agent = AgentScript()
        agent.give(.folder(.overflow))
        let bad = AvatarNameError(.notUTF8, name: "\u{fffd}.png")
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [bad], vanished: [], events: [])))
        #expect(agent.disk == [])
        #expect(agent.machine.status.problems.map(\.what) == ["not uploaded: \u{fffd}.png: the name is not UTF-8"])
    }

    @Test func afterAnUncleanBootTheCacheIsReadAgainPageByPage() {
        var facts = StartFacts()
        facts.needsAudit = true
        var agent = AgentScript(facts, online: false)
        #expect(agent.disk == [.openAccount, .findRefused, .rescan(.cache), .rescan(.crops), .audit(after: nil)])
        agent.give(.disk(.audited(vanished: [], events: [], next: name("m.png"))))
        #expect(agent.disk == [.audit(after: name("m.png"))])
        agent.give(.disk(.audited(vanished: [], events: [], next: nil)))
        #expect(agent.disk == [])
    }

    @Test func whatAnAuditFindsDamagedIsFetchedAgainWhenItIsWanted() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        let gone = AvatarEvent(cursor: 1, kind: .removed, name: name("a.png"))
        agent.give(.disk(.audited(vanished: [name("a.png")], events: [gone], next: nil)))
        #expect(agent.states == ["label of a.png: pending"])
        #expect(agent.asked == ["a.png 1"])
    }

    /// cp -p over a file sets its times before it closes it: a look for that may find the file closed, before the close is heard.
    @Test(arguments: [(Duration.milliseconds(500), true), (.seconds(60), false)])
    func aCloseThatIsHeardAfterALookIsStillAClose(later: Duration, isNew: Bool) {
        var agent = AgentScript()
        let touched = CropRule.Candidate(recorded: .sent(toThisAccount: true, .changed))
        agent.give(.folder(.touched(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), .settled(touched))))
        #expect(agent.disk.contains(.judge(name("me.png"), .known)), "nobody was heard to write it")
        agent.pass(later)
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), AgentScript.known)))
        #expect(agent.disk.contains(.judge(name("me.png"), isNew ? .isNew(everSent: false) : .known)))
    }

    @Test func whatIsNotUploadedIsToldToTheLogOfChangesOnce() {
        var agent = AgentScript()
        for _ in 1...2 {
            agent.give(.folder(.settled(.crops, name("me.png"))))
            agent.give(.disk(.examined(name("me.png"), .refused(reason: "it is empty"))))
        }
        agent.give(.folder(.unnameable(.crops, AvatarNameError(.controlCharacter(1), name: "a\u{1}.png"))))
        #expect(agent.refusals == ["me.png: it is empty"], "the log has names that an avatar may have")
        agent.give(.folder(.gone(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), .missing)))
        agent.give(.folder(.settled(.crops, name("me.png"))))
        agent.give(.disk(.examined(name("me.png"), .refused(reason: "it is empty"))))
        #expect(agent.refusals.count == 2, "the disk knows whether that is another file")
    }
}

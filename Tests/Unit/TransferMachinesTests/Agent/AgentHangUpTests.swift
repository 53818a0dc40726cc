import AvatarCore
import Testing
import TransferMachines

/// A server that hangs up over one transfer: the others come all the same, and the one makes way in the end.
@Suite struct AgentHangUpTests {
    private let bad = crop(1, "1.png", size: 5000)
    private let good = crop(2, "2.png", size: 5000)

    private func isUpload(_ request: ServerRequest, of crop: Crop) -> Bool {
        if case .upload(crop, _) = request { true } else { false }
    }

    private func isDownload(_ request: ServerRequest, of string: String) -> Bool {
        if case .download(name(string), _, _) = request { true } else { false }
    }

    /// A user with these crops, and a server that hangs up over the bad one.
    private func world(crops: [Crop]) -> ScriptedWorld {
        var facts = AgentScript.facts
        facts.crops = crops
        return ScriptedWorld(AgentScript(account: facts)) { [bad] in isUpload($0, of: bad) }
    }

    @Test func aCropOverWhichTheServerAlwaysHangsUpMakesWayForTheOneBehindItAndForPictures() throws {
        var world = world(crops: [bad, good])
        world.give(
            .bus(
                StreamID(1),
                .register(
                    [LabelRequest(label: "1", target: .name(name("friend.png"), owner: nil), visibility: .visible)],
                    keep: true, heartbeat: false, more: true, token: "t")))
        #expect(world.run() < 1000)
        #expect(world.hangUps == Limits.Connection.hangUpsMax)
        #expect(world.uploaded == [good.id])
        #expect(world.placed.contains(name("friend.png")) && world.placed.contains(good.name))
        #expect(world.agent.machine.status.icon?.name == "2.png")
        let problem = try #require(world.agent.machine.status.problems.first)
        #expect(problem.key == "upload 1.png")
        #expect(problem.what == "not uploaded: 1.png: the server hung up 5 times over it")
        #expect(problem.remedy?.contains("server.classicChunkBytes, which is 2048") == true)
    }

    /// The picture does not wait until the crop is set aside.
    @Test func aPictureComesWhileACropIsStillTried() {
        var world = world(crops: [bad])
        world.give(.bus(StreamID(1), .fetch([name("friend.png")], visibility: .near, again: false, more: false)))
        while world.placed.isEmpty, world.step() {}
        #expect(world.placed == [name("friend.png")])
        #expect(world.hangUps <= 2)
    }

    /// What was set aside before a later crop went stays behind: the later one is the icon.
    @Test func aCropThatWasSetAsideIsGivenUpOnceALaterOneIsUploaded() {
        var world = world(crops: [bad, good])
        _ = world.run()
        #expect(world.setAside == [bad.id])
    }

    @Test func aCropThatWasSetAsideIsTriedAgainAfterALogin() {
        var world = world(crops: [bad])
        _ = world.run()
        #expect(world.uploaded == [] && world.setAside == [])
        #expect(world.agent.machine.status.uploads == 0)
        #expect(world.agent.machine.status.problems.map(\.key) == ["upload 1.png"])
        world.hangsUpOver = { _ in false }
        var facts = AgentScript.facts
        facts.crops = [crop(1, "1.png", size: 5000, everSent: true)]
        world.give(.login(AgentScript.login))
        world.give(.disk(.accountOpened(facts)))
        #expect(world.agent.machine.status.problems == [])
        _ = world.run()
        #expect(world.uploaded == [bad.id])
        #expect(world.agent.machine.status.icon?.name == "1.png")
    }

    @Test func aCallThatFollowsACropEndsWhenTheServerHungUpTooOften() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(3), .upload(path: "/p", more: true)))
        agent.give(.disk(.imported(StreamID(3), bad.name)))
        agent.find(bad)
        for attempt in 1...Limits.Connection.hangUpsMax {
            if attempt > 1 { agent.reply(.progress(name: bad.name.exact, .error(1012))) }
            agent.give(.disk(.cropRead(bad.id, offset: 0, bytes: bytes(2048))))
            agent.give(.connection(.closed(agent.connection, cause: "reset")))
            guard attempt < Limits.Connection.hangUpsMax else { break }
            agent.pass(.seconds(60))
            agent.give(.connection(.opened(agent.connection)))
        }
        guard case .avatar(StreamID(3), let view, continues: false) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(view.state == .failed)
        #expect(view.reason == "the server hung up 5 times over it")
    }

    /// Where the server answers in between, its hang-ups are the network's, however many they are.
    @Test func hangUpsBetweenWhichACropGoesOnAreNotItsOwn() {
        let large = crop(3, "3.png", size: 2048 * 40)
        var facts = AgentScript.facts
        facts.crops = [large]
        var count = 0
        var world = ScriptedWorld(AgentScript(account: facts)) { request in
            guard case .upload = request else { return false }
            count += 1
            return count.isMultiple(of: 2)
        }
        _ = world.run()
        #expect(world.uploaded == [large.id])
        #expect(world.hangUps > Limits.Connection.hangUpsMax)
    }

    @Test func aPictureOverWhichTheServerHangsUpFailsWhileOthersCome() {
        let others = (0..<12).map { "\($0).bmp" }
        var agent = AgentScript()
        agent.give(
            .bus(
                StreamID(1),
                .fetch((others + ["bad.bmp"]).map { name($0) }, visibility: .near, again: false, more: true)))
        var world = ScriptedWorld(agent) { isDownload($0, of: "bad.bmp") }
        #expect(world.run() < 10_000)
        #expect(Set(world.placed) == Set(others.map { name($0) }))
        let failed = world.told.compactMap { output -> AvatarView? in
            guard case .accepted(_, _, let view?, _) = output, view.state == .failed else { return nil }
            return view
        }
        #expect(failed.map(\.name) == ["bad.bmp"])
        #expect(world.hangUps == Limits.Connection.hangUpsMax)
    }

    @Test func aPictureOverWhichTheServerHungUpTooOftenSaysSo() {
        var agent = AgentScript()
        agent.want("bad.bmp")
        for attempt in 1...Limits.Connection.hangUpsMax {
            agent.give(.connection(.closed(agent.connection, cause: "reset")))
            guard attempt < Limits.Connection.hangUpsMax else { break }
            agent.pass(.seconds(60))
            agent.give(.connection(.opened(agent.connection)))
            #expect(agent.asked == ["bad.bmp 1"])
        }
        #expect(agent.states == ["label of bad.bmp: failed"])
        #expect(agent.view("bad.bmp").reason == "server-error: the server hung up 5 times over it")
        #expect(
            agent.disk == [.discardPart(name("bad.bmp")), .setNegative(name("bad.bmp"), .serverError, attempts: 1)])
    }

    /// A hang-up over many says nothing of any one of them: each is asked for alone.
    @Test func afterAHangUpOverManyEachGoesAlone() {
        var agent = AgentScript()
        agent.register(1, "a.bmp", "b.bmp")
        agent.unknown("a.bmp", "b.bmp")
        agent.give(.connection(.closed(agent.connection, cause: "reset")))
        agent.pass(.seconds(60))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.asked == ["b.bmp 1"], "the newest wish, alone")
        agent.chunk("b.bmp")
        #expect(agent.asked == ["a.bmp 1"], "the other one, once the first has come")
    }

    // MARK: Turns

    @Test func aPausedSuspectDoesNotKeepThePicturesWaiting() {
        let only = crop(1, "1.png", size: 5000)
        var facts = AgentScript.facts
        facts.crops = [only]
        var agent = AgentScript(account: facts)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
        agent.give(.connection(.closed(agent.connection, cause: "reset")))
        agent.pass(.seconds(60))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.sent == [.askProgress(only)])
        agent.give(.bus(StreamID(9), .pause(.up)))
        agent.reply(.progress(name: "1.png", .error(1012)))
        agent.register(1, "a.png")
        agent.unknown("a.png")
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aSuspectOfAnAccountThatIsNotOpenDoesNotKeepThePicturesWaiting() {
        let only = crop(1, "1.png", size: 5000)
        var facts = AgentScript.facts
        facts.crops = [only]
        var agent = AgentScript(account: facts)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
        agent.give(.connection(.closed(agent.connection, cause: "reset")))
        agent.give(.login(AgentScript.login))
        agent.give(.connection(.opened(agent.connection)))
        agent.register(1, "a.png")
        agent.unknown("a.png")
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aPictureThatOnlyWaitsForTheDiskIsNotFetchedTwiceWhenASuspectTakesAPlace() {
        var agent = AgentScript()
        agent.want("bad.bmp")
        agent.give(.connection(.closed(agent.connection, cause: "reset")))
        agent.pass(.seconds(60))
        for number in 0..<8 {
            agent.register(UInt64(10 + number), "\(number).bmp")
            agent.unknown("\(number).bmp")
        }
        agent.give(.connection(.opened(agent.connection)))
        for number in 0..<8 { agent.chunk("\(number).bmp") }
        #expect(agent.asked == ["bad.bmp 1"])
        for number in 0..<8 {
            agent.give(.disk(.wrote(name("\(number).bmp"), through: 100)))
            #expect(agent.disk.contains { if case .commit = $0 { true } else { false } }, "\(number)")
        }
        agent.chunk("bad.bmp")
        #expect(agent.asked == [])
    }

    /// The icon at the end is the crop that was closed last, whatever the server did with the one before.
    @Test func aCropThatComesBackAtALoginNeverGoesAfterALaterOne() {
        let bad = crop(1, "1.png", size: 100)
        let good = crop(2, "2.png", size: 5000)
        var facts = AgentScript.facts
        facts.crops = [bad, good]
        var world = ScriptedWorld(AgentScript(account: facts)) { request in
            if case .upload(bad, _) = request { true } else { false }
        }
        while world.agent.machine.status.uploads == 2, world.step() {}
        while world.agent.sent.isEmpty || world.agent.machine.status.uploads != 1, world.step() {}
        world.hangsUpOver = { _ in false }
        world.give(.login(AgentScript.login))
        world.give(.disk(.accountOpened(facts)))
        _ = world.run()
        #expect(world.uploaded == [bad.id, good.id])
        #expect(world.agent.machine.status.icon?.name == "2.png")
    }
}

/// A server that is away accepts connections and resets them, or is silent: that is not the fault of the crop that waits.
@Suite struct AgentOutageTests {
    private let only = crop(1, "1.png", size: 5000)

    /// Twenty connections that the server loses while the crop is sent.
    private func outage(in agent: inout AgentScript, _ lose: (inout AgentScript) -> Void) {
        for _ in 0..<20 {
            if let request = agent.sent.first, case .askProgress = request {
            } else {
                agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(2048))))
            }
            lose(&agent)
            agent.pass(.seconds(60))
            agent.give(.connection(.opened(agent.connection)))
        }
    }

    @Test func aCropIsNotSetAsideOverConnectionsWithoutAnyAnswer() {
        var agent = AgentScript()
        agent.find(only)
        outage(in: &agent) { $0.give(.connection(.closed($0.connection, cause: "reset"))) }
        #expect(agent.machine.status.problems == [])
        #expect(agent.sent == [.askProgress(only)])
        agent.reply(.progress(name: "1.png", .error(1012)))
        #expect(agent.disk == [.readCrop(only.id, range: 0..<5000)])
    }

    @Test func aCropIsNotSetAsideOverASilentServer() {
        var agent = AgentScript()
        agent.find(only)
        outage(in: &agent) { $0.pass(Limits.Connection.replyTimeout) }
        #expect(agent.machine.status.problems == [])
        #expect(agent.sent == [.askProgress(only)])
    }

    /// On the next connection the suspect gives its place back, and is the only one who could ask.
    @Test func aSuspectIsAskedForAgainAfterALoginInTheMiddleOfItsTurn() {
        var agent = AgentScript()
        agent.register(1, "a.bmp", "b.bmp")
        agent.unknown("a.bmp", "b.bmp")
        agent.give(.connection(.closed(agent.connection, cause: "reset")))
        agent.pass(.seconds(60))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.asked == ["b.bmp 1"], "alone")
        agent.logIn()
        #expect(agent.asked.count == 1)
    }

    /// Set aside, since the server lived and hung up over it: `avatarctl sync` tries it again.
    @Test func aCropThatWasSetAsideComesBackWhenAPersonAsks() {
        var facts = AgentScript.facts
        facts.crops = [only]
        let id = only.id
        var world = ScriptedWorld(AgentScript(account: facts)) { request in
            if case .upload(let crop, _) = request { crop.id == id } else { false }
        }
        _ = world.run()
        #expect(world.agent.machine.status.problems.map(\.key) == ["upload 1.png"])
        #expect(world.agent.machine.status.uploads == 0)
        world.hangsUpOver = { _ in false }
        world.give(.bus(StreamID(9), .fetch([], visibility: .near, again: false, more: true)))
        #expect(world.agent.machine.status.problems == [])
        _ = world.run()
        #expect(world.uploaded == [id])
    }
}

import AvatarCore
import Testing
import TransferMachines

/// Two users of one agent: what is one's is not the other's.
@Suite struct AgentAccountTests {
    private static let second = Login(
        server: "127.0.0.1:9090", uid: UserID(8)!, way: .classic(uploadChunkBytes: 2048))
    private let waiting = crop(1, "new.png", size: 100)
    private var first = AgentScript.facts

    init() {
        first.icon = name("me.png")
        first.crops = [waiting]
    }

    @Test func anotherUserHasNeitherTheIconNorTheCropsOfTheFirst() {
        var agent = AgentScript(account: first)
        #expect(agent.disk == [.readCrop(waiting.id, range: 0..<100)])
        agent.row(CatalogRow(name: name("me.png"), avatar: record("me.png", isOwn: true)))
        #expect(agent.machine.status.icon?.state == .ready)
        agent.give(.login(Self.second))
        #expect(agent.disk.contains(.openAccount))
        #expect(agent.machine.status.icon == nil)
        #expect(agent.machine.status.uploads == 0)
        agent.give(.disk(.accountOpened(AccountFacts(account: Self.second.account))))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.sent == [] && agent.disk == [])
        #expect(agent.machine.status.icon == nil)
    }

    @Test func whatTheDiskReadForTheFirstUserIsNotSentForTheSecond() {
        var agent = AgentScript(account: first)
        agent.logIn(Self.second)
        agent.give(.disk(.cropRead(waiting.id, offset: 0, bytes: bytes(100))))
        #expect(agent.sent == [])
    }

    @Test func whenTheFirstUserComesBackSoDoIconAndCrops() {
        var agent = AgentScript(account: first)
        agent.logIn(Self.second)
        agent.logIn(account: first)
        #expect(agent.machine.status.icon?.name == "me.png")
        #expect(agent.machine.status.uploads == 1)
        #expect(agent.disk == [.readCrop(waiting.id, range: 0..<100)])
    }

    /// The icon of nobody is wanted by nobody.
    @Test func afterALogoutTheIconIsNotFetched() {
        var agent = AgentScript(account: first)
        agent.give(.logout)
        #expect(agent.disk == [.openAccount])
        #expect(agent.machine.status.icon == nil && agent.machine.status.uploads == 0)
        agent.unknown("me.png")
        #expect(agent.sent == [])
        #expect(agent.machine.load.names == 0)
    }

    @Test func uploadsBeginOnlyWhenTheAccountIsOpen() {
        var agent = AgentScript()
        agent.give(.login(Self.second))
        agent.give(.connection(.opened(agent.connection)))
        let own = crop(2, "own.png", size: 100, account: Self.second.account)
        agent.find(own)
        #expect(agent.disk == [] && agent.sent == [])
        var facts = AccountFacts(account: Self.second.account)
        let earlier = crop(1, "earlier.png", size: 100, account: Self.second.account)
        facts.crops = [earlier, own]
        agent.give(.disk(.accountOpened(facts)))
        #expect(agent.disk.first == .readCrop(earlier.id, range: 0..<100), "what was closed before goes before")
    }

    @Test func whatTheCatalogTellsOfAnAccountThatIsNotWantedAnyMoreIsIgnored() {
        var agent = AgentScript(account: AgentScript.facts)
        agent.give(.login(Self.second))
        agent.give(.disk(.accountOpened(first)))
        #expect(agent.actions == [])
        #expect(agent.machine.status.icon == nil && agent.machine.status.uploads == 0)
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.disk == [] && agent.sent == [])
    }

    @Test func aCropThatIsRecordedForAnotherAccountIsIgnored() {
        var agent = AgentScript()
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.disk(.examined(name("new.png"), .settled(CropRule.Candidate()))))
        agent.logIn(Self.second)
        agent.give(.folder(.settled(.crops, name("next.png"))))
        agent.give(.disk(.cropRecorded(waiting)))
        #expect(agent.machine.status.uploads == 0)
        #expect(agent.disk == [.examine(name("next.png"))], "and the next file is examined")
    }

    @Test func anUploadThatIsNotedLateDoesNotBecomeTheIconOfAnotherUser() {
        var agent = AgentScript(account: first)
        agent.give(.disk(.cropRead(waiting.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 0, name: "new.png", md5: nil, seq: 1)))
        #expect(agent.disk == [.finishCrops([waiting.id])])
        agent.logIn(Self.second)
        agent.give(.disk(.cropFinished(waiting.id, waiting.name, [])))
        #expect(agent.machine.status.icon == nil)
        #expect(agent.disk == [])
    }

    /// Its copy goes into the very part that a download would write to.
    @Test func aCropThatComesBackTakesItsNameFromADownload() {
        let mine = crop(1, "me.png", size: 100)
        var agent = AgentScript()
        agent.want("me.png")
        agent.chunk("me.png", 1, of: 10_000)
        var facts = AgentScript.facts
        facts.crops = [mine]
        agent.give(.disk(.accountOpened(facts)))
        #expect(agent.view("me.png").state == .outgoing)
        for seq in Int64(2)...5 { agent.chunk("me.png", seq, of: 10_000) }
        #expect(agent.disk.allSatisfy { if case .append = $0 { false } else { true } })
        #expect(agent.asked == [])
    }
}

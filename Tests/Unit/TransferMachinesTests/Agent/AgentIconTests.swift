import AvatarCore
import Testing
import TransferMachines

/// What the server holds as the user's own avatar, which other programs of the user set, too.
@Suite struct AgentIconTests {
    private static let login = Login(server: "https://avatars.test", uid: UserID(7)!, way: .http)

    /// Connected over HTTP, with a.png as the icon that the catalog knows; and the question which one the server holds.
    private func asking() throws -> (agent: AgentScript, question: HTTPCallID) {
        var agent = AgentScript(online: false)
        agent.answersWhoseAvatar = false
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        var facts = AccountFacts(account: Self.login.account)
        facts.icon = name("a.png")
        agent.give(.login(Self.login))
        agent.give(.disk(.accountOpened(facts)))
        agent.give(.connection(.opened(agent.connection)))
        let questions = agent.sent.compactMap {
            if case .http(let id, .avatar(of: Self.login.uid)) = $0 { id } else { nil }
        }
        return (agent, try #require(questions.first))
    }

    private func held(_ string: String) -> HTTPReply {
        .head(HTTPHead(status: 200, sha256: sha256(9), owner: Self.login.uid, name: name(string)))
    }

    @Test func whoConnectsLearnsWhatTheServerHolds() throws {
        var (agent, question) = try asking()
        agent.reply(.http(question, held("other.png")))
        #expect(agent.machine.status.icon?.name == "other.png")
        #expect(agent.disk.contains(.noteIcon(name("other.png"), account: Self.login.account)))
        #expect(agent.disk.contains(.lookUp([name("other.png")], touch: false)), "it is wanted")
        // The one before is the user's to save again.
        agent.give(.folder(.settled(.crops, name("a.png"))))
        let again = CropRule.Candidate(recorded: .sent(toThisAccount: true, .changed))
        agent.give(.disk(.examined(name("a.png"), .settled(again))))
        #expect(agent.disk.contains(.judge(name("a.png"), .isNew(everSent: false))))
    }

    @Test func theSameIconIsNoNews() throws {
        var (agent, question) = try asking()
        agent.reply(.http(question, held("a.png")))
        #expect(!agent.disk.contains(.noteIcon(name("a.png"), account: Self.login.account)))
        #expect(agent.machine.status.icon?.name == "a.png")
    }

    /// Another program has set another one since the agent connected.
    @Test(arguments: ["a.png", "other.png"])
    func aPictureThatIsSavedAgainIsAskedFor(held: String) throws {
        var (agent, question) = try asking()
        agent.reply(.http(question, self.held("a.png")))
        agent.give(.folder(.settled(.crops, name("a.png"))))
        let again = CropRule.Candidate(recorded: .sent(toThisAccount: true, .changed))
        agent.give(.disk(.examined(name("a.png"), .settled(again))))
        #expect(agent.disk.contains(.judge(name("a.png"), .known)))
        let asked = agent.sent.compactMap { if case .http(let id, .avatar) = $0 { id } else { nil } }
        agent.reply(.http(try #require(asked.first), self.held(held)))
        #expect(agent.disk.contains(.examine(name("a.png"))) == (held == "other.png"))
    }

    /// The crop was closed by now: it is the later word.
    @Test func anAnswerSaysNothingWhileACropWaits() throws {
        var (agent, question) = try asking()
        agent.give(.folder(.settled(.crops, name("new.png"))))
        agent.give(.disk(.examined(name("new.png"), .settled(CropRule.Candidate()))))
        var crop = crop(1, "new.png", size: 100)
        crop.account = Self.login.account
        agent.give(.disk(.cropRecorded(crop)))
        agent.reply(.http(question, held("other.png")))
        #expect(agent.machine.status.icon?.name == "a.png")
        #expect(
            !agent.sent.contains { if case .http(_, .avatar) = $0 { true } else { false } }, "nor is it asked again")
    }

    /// A server of files alone knows nothing of avatars, or takes no such question: it is asked again by the next connection, and not before.
    @Test(arguments: [404, 405, 403, 500])
    func aServerThatDoesNotSayIsNotAskedAgain(status: Int) throws {
        var (agent, question) = try asking()
        agent.reply(.http(question, .head(HTTPHead(status: status))))
        #expect(agent.machine.status.icon?.name == "a.png")
        for _ in 1...10 {
            agent.pass(.seconds(100))
            #expect(!agent.sent.contains { if case .http(_, .avatar) = $0 { true } else { false } })
        }
    }
}

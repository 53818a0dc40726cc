import AvatarCore
import Testing
import TransferMachines

/// Whether an avatar server answers at all, and whether it takes the login.
@Suite struct ServerAnswersTests {
    private let caller = StreamID(3)

    /// Logged in, with a connection that is open and of which nobody knows who listens there.
    private func unheard() -> AgentScript {
        var agent = AgentScript(online: false)
        agent.answersWhoIsThere = false
        agent.logIn()
        return agent
    }

    @Test func aPeerIsAskedWhoItIsAndIsAServerOnceItHasAnswered() {
        var agent = unheard()
        #expect(agent.actions.contains(.ask(.whoIsThere)))
        #expect(!agent.machine.status.isHeard)
        agent.reply(.other)
        #expect(agent.machine.status.isHeard)
        #expect(!agent.actions.contains(.ask(.whoIsThere)), "once is enough")
    }

    @Test func aSilentPeerIsGivenUpAndTheReasonIsToldUntilAServerAnswers() throws {
        var agent = unheard()
        agent.pass(Limits.Connection.replyTimeout)
        #expect(agent.actions.contains(.disconnect(agent.connection)))
        let cause = try #require(agent.machine.status.cause)
        #expect(cause.contains("127.0.0.1:9090 does not answer as an avatar server does"))
        #expect(cause.contains("check its host and port"))
        agent.pass(Limits.Connection.backoffMax)
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.machine.status.cause == cause, "an open connection says nothing yet")
        agent.reply(.other)
        #expect(agent.machine.status.cause == nil)
    }

    /// Over HTTP a connection is open with its first answer.
    @Test func aServerThatNeverAnswersTheGreetingIsGivenUpAndTriedAgain() throws {
        var agent = AgentScript(online: false)
        agent.give(.login(AgentScript.login))
        let first = agent.connection
        agent.pass(Limits.Connection.openTimeout)
        #expect(agent.actions.contains(.disconnect(first)))
        #expect(agent.machine.status.cause?.contains("does not answer as an avatar server does") == true)
        agent.pass(Limits.Connection.backoffMax)
        #expect(agent.connection != first)
    }

    /// Over HTTP the answer that opens the connection is the greeting's: it is asked for once, and where it refuses the login nothing else goes out.
    @Test(arguments: [200, 401]) func theGreetingThatOpensAConnectionIsAskedForOnce(status: Int) {
        var agent = AgentScript(online: false)
        agent.want("a.png")
        agent.give(.login(Login(server: "https://avatars.test", uid: UserID(7)!, way: .http)))
        let greeting = ServerReply(connection: agent.connection, kind: .greeting(HTTPHead(status: status)))
        let actions = agent.machine.handle(
            [.connection(.opened(agent.connection)), .replies([greeting])], now: agent.now)
        #expect(!actions.contains { if case .ask = $0 { true } else { false } })
        #expect(actions.contains { if case .send = $0 { true } else { false } } == (status == 200))
        #expect(agent.machine.status.isHeard == (status == 200))
    }

    @Test func aPeerThatClosesBeforeItAnsweredIsTriedAgain() throws {
        var agent = unheard()
        agent.give(.connection(.closed(agent.connection, cause: "end")))
        guard case .waiting = agent.machine.connectionState else {
            Issue.record("\(agent.machine.connectionState)")
            return
        }
        #expect(agent.machine.status.cause?.contains("does not answer as an avatar server does (end)") == true)
    }

    @Test func aReplyThatCannotBeReadIsNoAnswer() {
        var agent = unheard()
        agent.reply(.unreadable("nonsense"))
        #expect(agent.machine.status.cause?.contains("nonsense") == true)
        #expect(!agent.machine.status.isHeard)
    }

    // MARK: The login

    @Test(arguments: [ClassicDownload.Reply.error(ClassicError.fileNotExists.rawValue), .error(1017), .garbled("x")])
    func everyAnswerButARefusalOfTheTokenVerifiesTheLogin(answer: ClassicDownload.Reply) {
        var agent = AgentScript()
        agent.give(.bus(caller, .verify))
        #expect(agent.actions.contains(.ask(.isTokenTaken)))
        agent.reply(.download(name: ServerQuestion.unusedName, answer))
        #expect(agent.told == [.verified(caller)])
    }

    @Test(arguments: [ClassicError.tokenInvalid, .uidInvalid], [ServerQuestion.unusedName, nil])
    func aRefusedTokenIsToldAndNothingMoreIsTried(error: ClassicError, name: String?) {
        var agent = AgentScript()
        agent.give(.bus(caller, .verify))
        agent.reply(.download(name: name, .error(error.rawValue)))
        #expect(agent.told == [.failed(caller, .serverRefused(code: error.rawValue, reason: error.description))])
        #expect(agent.machine.connectionState == .refused)
        agent.give(.bus(caller, .verify))
        #expect(agent.told.count == 1, "it is told again without a question")
        #expect(!agent.actions.contains(.ask(.isTokenTaken)))
    }

    @Test func whoWaitsForAServerThatIsNotThereIsToldWhy() {
        var agent = AgentScript(online: false)
        agent.give(.login(AgentScript.login))
        agent.give(.bus(caller, .verify))
        #expect(agent.told == [])
        agent.give(.connection(.closed(agent.connection, cause: "refused")))
        #expect(agent.told == [.failed(caller, .unreachable("refused"))])
    }

    @Test func nobodyIsLoggedIn() {
        var agent = AgentScript(online: false)
        agent.give(.bus(caller, .verify))
        #expect(agent.told == [.failed(caller, .notLoggedIn)])
    }

    @Test func aServerThatDoesNotAnswerTheQuestionIsGivenUp() {
        var agent = AgentScript()
        agent.give(.bus(caller, .verify))
        agent.pass(Limits.Connection.replyTimeout)
        guard case .failed(caller, .unreachable(let cause))? = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(cause.contains("20 seconds"))
    }
}

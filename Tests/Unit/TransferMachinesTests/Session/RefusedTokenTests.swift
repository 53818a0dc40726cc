import AvatarCore
import Testing
import TransferMachines

/// A token that the server refuses, and the file that it came from.
@Suite struct RefusedTokenTests {
    private static let fromFile = Login(
        server: "127.0.0.1:9090", uid: UserID(7)!, way: .classic(uploadChunkBytes: 2048), tokenFile: "/etc/token")

    /// Refused over a crop, logged in like this.
    private func refused(_ login: Login) -> AgentScript {
        let only = crop(1, "me.png", size: 100)
        var agent = AgentScript(online: false)
        agent.logIn(login)
        agent.find(only)
        agent.give(.disk(.cropRead(only.id, offset: 0, bytes: bytes(100))))
        agent.reply(.upload(UploadReply(error: 1010, name: "me.png", md5: nil, seq: nil)))
        return agent
    }

    private func reads(_ agent: AgentScript) -> [AgentAction] {
        agent.actions.filter { if case .readToken = $0 { true } else { false } }
    }

    @Test func aRefusedTokenIsReadAgainFromItsFileAndTheAdviceNamesIt() throws {
        let agent = refused(Self.fromFile)
        #expect(reads(agent) == [.readToken(isAsked: false)], "it may have been renewed before it was refused")
        let problem = try #require(agent.machine.status.problems.first { $0.key == "token" })
        #expect(problem.remedy?.contains("/etc/token") == true)
        #expect(problem.remedy?.contains("avatarctl login") == false, "the file would beat it at the next start")
    }

    @Test func aTokenOfALoginIsRenewedByALogin() throws {
        var agent = refused(AgentScript.login)
        #expect(reads(agent) == [])
        let problem = try #require(agent.machine.status.problems.first { $0.key == "token" })
        #expect(problem.remedy == "avatarctl login with a fresh token")
        agent.give(.bus(StreamID(2), .resume(nil)))
        #expect(reads(agent) == [])
    }

    @Test func aPersonWhoAsksHasTheFileReadOnceMore() {
        var agent = refused(Self.fromFile)
        agent.give(.bus(StreamID(2), .resume(nil)))
        #expect(reads(agent) == [.readToken(isAsked: true)])
        agent.fetch(3)
        #expect(reads(agent) == [.readToken(isAsked: true)], "avatarctl sync, with nothing missing")
        agent.fetch(4, "a.png")
        #expect(
            reads(agent) == [.readToken(isAsked: false)], "a client that asks in a loop has no token tried in a loop")
    }

    @Test func theNewTokenSendsWhatWaited() {
        let only = crop(1, "me.png", size: 100)
        var agent = refused(Self.fromFile)
        var facts = AccountFacts(account: Self.fromFile.account)
        facts.crops = [only]
        agent.logIn(Self.fromFile, account: facts)
        #expect(agent.sent == [.askProgress(only)])
        #expect(!agent.machine.status.problems.contains { $0.key == "token" })
    }

    @Test func aFileThatCannotBeUsedIsSaidWhereNoTokenIsAccepted() {
        var agent = refused(Self.fromFile)
        agent.give(.tokenUnusable(reason: "the token file /etc/token can be read by others: chmod 600 /etc/token"))
        #expect(agent.machine.status.problems.map(\.what).contains { $0.contains("chmod 600") })
        var online = AgentScript()
        online.give(.tokenUnusable(reason: "the token file is being written"))
        #expect(online.machine.status.problems == [], "the token that is in use is accepted")
    }

    @Test func whereNobodyIsLoggedInSyncLooksForAToken() {
        var agent = AgentScript(online: false)
        agent.fetch(1)
        #expect(reads(agent) == [.readToken(isAsked: true)])
    }
}

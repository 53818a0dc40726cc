import AvatarCore
import Testing
import TransferMachines

/// Calls about one picture, and what becomes of those that follow a transfer when nothing moves any more.
@Suite("Questions of subscribers") struct AgentQuestionTests {
    private func forget(_ stream: UInt64, _ string: String) -> AgentInput {
        .bus(StreamID(stream), .forget(name(string)))
    }

    private func explain(_ stream: UInt64, _ string: String) -> AgentInput {
        .bus(StreamID(stream), .explain(.name(name(string), owner: nil)))
    }

    private func steps(_ agent: AgentScript) -> [String] {
        agent.told.flatMap { output -> [String] in
            guard case .explanation(_, let steps) = output else { return [] }
            return steps.map { $0.what + ($0.detail.map { ": \($0)" } ?? "") }
        }
    }

    @Test func whatNobodyKnowsCanNeitherBeForgottenNorExplained() {
        for question in [forget(2, "a.png"), explain(2, "a.png")] {
            var agent = AgentScript()
            agent.give(question)
            #expect(agent.told == [])
            #expect(agent.disk == [.lookUp([name("a.png")], touch: false)])
            agent.unknown("a.png")
            #expect(agent.told == [.failed(StreamID(2), .unknownAvatar("a.png"))])
            #expect(agent.disk == [] && agent.sent == [], "a question is no wish")
        }
    }

    @Test func whatTheCatalogKnowsIsForgotten() {
        var agent = AgentScript()
        agent.give(forget(2, "a.png"))
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        #expect(agent.disk == [.forget(StreamID(2), name("a.png"))])
        #expect(agent.told == [], "the disk has not answered")
        agent.give(.disk(.forgotten(StreamID(2))))
        #expect(agent.told == [.done(StreamID(2))])
    }

    @Test func anExplanationTellsWhatWasDoneAndHowThingsAre() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.give(explain(2, "a.png"))
        #expect(steps(agent) == ["fetching", "complete: 100 bytes, structural", "is ready: 100 bytes"])
        // Of an earlier life only the catalog knows.
        agent.give(explain(3, "b.png"))
        agent.row(CatalogRow(name: name("b.png"), avatar: record("b.png")))
        #expect(steps(agent) == ["is ready: 100 bytes"])
        agent.give(.bus(StreamID(4), .explain(.builtin(":/res/head_3.jpg"))))
        #expect(steps(agent) == ["is builtin"])
    }

    @Test func aFetchIsToldFirstHowItsPicturesAre() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        agent.unknown("a.png")
        let pending = AvatarView(name: "a.png", state: .pending)
        #expect(agent.told == [.accepted(StreamID(1), 1, pending, continues: true)])
        // Another one that comes later is told at once, since the catalog was asked already.
        agent.fetch(2, "a.png", more: true)
        #expect(
            agent.told == [
                .accepted(StreamID(2), 1, nil, continues: true),
                .accepted(StreamID(2), 1, agent.view("a.png"), continues: true),
            ])
    }

    @Test func aFetchIsToldThatTheServerRefusesTheUser() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        agent.unknown("a.png")
        agent.refuse("a.png", .tokenInvalid)
        let refused = BusFault.serverRefused(code: 1010, reason: ClassicError.tokenInvalid.description)
        #expect(agent.told == [.failed(StreamID(1), refused)])
        agent.fetch(2, "a.png")
        #expect(agent.told == [.failed(StreamID(2), refused)])
        agent.give(.login(AgentScript.login))
        agent.fetch(3, "a.png")
        #expect(agent.told == [.accepted(StreamID(3), 1, nil, continues: false)])
    }

    @Test func loggingOutEndsWhatIsFollowed() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        agent.unknown("a.png")
        agent.give(.logout)
        #expect(agent.told == [.failed(StreamID(1), .notLoggedIn)])
    }

    /// The crop is in its folder, and goes when somebody logs in: nobody has to wait for that.
    @Test func anUploadWithNobodyLoggedInIsOnItsWayAndNotFollowed() {
        var agent = AgentScript(online: false)
        agent.give(.bus(StreamID(1), .upload(path: "/tmp/a.png", more: true)))
        agent.give(.disk(.imported(StreamID(1), name("a.png"))))
        #expect(
            agent.told == [
                .avatar(
                    StreamID(1), AvatarView(name: "a.png", state: .outgoing, reason: "not logged in"), continues: false)
            ])
    }
}

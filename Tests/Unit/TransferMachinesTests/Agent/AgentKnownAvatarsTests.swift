import AvatarCore
import Testing
import TransferMachines

/// Labels that name a user alone, after a start: what the catalog kept of that user's avatar is shown, and the server is asked for nothing that
/// its stream of changes tells anyway.
@Suite struct AgentKnownAvatarsTests {
    private static let login = Login(server: "https://avatars.test", uid: UserID(7)!, way: .http)
    private static let friend = UserID(1002)!

    /// An agent that has started, with a label of the friend's avatar, which the catalog kept as `avatar`.
    private struct Restarted {
        var agent = AgentScript(online: false, recheckAfter: .seconds(86_400))
        private var stream = HTTPCallID(.changes, 0)

        init(_ avatar: UserAvatar?) {
            agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
            agent.give(.login(login))
            var facts = AccountFacts(account: login.account)
            (facts.followed, facts.position) = ([friend], "e.7")
            facts.avatars = avatar.map { [friend: $0] } ?? [:]
            agent.give(.disk(.accountOpened(facts)))
            show()
        }

        /// A label of the friend's avatar.
        mutating func show(_ stream: UInt64 = 1) {
            agent.give(
                .bus(
                    StreamID(stream),
                    .register(
                        [LabelRequest(label: "friend", target: .ownerOnly(friend), visibility: .visible)], keep: true,
                        heartbeat: false, more: true, token: ExactString("token \(stream)"))))
        }

        /// The server is there; what it is asked for.
        mutating func connect() -> [ServerRequest] {
            agent.give(.connection(.opened(agent.connection)))
            var sent = agent.sent
            agent.reply(.greeting(HTTPHead(status: 200)))
            sent += agent.sent
            agent.pass(Limits.HTTPWay.followDelay)
            sent += agent.sent
            for case .http(let id, .changes) in sent { stream = id }
            return sent
        }

        mutating func tell(_ changes: ServerChange...) {
            agent.reply(.http(stream, .head(HTTPHead(status: 200))))
            for change in changes { agent.reply(.http(stream, .change(change))) }
        }

        var asksForAvatar: Bool { asksForAvatar(agent.sent) }

        func asksForAvatar(_ sent: [ServerRequest]) -> Bool {
            sent.contains { if case .http(_, .avatar) = $0 { true } else { false } }
        }
    }

    private func picture(_ sent: [ServerRequest]) -> HTTPCallID? {
        sent.compactMap { if case .http(let id, .picture) = $0 { id } else { nil } }.last
    }

    private let avatar = UserAvatar(name: name("a.png"), sha256: sha256(9))

    private func isThere(_ life: inout Restarted, digest: UInt8 = 9, owner: Int64? = 1002) {
        life.agent.row(
            CatalogRow(
                name: name("a.png"), avatar: record("a.png", owner: owner, digest: digest), checked: life.agent.now))
    }

    @Test func aKnownAvatarIsShownWithoutTheServerAndNotAskedFor() {
        var life = Restarted(avatar)
        #expect(life.agent.disk.contains(.lookUp([name("a.png")], touch: true)))
        isThere(&life)
        #expect(life.agent.states == ["friend: ready"])
        let sent = life.connect()
        #expect(sent.contains { if case .http(_, .changes([Self.friend], after: "e.7")) = $0 { true } else { false } })
        #expect(!life.asksForAvatar(sent) && picture(sent) == nil)
        life.tell(ServerChange(.ready, position: "e.9"))
        #expect(!life.asksForAvatar && picture(life.agent.sent) == nil)
    }

    @Test func aChangeThatWasToldWhileTheAgentWasOffIsShown() throws {
        var life = Restarted(avatar)
        isThere(&life)
        _ = life.connect()
        life.tell(ServerChange(.avatar(Self.friend, name("b.png"), sha256(2)), position: "e.8"))
        life.agent.unknown("b.png")
        #expect(picture(life.agent.sent) != nil && !life.asksForAvatar)
    }

    @Test func whoHadNoAvatarGetsOne() {
        var life = Restarted(UserAvatar.none)
        #expect(life.agent.states == ["friend: absent"])
        #expect(!life.asksForAvatar(life.connect()))
        life.tell(
            ServerChange(.avatar(Self.friend, name("a.png"), sha256(9)), position: "e.8"),
            ServerChange(.ready, position: "e.8"))
        isThere(&life)
        #expect(life.agent.states == ["friend: ready"])
    }

    /// The change was told and noted, and the agent died before the picture came; or a server of another way gave another one since.
    @Test(arguments: [Int64(1002), nil]) func aPictureThatIsNotTheKnownOneIsAskedForAgain(owner: Int64?) {
        var life = Restarted(avatar)
        isThere(&life, digest: 3, owner: owner)
        #expect(life.agent.states == ["friend: ready"], "it is shown meanwhile")
        let sent = life.connect()
        #expect(
            sent.contains {
                if case .http(_, .picture(_, from: 0, tag: nil, known: sha256(3))) = $0 { true } else { false }
            })
        #expect(!life.asksForAvatar(sent))
    }

    /// It was evicted, forgotten, or damaged on the disk.
    @Test func aPictureThatIsGoneIsFetchedByItsKnownName() {
        var life = Restarted(avatar)
        life.agent.unknown("a.png")
        let sent = life.connect()
        #expect(picture(sent) != nil && !life.asksForAvatar(sent))
    }

    @Test func whereTheKnownPictureIsNotThereTheServerIsAskedForTheAvatar() throws {
        var life = Restarted(avatar)
        life.agent.unknown("a.png")
        let id = try #require(picture(life.connect()))
        life.agent.reply(.http(id, .head(HTTPHead(status: 404))))
        #expect(life.asksForAvatar)
    }

    @Test func afterAResetTheServerIsAskedForTheAvatar() {
        var life = Restarted(avatar)
        isThere(&life)
        _ = life.connect()
        life.tell(ServerChange(.reset, position: "f.1"), ServerChange(.ready, position: "f.1"))
        #expect(life.asksForAvatar)
    }

    @Test func whereNothingIsKnownTheServerIsAskedForTheAvatar() {
        var life = Restarted(nil)
        #expect(life.asksForAvatar(life.connect()))
    }

    @Test func aServerWithoutAStreamIsAskedForTheAvatar() {
        var life = Restarted(avatar)
        isThere(&life)
        let sent = life.connect()
        guard case .http(let id, _)? = sent.first(where: { if case .http(_, .changes) = $0 { true } else { false } })
        else {
            Issue.record("no stream was asked for")
            return
        }
        life.agent.reply(.http(id, .head(HTTPHead(status: 404))))
        #expect(life.asksForAvatar)
    }

    @Test func aLabelThatComesBackIsNotAskedFor() {
        var life = Restarted(avatar)
        isThere(&life)
        _ = life.connect()
        life.tell(ServerChange(.ready, position: "e.9"))
        life.agent.give(.hungUp(StreamID(1)))
        life.show(2)
        isThere(&life)
        #expect(life.agent.states == ["friend: ready"])
        life.agent.pass(Limits.HTTPWay.followDelay)
        #expect(!life.asksForAvatar)
    }

    /// Other servers know other users by the same numbers.
    @Test func whatAnotherAccountKnewIsNotShown() {
        var life = Restarted(avatar)
        isThere(&life)
        let other = Login(server: "https://other.test", uid: UserID(7)!, way: .http)
        life.agent.give(.login(other))
        life.agent.give(.disk(.accountOpened(AccountFacts(account: other.account))))
        #expect(life.asksForAvatar(life.connect()))
    }

    /// The catalog may answer later than labels ask.
    @Test func labelsOfBeforeTheAccountWasOpenedShowWhatTheCatalogKept() {
        var agent = AgentScript(online: false)
        agent.give(
            .bus(
                StreamID(1),
                .register(
                    [LabelRequest(label: "friend", target: .ownerOnly(Self.friend), visibility: .visible)], keep: true,
                    heartbeat: false, more: true, token: "token")))
        agent.give(.login(Self.login))
        agent.pass(Limits.HTTPWay.followDelay)
        var facts = AccountFacts(account: Self.login.account)
        (facts.followed, facts.position, facts.avatars) = ([Self.friend], "e.7", [Self.friend: avatar])
        agent.give(.disk(.accountOpened(facts)))
        #expect(agent.disk.contains(.lookUp([name("a.png")], touch: true)))
    }
}

import AvatarCore
import Testing
import TransferMachines

/// The server's stream of changes tells each change once: whatever comes in between, the agent has the newest picture in the end.
@Suite struct AgentNewsTests {
    private static let login = Login(server: "https://avatars.test", uid: UserID(7)!, way: .http)
    private let friend = UserID(1002)!

    /// Logged in over HTTP, with a label that shows the friend's picture `a.png` as it was (digest 9), and the friend's changes followed.
    private struct Following {
        var agent: AgentScript
        private var stream = HTTPCallID(.changes, 0)

        init() {
            agent = AgentScript(online: false, recheckAfter: .seconds(86_400))
            agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
            agent.logIn(login)
            agent.reply(.greeting(HTTPHead(status: 200)))
            agent.register(1, "a.png")
            agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png", owner: 1002), checked: agent.now))
            agent.pass(Limits.HTTPWay.followDelay)
            follow()
        }

        /// The stream that was asked for is there, and tells that all is known.
        mutating func follow() {
            for case .http(let id, .changes) in agent.sent { stream = id }
            reply(.head(HTTPHead(status: 200)))
            reply(.change(ServerChange(.ready, position: "e.1")))
            settle()
        }

        /// The catalog takes what it is to note, and the picture that was asked for is as it was.
        mutating func settle() {
            let (noted, asked) = (agent.disk, picture)
            for case .noteChanges(let notes) in noted { agent.give(.disk(.changesNoted(notes))) }
            if let asked { agent.reply(.http(asked, .head(HTTPHead(status: 304)))) }
        }

        mutating func reply(_ reply: HTTPReply) { agent.reply(.http(stream, reply)) }

        mutating func change(to digest: UInt8) {
            reply(.change(ServerChange(.avatar(UserID(1002)!, name("a.png"), sha256(digest)), position: "e.2")))
        }

        /// The request for the picture that the last input led to.
        var picture: HTTPCallID? {
            agent.sent.compactMap { if case .http(let id, .picture) = $0 { id } else { nil } }.last
        }

        /// The whole picture comes for the request, and is committed.
        mutating func come(_ id: HTTPCallID, digest: UInt8) {
            let head = HTTPHead(status: 200, length: 100, sha256: sha256(digest), owner: UserID(1002)!)
            for reply in [.head(head), .bytes(bytes(100)), HTTPReply.end] { agent.reply(.http(id, reply)) }
            agent.commit(record("a.png", owner: 1002, digest: digest, generation: 2), kind: .changed)
        }
    }

    /// The disk is full while the change is told, and whoever shows the picture comes after that: the catalog's row is of before.
    @Test func aChangeThatTheCatalogCouldNotTakeIsNotForgottenWithTheLastLabel() {
        var following = Following()
        following.change(to: 7)
        let noted = following.agent.disk
        for case .noteChanges(let notes) in noted {
            following.agent.give(.disk(.failed(.noteChanges(notes), .full)))
        }
        following.agent.give(.hungUp(StreamID(1)))
        following.agent.register(3, "a.png")
        following.agent.row(
            CatalogRow(name: name("a.png"), avatar: record("a.png", owner: 1002), checked: following.agent.now))
        following.agent.give(.disk(.probed(nil)))
        #expect(following.picture != nil)
    }

    // MARK: Labels that show whatever a user's avatar is

    /// A label that shows whatever the friend's avatar is; the number of the question what that is called.
    private func showAvatar(of friend: UserID, _ agent: inout AgentScript) -> HTTPCallID? {
        agent.give(
            .bus(
                StreamID(2),
                .register(
                    [LabelRequest(label: "friend", target: .ownerOnly(friend), visibility: .visible)], keep: true,
                    heartbeat: false, more: true, token: "token 2")))
        agent.pass(Limits.HTTPWay.followDelay)
        return agent.sent.compactMap { if case .http(let id, .avatar) = $0 { id } else { nil } }.last
    }

    /// The catalog answers as of before it was told that changes may have been missed.
    @Test func aNameThatIsBeingLookedUpWhenChangesMayHaveBeenMissedIsAskedFor() throws {
        var agent = AgentScript(online: false, recheckAfter: .seconds(86_400))
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        agent.logIn(Self.login)
        agent.reply(.greeting(HTTPHead(status: 200)))
        let question = try #require(showAvatar(of: friend, &agent))
        let stream = try #require(
            agent.sent.compactMap { if case .http(let id, .changes) = $0 { id } else { nil } }.first)
        agent.reply(.http(question, .head(HTTPHead(status: 200, owner: friend, name: name("b.png")))))
        #expect(agent.disk.contains(.lookUp([name("b.png")], touch: true)))
        agent.reply(.http(stream, .head(HTTPHead(status: 200))))
        agent.reply(.http(stream, .change(ServerChange(.ready, position: "e.1"))))
        agent.row(CatalogRow(name: name("b.png"), avatar: record("b.png", owner: 1002), checked: agent.now))
        #expect(agent.sent.contains { if case .http(_, .picture(name("b.png"), _, _, _)) = $0 { true } else { false } })
    }

    @Test func aPictureThatIsThereIsShownWhileItIsAskedForAgain() throws {
        var life = Following()
        let id = try #require(showAvatar(of: friend, &life.agent))
        life.agent.reply(.http(id, .head(HTTPHead(status: 200, sha256: sha256(2), name: name("a.png")))))
        #expect(life.agent.states.contains("friend: ready"))
    }

    /// Of a picture that came in another way nobody knows whose it is.
    @Test func aPictureOfNobodyIsShownWhereItIsTheUsersAvatar() throws {
        var life = Following()
        let id = try #require(showAvatar(of: friend, &life.agent))
        life.agent.reply(.http(id, .head(HTTPHead(status: 200, sha256: sha256(4), name: name("b.png")))))
        life.agent.row(CatalogRow(name: name("b.png"), avatar: record("b.png", digest: 4), checked: life.agent.now))
        #expect(life.agent.states.contains("friend: ready"))
    }

    // MARK: Changes

    @Test func aChangeIsFetched() throws {
        var life = Following()
        life.change(to: 2)
        life.come(try #require(life.picture), digest: 2)
        #expect(life.agent.view("a.png").sha256 == sha256(2))
        #expect(life.picture == nil)
    }

    /// A server that fails, and one that sends what is no picture.
    @Test(arguments: [true, false]) func aChangeWhoseFetchFailsIsTriedAgain(isAnswered: Bool) throws {
        var life = Following()
        life.change(to: 2)
        let id = try #require(life.picture)
        if isAnswered {
            let head = HTTPHead(status: 200, length: 100, sha256: sha256(2))
            for reply in [.head(head), .bytes(bytes(100)), HTTPReply.end] { life.agent.reply(.http(id, reply)) }
            life.agent.give(.disk(.wrote(name("a.png"), through: 100)))
            life.agent.endCommit("a.png", .corrupt("another digest"))
        } else {
            life.agent.reply(.http(id, .head(HTTPHead(status: 500))))
        }
        #expect(!life.agent.disk.contains(.noteChecked(name("a.png"))), "a later run asks, too")
        life.agent.pass(.seconds(80))
        life.come(try #require(life.picture), digest: 2)
        #expect(life.agent.view("a.png").sha256 == sha256(2))
    }

    @Test func aChangeOutlivesTheConnection() throws {
        var life = Following()
        life.change(to: 2)
        life.agent.give(.connection(.closed(life.agent.connection, cause: "cut")))
        life.agent.pass(.seconds(1))
        life.agent.give(.connection(.opened(life.agent.connection)))
        life.come(try #require(life.picture), digest: 2)
        #expect(life.agent.view("a.png").sha256 == sha256(2))
    }

    @Test func aChangeOutlivesATokenThatIsReplaced() throws {
        var life = Following()
        life.change(to: 2)
        life.agent.reply(.http(try #require(life.picture), .head(HTTPHead(status: 401))))
        #expect(life.agent.machine.connectionState == .refused)
        life.agent.logIn(Self.login)
        #expect(life.picture != nil)
    }

    /// What was asked before the change says nothing of it.
    @Test func aChangeDuringAFetchIsFetchedAfterIt() throws {
        var life = Following()
        life.change(to: 2)
        let first = try #require(life.picture)
        life.change(to: 3)
        life.come(first, digest: 2)
        life.come(try #require(life.picture), digest: 3)
        #expect(life.agent.view("a.png").sha256 == sha256(3))
        #expect(life.picture == nil)
    }

    @Test func aServerThatSaysNotModifiedOfAChangeIsNotBelieved() throws {
        var life = Following()
        life.change(to: 2)
        let id = try #require(life.picture)
        #expect(life.agent.sent.contains(.http(id, .picture(name("a.png"), from: 0, tag: nil, known: nil))))
        life.agent.reply(.http(id, .head(HTTPHead(status: 304))))
        life.agent.pass(.seconds(80))
        #expect(life.picture != nil)
    }

    /// The stream and the pictures contradict each other for ever.
    @Test func aServerThatGoesOnSendingAnotherPictureIsBelievedInTheEnd() {
        var life = Following()
        life.change(to: 2)
        var count = 0
        while let id = life.picture, count < 20 {
            life.come(id, digest: 8)
            count += 1
        }
        #expect(count == Limits.HTTPWay.contradictionsMax + 1)
    }

    @Test func aPictureThatIsGoneFromItsNameIsLeftAsItIs() throws {
        var life = Following()
        life.change(to: 2)
        life.agent.reply(.http(try #require(life.picture), .head(HTTPHead(status: 404))))
        #expect(life.agent.disk.contains(.noteChecked(name("a.png"))))
        life.agent.pass(.seconds(600))
        #expect(life.picture == nil)
    }
}

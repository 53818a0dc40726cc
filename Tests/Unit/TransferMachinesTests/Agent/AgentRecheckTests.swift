import AvatarCore
import Testing

@testable import TransferMachines

/// A picture that is there may have been replaced under the same name.
@Suite struct AgentRecheckTests {
    /// A label shows a picture that the server last told of so long ago.
    private func shown(ago: Duration?, isOwn: Bool = false, recheckAfter: Duration? = .seconds(60)) -> AgentScript {
        var agent = AgentScript(recheckAfter: recheckAfter)
        agent.register(1, "a.png")
        let checked = ago.map { agent.now + (.zero - $0) }
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png", isOwn: isOwn), checked: checked))
        return agent
    }

    private func fetchAgain(_ agent: inout AgentScript, _ stream: UInt64 = 2, more: Bool = true) {
        agent.give(.bus(StreamID(stream), .fetch([name("a.png")], visibility: .near, again: true, more: more)))
    }

    /// The same name with other bytes.
    private let newer = record("a.png", size: 90, generation: 2)

    // MARK: Labels

    @Test(arguments: [(59, []), (60, ["a.png 1"]), (100_000, ["a.png 1"])])
    func aPictureThatALabelShowsIsAskedForAgainWhenTheLastAnswerIsOld(ago: Int, asked: [String]) {
        let agent = shown(ago: .seconds(ago))
        #expect(agent.states == ["label of a.png: ready"], "and shown meanwhile")
        #expect(agent.asked == asked)
    }

    @Test func theUsersOwnAndOtherProgramsPicturesAreNot() {
        #expect(shown(ago: nil, isOwn: true).asked == [])
        #expect(shown(ago: nil).asked == [])
    }

    @Test func withoutATimeNothingIsAskedForAgain() {
        #expect(shown(ago: .seconds(100_000), recheckAfter: nil).asked == [])
    }

    @Test func aHiddenLabelAsksWhenItBecomesVisible() {
        var agent = AgentScript(recheckAfter: .seconds(60))
        agent.register(1, "a.png", visibility: .hidden)
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png"), checked: at(-70_000)))
        #expect(agent.asked == [])
        agent.give(
            .bus(
                StreamID(2),
                .adjust(subscription: "token 1", add: [], remove: [], visible: ["label of a.png"], hidden: [])))
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func labelsAreToldOfOtherBytesOnceTheyAreCommitted() {
        var agent = shown(ago: .seconds(60))
        agent.chunk("a.png", of: 90)
        #expect(agent.told == [])
        #expect(agent.view("a.png") == AvatarView(record("a.png")), "until then the old picture is what is shown")
        agent.commit(newer, kind: .changed)
        #expect(agent.states == ["label of a.png: ready"])
        #expect(agent.view("a.png") == AvatarView(newer))
        agent.register(3, "a.png")
        #expect(agent.asked == [], "the answer is fresh")
    }

    @Test func labelsHearNothingOfTheSameBytes() {
        var agent = shown(ago: .seconds(60))
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .unchanged(record("a.png")))
        #expect(agent.told == [])
        agent.register(3, "a.png")
        #expect(agent.asked == [])
    }

    @Test(arguments: [ClassicError.fileNotExists, .readPermission])
    func aServerThatHasNoneLeavesTheOldOne(error: ClassicError) {
        var agent = shown(ago: .seconds(60))
        agent.refuse("a.png", error)
        #expect(agent.told == [])
        #expect(agent.view("a.png") == AvatarView(record("a.png")))
        #expect(agent.disk == [.noteChecked(name("a.png")), .discardPart(name("a.png"))])
    }

    @Test func whatIsNoPictureLeavesTheOldOne() {
        var agent = shown(ago: .seconds(60))
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .corrupt("no picture"))
        #expect(agent.view("a.png") == AvatarView(record("a.png")))
        #expect(agent.disk.contains(.noteChecked(name("a.png"))))
    }

    @Test func whatIsMissingComesFirst() {
        var agent = AgentScript(online: false, recheckAfter: .seconds(60))
        agent.give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        agent.register(1, "a.png", "b.png", visibility: .visible)
        agent.give(
            .disk(
                .lookedUp([
                    CatalogRow(name: name("a.png"), avatar: record("a.png"), checked: at(-70_000)),
                    CatalogRow(name: name("b.png")),
                ])))
        agent.logIn()
        #expect(agent.asked == ["b.png 1", "a.png 1"])
    }

    @Test func aPictureThatGoesMeanwhileIsFetchedLikeAnyOther() {
        var agent = shown(ago: .seconds(60))
        agent.give(.disk(.vanished(name("a.png"), [])))
        #expect(agent.states == ["label of a.png: pending"])
        agent.refuse("a.png", .fileNotExists)
        #expect(agent.disk.contains(.setNegative(name("a.png"), .absent, attempts: 1)))
    }

    @Test func aCutLeavesTheOldOneUntilTheNextReason() {
        var agent = shown(ago: .seconds(60))
        agent.give(.connection(.closed(agent.connection, cause: "cut")))
        #expect(agent.view("a.png") == AvatarView(record("a.png")))
        agent.pass(.seconds(60))
        agent.give(.connection(.opened(agent.connection)))
        #expect(agent.asked == [])
        agent.register(2, "a.png")
        agent.give(
            .bus(
                StreamID(2),
                .adjust(
                    subscription: "token 2", add: [], remove: [], visible: [], hidden: ["label of a.png"])))
        #expect(agent.asked == [], "a label shows it all the while")
    }

    // MARK: A person

    @Test func aFetchAsksAgainAndEndsWithTheNewPicture() {
        var agent = shown(ago: .seconds(1))
        fetchAgain(&agent)
        #expect(agent.told == [.accepted(StreamID(2), 1, nil, continues: true)])
        #expect(agent.asked == ["a.png 1"])
        agent.chunk("a.png", of: 90)
        #expect(agent.told == [])
        agent.commit(newer, kind: .changed)
        #expect(agent.told.contains(.accepted(StreamID(2), 1, AvatarView(newer), continues: false)))
    }

    @Test func aFetchOfTheSameBytesEndsWithThem() {
        var agent = shown(ago: .seconds(1))
        fetchAgain(&agent)
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .unchanged(record("a.png")))
        #expect(agent.told == [.accepted(StreamID(2), 1, AvatarView(record("a.png")), continues: false)])
    }

    @Test func aFetchBeforeTheCatalogHasAnsweredAsksAgain() {
        var agent = AgentScript()
        fetchAgain(&agent)
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png"), checked: agent.now))
        #expect(agent.asked == ["a.png 1"])
        #expect(agent.told == [])
    }

    /// Of each end that is no new picture the call hears why, and what is there.
    @Test(arguments: ["refused", "cut", "paused"])
    func aFetchThatBringsNothingNewSaysWhy(end: String) {
        var agent = shown(ago: .seconds(1))
        fetchAgain(&agent)
        switch end {
        case "refused": agent.refuse("a.png", .fileNotExists)
        case "cut": agent.give(.connection(.closed(agent.connection, cause: "cut")))
        default: agent.give(.bus(StreamID(3), .pause(.down)))
        }
        let last = agent.told.compactMap { output in
            if case .accepted(StreamID(2), 1, let view?, continues: false) = output { view } else { nil }
        }
        #expect(last.count == 1)
        #expect(last.first?.state == .ready)
        #expect(last.first?.reason?.hasPrefix("not replaced: ") == true)
    }

    @Test func aFetchWithoutAgainTakesWhatIsThereHoweverOld() {
        var agent = AgentScript(recheckAfter: .seconds(60))
        agent.register(1, "a.png", visibility: .hidden)
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png"), checked: at(-70_000)))
        agent.fetch(2, "a.png", more: true)
        #expect(agent.asked == [])
        #expect(agent.told.last == .accepted(StreamID(2), 1, AvatarView(record("a.png")), continues: false))
    }

    @Test func whoHangsUpTakesTheQuestionBack() {
        var agent = AgentScript()
        fetchAgain(&agent)
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png"), checked: agent.now))
        agent.give(.hungUp(StreamID(2)))
        #expect(agent.disk.contains(.discardPart(name("a.png"))))
        agent.chunk("a.png", of: 5000)
        #expect(agent.asked == [])
    }
}

import AvatarCore
import Testing
import TransferMachines

/// What subscribers are told, call by call (docs/label-bus.md, "Methods").
@Suite struct AgentBusTests {
    private func event(_ cursor: Int64, _ kind: AvatarEvent.Kind = .ready, _ string: String = "a.png") -> AvatarEvent {
        AvatarEvent(cursor: cursor, kind: kind, name: name(string))
    }

    /// Cursors, reset and continues of the changes in the last answer, reply by reply.
    private func changes(_ agent: AgentScript, on stream: UInt64 = 1) -> [[Int64]] {
        agent.told.compactMap { output in
            guard case .changes(StreamID(stream), _, let cursor, _, let changes, _) = output else { return nil }
            #expect(changes.isEmpty || changes.last?.cursor == cursor)
            return changes.map(\.cursor)
        }
    }

    // MARK: Register

    @Test func builtinHeadsAndOwnersAloneNeedNoCatalog() throws {
        var agent = AgentScript()
        agent.give(
            .bus(
                StreamID(1),
                .register(
                    [
                        LabelRequest(label: "1", target: .builtin(":/res/head_3.jpg"), visibility: .visible),
                        LabelRequest(label: "2", target: .ownerOnly(try #require(UserID(8))), visibility: .visible),
                    ], keep: false, heartbeat: false, more: true, token: "t")))
        #expect(agent.states == ["1: builtin", "2: failed"])
        #expect(agent.disk == [])
    }

    @Test func withoutMoreTheStatesAreToldOnceAndTheMissingFetchedOnce() {
        var agent = AgentScript()
        agent.register(1, "a.png", more: false)
        agent.unknown("a.png")
        guard case .labels(let output) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(!output.continues && output.synced == true && output.subscription == nil)
        #expect(agent.asked == ["a.png 1"])
        #expect(agent.machine.status.labels == 0)
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        #expect(agent.told == [])
    }

    @Test func tooManyLabelsAreRefusedWithTheLimitThatWasPassed() {
        var agent = AgentScript()
        let labels = (0...Limits.Labels.perSubscriptionMax).map {
            LabelRequest(label: "\($0)", target: .name(name("\($0)"), owner: nil), visibility: .visible)
        }
        agent.give(.bus(StreamID(1), .register(labels, keep: true, heartbeat: false, more: true, token: "t")))
        #expect(
            agent.told == [.failed(StreamID(1), .tooMany(what: "labels", limit: Limits.Labels.perSubscriptionMax))])
        agent.give(
            .bus(
                StreamID(1),
                .register(
                    Array(labels[0...Limits.Labels.perReplyMax]), keep: true, heartbeat: false, more: false, token: "t")
            ))
        #expect(agent.told == [.failed(StreamID(1), .tooMany(what: "labels", limit: Limits.Labels.perReplyMax))])
        #expect(agent.actions.count == 1)
    }

    @Test func anAdjustedSubscriptionShowsAndFetchesTheNewLabels() {
        var agent = AgentScript()
        agent.want("a.png")
        let added = LabelRequest(label: "b", target: .name(name("b.png"), owner: nil), visibility: .visible)
        agent.give(
            .bus(
                StreamID(2),
                .adjust(subscription: "token 1", add: [added], remove: ["label of a.png"], visible: [], hidden: [])))
        #expect(agent.told == [.done(StreamID(2))])
        #expect(agent.disk == [.lookUp([name("b.png")], touch: true)])
        agent.unknown("b.png")
        #expect(agent.states == ["b: pending"])
        #expect(agent.asked == ["b.png 1"])
        agent.give(
            .bus(StreamID(2), .adjust(subscription: "no such", add: [], remove: [], visible: [], hidden: [])))
        #expect(agent.told == [.failed(StreamID(2), .unknownSubscription("no such"))])
    }

    @Test func aPictureOfAnotherOwnerIsNotTheOneThatWasAskedFor() throws {
        var agent = AgentScript()
        let owner = try #require(UserID(8))
        let request = LabelRequest(label: "1", target: .name(name("a.png"), owner: owner), visibility: .visible)
        agent.give(.bus(StreamID(1), .register([request], keep: false, heartbeat: false, more: true, token: "t")))
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png", owner: 9)))
        guard case .labels(let output) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(output.states.map(\.avatar.state) == [.failed])
        #expect(output.states.map(\.avatar.reason) == ["name-taken"])
    }

    /// The classic dialect tells no owners: whoever asks for somebody's picture gets that of the name.
    @Test func aLabelWithAnOwnerIsReadyWithoutAnOwnerWhereTheServerTellsNone() throws {
        var agent = AgentScript()
        let owner = try #require(UserID(8))
        let request = LabelRequest(label: "1", target: .name(name("a.png"), owner: owner), visibility: .visible)
        agent.give(.bus(StreamID(1), .register([request], keep: false, heartbeat: false, more: true, token: "t")))
        agent.unknown("a.png")
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        #expect(agent.disk == [.commit([.init(name: name("a.png"), origin: .download(owner: nil))])])
        agent.finishCommit(record("a.png"), events: [])
        #expect(agent.states == ["1: ready"])
        guard case .labels(let output) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(output.states.map(\.avatar.owner) == [nil])
    }

    // MARK: Fetch

    @Test func aFetchWithMoreIsToldOfProgressAndTheEnd() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        #expect(agent.told == [.accepted(StreamID(1), 1, nil, continues: true)])
        agent.unknown("a.png")
        agent.chunk("a.png", 1, of: 5000)
        guard case .accepted(StreamID(1), 1, let view, continues: true) = agent.told.first else {
            Issue.record("\(agent.told)")
            return
        }
        #expect(view?.transferred == 2048)
        agent.chunk("a.png", 2, of: 5000)
        #expect(agent.told == [], "not more often than every 100 ms")
        agent.now = at(100)
        agent.chunk("a.png", 3, of: 5000)
        #expect(agent.told.count == 1)
        agent.commit(record("a.png", size: 5000))
        #expect(
            agent.told == [.accepted(StreamID(1), 1, AvatarView(record("a.png", size: 5000)), continues: false)])
    }

    @Test func aFetchOfWhatIsThereEndsAtOnce() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.fetch(2, "a.png", "a.png", more: true)
        #expect(
            agent.told == [
                .accepted(StreamID(2), 1, nil, continues: true),
                .accepted(StreamID(2), 1, AvatarView(record("a.png")), continues: false),
            ])
    }

    @Test func aFetchThatNobodyFollowsAnyMoreIsGivenUp() {
        var agent = AgentScript()
        agent.fetch(1, "a.png", more: true)
        agent.unknown("a.png")
        agent.give(.hungUp(StreamID(1)))
        agent.chunk("a.png", 1, of: 10_000)
        #expect(agent.asked == [])
    }

    /// A Fetch without `more` was accepted and is unfinished: who hangs up on another one does not take it back.
    @Test func aFetchThatWasAcceptedOutlivesAnothersHangUp() {
        var agent = AgentScript()
        agent.fetch(1, "a.png")
        agent.fetch(2, "a.png", more: true)
        agent.unknown("a.png")
        agent.give(.hungUp(StreamID(2)))
        agent.chunk("a.png", 1, of: 10_000)
        #expect(agent.asked == ["a.png 2", "a.png 3", "a.png 4", "a.png 5"])
    }

    /// Eviction begins with what was wanted least recently, and a label wants its picture until it goes, not only when it came.
    @Test func aPictureCountsAsWantedUntilItsLastLabelGoes() {
        var agent = AgentScript()
        agent.register(1, "a.png", "b.png")
        agent.register(2, "b.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        agent.row(CatalogRow(name: name("b.png"), avatar: record("b.png")))
        agent.give(.hungUp(StreamID(1)))
        #expect(agent.disk == [.touch([name("a.png")])])
        agent.give(
            .bus(
                StreamID(3),
                .adjust(subscription: "token 2", add: [], remove: ["label of b.png"], visible: [], hidden: [])))
        #expect(agent.disk == [.touch([name("b.png")])])
    }

    /// Nobody may make the agent remember names without end, server or no server.
    @Test func wishesHaveABound() {
        var agent = AgentScript()
        agent.give(.connection(.closed(1, cause: "reset")))
        var refused = false
        for round in 0...Limits.Labels.namesMax / Limits.Labels.fetchNamesMax {
            let names = (0..<Limits.Labels.fetchNamesMax).map { name("\(round) \($0)") }
            agent.give(.bus(StreamID(1), .fetch(names, visibility: .near, more: false)))
            refused =
                agent.told == [.failed(StreamID(1), .tooMany(what: "names", limit: Limits.Labels.namesMax))]
        }
        #expect(refused)
    }

    // MARK: Get, List, Forget

    @Test func aGetIsAnsweredWhenTheCatalogHasSpoken() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .get(.name(name("a.png"), owner: nil))))
        #expect(agent.disk == [.lookUp([name("a.png")], touch: false)])
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        #expect(agent.told == [.avatar(StreamID(1), AvatarView(record("a.png")), continues: false)])
        agent.give(.bus(StreamID(1), .get(.name(name("b.png"), owner: nil))))
        agent.unknown("b.png")
        #expect(agent.sent == [], "a question is no wish")
    }

    @Test func whatIsForgottenComesBackOnlyWhenItIsWanted() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.give(.bus(StreamID(5), .forget(name("a.png"))))
        #expect(agent.disk == [.forget(StreamID(5), name("a.png"))])
        agent.give(.disk(.vanished(name("a.png"), [])))
        #expect(agent.asked == ["a.png 1"])
        agent.give(.disk(.forgotten(StreamID(5))))
        #expect(agent.told == [.done(StreamID(5))])
    }

    // MARK: Watch

    /// A watcher that has been told the log up to cursor 3.
    private func watching(heartbeat: Bool = false) -> AgentScript {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .watch(epoch: nil, since: nil, heartbeat: heartbeat, more: true)))
        #expect(agent.disk == [.readEvents(StreamID(1), since: nil, epoch: nil)])
        agent.give(
            .disk(.events(StreamID(1), EventPage(epoch: "e", cursor: 3, reset: false, events: [], rows: []))))
        return agent
    }

    @Test func aWatchReadsTheLogPageByPageAndThenFollowsIt() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .watch(epoch: "e", since: 1, heartbeat: false, more: true)))
        agent.give(
            .disk(
                .events(
                    StreamID(1),
                    EventPage(epoch: "e", cursor: 5, reset: false, events: [event(2), event(3)], rows: []))))
        #expect(changes(agent) == [[2, 3]])
        #expect(agent.disk == [.readEvents(StreamID(1), since: 3, epoch: "e")])
        agent.give(.disk(.logged([event(6)])))
        #expect(agent.told == [], "the next page will hold it")
        agent.give(
            .disk(
                .events(
                    StreamID(1),
                    EventPage(
                        epoch: "e", cursor: 6, reset: false, events: [event(4), event(5), event(6)], rows: []))))
        #expect(changes(agent) == [[4, 5, 6]])
        #expect(agent.disk == [])
        agent.give(.disk(.logged([event(6), event(7)])))
        #expect(changes(agent) == [[7]], "no repeats")
    }

    @Test func aLogThatDoesNotReachBackIsToldAsAReset() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .watch(epoch: "old", since: 9, heartbeat: false, more: false)))
        agent.give(
            .disk(.events(StreamID(1), EventPage(epoch: "new", cursor: 40, reset: true, events: [], rows: []))))
        #expect(
            agent.told == [.changes(StreamID(1), epoch: "new", cursor: 40, reset: true, [], continues: false)])
        agent.give(.disk(.logged([event(41)])))
        #expect(agent.told == [], "without more it is over")
    }

    @Test func manyChangesAtOnceAreToldInBoundedReplies() {
        var agent = watching()
        agent.give(.disk(.evicted([], (4..<1204).map { event($0, .removed, "\($0)") })))
        #expect(changes(agent).map(\.count) == [500, 500, 200])
        #expect(changes(agent).flatMap(\.self) == (4..<1204).map { Int64($0) })
    }

    /// The picture is told with its path and digest even when the label that wanted it is done at the same moment.
    @Test func aChangeTellsThePictureAsItIs() {
        var agent = watching()
        agent.register(2, "a.png", keep: false)
        agent.unknown("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"), cursor: 4)
        let avatars = agent.told.compactMap { output -> AvatarView? in
            guard case .changes(_, _, _, _, let changes, _) = output else { return nil }
            return changes.first?.avatar
        }
        #expect(avatars == [AvatarView(record("a.png"))])
    }

    @Test func aFailureThatNobodyWaitsForAnyMoreIsToldAsOne() {
        var agent = watching()
        agent.give(.disk(.logged([event(4, .failed), event(5, .removed)])))
        let states = agent.told.flatMap { output -> [AvatarView.State] in
            guard case .changes(_, _, _, _, let changes, _) = output else { return [] }
            return changes.map(\.avatar.state)
        }
        #expect(states == [.failed, .absent])
    }

    @Test func aSilentWatchHearsHeartbeatsOnlyOnceItsLogIsTold() {
        var agent = AgentScript()
        agent.give(.bus(StreamID(1), .watch(epoch: nil, since: nil, heartbeat: true, more: true)))
        let nothing = at(0) + Limits.Paths.compareInterval
        #expect(agent.machine.deadline == nothing, "nothing to wake up for before the first page")
        agent = watching(heartbeat: true)
        #expect(agent.machine.deadline == at(.seconds(30)))
        agent.pass(.seconds(30))
        #expect(changes(agent) == [[]])
        #expect(agent.machine.deadline == at(.seconds(60)))
        agent.give(.hungUp(StreamID(1)))
        #expect(agent.machine.deadline == nothing)
    }

    // MARK: Story

    @Test func theStoryOfAPictureIsKeptAndBounded() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        #expect(agent.machine.activity.steps(of: "a.png").map(\.what) == ["fetching", "complete"])
        for number in 0..<Limits.ActivityLog.stepsMax {
            agent.give(.disk(.examined(name("\(number).png"), .busy)))
        }
        #expect(agent.machine.activity.steps(of: "a.png") == [])
        #expect(agent.machine.activity.steps(of: "0.png").count == 1)
    }

    @Test func problemsAreBoundedAndTheOldestGoesFirst() {
        var agent = AgentScript()
        for number in 0...Limits.ActivityLog.problemsMax {
            agent.give(.disk(.examined(name("\(number).png"), .refused(reason: "no image"))))
        }
        let keys = agent.machine.status.problems.map(\.key)
        #expect(keys.count == Limits.ActivityLog.problemsMax)
        #expect(keys.first == "upload 1.png")
    }
}

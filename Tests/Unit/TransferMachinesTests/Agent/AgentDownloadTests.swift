import AvatarCore
import Testing
import TransferMachines

/// From a label to its picture: the agent's machine between catalog, server, disk and subscribers.
@Suite struct AgentDownloadTests {
    @Test func aLabelsPictureIsLookedUpAskedWrittenCommittedAndTold() {
        var agent = AgentScript()
        agent.register(1, "a.png", keep: false)
        #expect(agent.disk == [.lookUp([name("a.png")], touch: true)])
        #expect(agent.told == [], "the catalog speaks first")
        agent.unknown("a.png")
        #expect(agent.states == ["label of a.png: pending"])
        #expect(agent.asked == ["a.png 1"])
        agent.chunk("a.png")
        #expect(
            agent.disk == [
                .beginPart(name("a.png"), PartPlan(totalSize: 100, chunkSize: 100)),
                .append(name("a.png"), offset: 0, bytes: bytes(100)),
            ])
        let item = CommitMachine.Item(name: name("a.png"), origin: .download(owner: nil))
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        #expect(agent.disk == [.commit([item])])
        #expect(agent.told == [], "nobody hears of it before the record")
        agent.give(.disk(.committed([CommitOutcome(item, .recorded(record("a.png"), []))])))
        #expect(agent.states == ["label of a.png: ready"])
    }

    @Test func aPictureThatIsThereIsToldAtOnceAndNeverAsked() {
        var agent = AgentScript()
        agent.register(1, "a.png", keep: false)
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        #expect(agent.states == ["label of a.png: ready"])
        #expect(agent.sent == [])
    }

    @Test func aKeptLabelIsToldOnceOfWhatIsThere() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.row(CatalogRow(name: name("a.png"), avatar: record("a.png")))
        #expect(agent.states == ["label of a.png: ready"])
    }

    @Test func twoLabelsOfOnePictureAreOneTransfer() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        agent.register(2, "a.png")
        #expect(agent.disk == [], "the catalog has been asked")
        agent.unknown("a.png")
        #expect(agent.asked == ["a.png 1"])
        #expect(agent.states == ["label of a.png: pending", "label of a.png: pending"])
        agent.register(3, "a.png")
        #expect(agent.sent == [])
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        #expect(agent.states.count == 3)
    }

    @Test func aLargePictureIsAskedForInAWindowThatTheDiskHoldsBack() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", 1, of: 1_000_000)
        let window = Int(Limits.Flight.bytes.lowerBound) / 2048
        #expect(agent.asked.count == window)
        agent.chunk("a.png", 2, of: 1_000_000)
        #expect(agent.asked == ["a.png \(window + 2)"])
    }

    @Test func aPartIsGoneOnWith() {
        var agent = AgentScript()
        agent.register(1, "a.png")
        let plan = PartPlan(totalSize: 10_000, chunkSize: 2048)
        agent.row(CatalogRow(name: name("a.png"), part: .init(plan: plan, held: 4096, begun: at(0))))
        #expect(agent.asked == ["a.png 3"])
        #expect(agent.view("a.png").transferred == 4096)
    }

    @Test func whenTheConnectionGoesItGoesOnWhereItWasOnTheNextOne() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", 1, of: 10_000)
        agent.chunk("a.png", 2, of: 10_000)
        agent.give(.connection(.closed(1, cause: "reset")))
        #expect(agent.asked == [])
        #expect(agent.machine.deadline != nil)
        agent.pass(.seconds(1))
        #expect(agent.actions == [.connect(2)])
        agent.give(.connection(.opened(2)))
        #expect(agent.asked == ["a.png 3"])
    }

    // MARK: Not to be had

    @Test func whatTheServerDoesNotHaveIsToldAndNotAskedForAgain() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .fileNotExists)
        #expect(agent.states == ["label of a.png: absent"])
        #expect(agent.disk == [.discardPart(name("a.png")), .setNegative(name("a.png"), .absent, attempts: 1)])
        let pause = Negative.timeToLive(.absent, of: name("a.png"), attempts: 1)
        #expect(agent.machine.deadline == agent.now + pause)
        agent.register(2, "a.png", keep: false)
        #expect(agent.states == ["label of a.png: absent"])
        #expect(agent.sent == [])
        agent.pass(pause - .milliseconds(1))
        #expect(agent.sent == [])
        agent.pass(.milliseconds(1))
        #expect(agent.asked == ["a.png 1"], "it is still wanted")
    }

    @Test(arguments: [
        (ClassicError.fileNotExists, AbsenceReason.absent), (.readPermission, .forbidden), (.readFailed, .serverError),
        (.offsetInvalid, .corrupt),
    ])
    func eachReasonHasItsOwnTimeToLive(error: ClassicError, reason: AbsenceReason) {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", error)
        let time = Negative.timeToLive(reason, of: name("a.png"), attempts: 1)
        #expect(agent.view("a.png").retryAt == agent.now + time)
    }

    @Test func aNegativeOfTheCatalogHolds() {
        var agent = AgentScript()
        agent.register(1, "a.png", "b.png")
        let holds = Negative(reason: .absent, of: name("a.png"), attempts: 1, learned: agent.now)
        agent.row(CatalogRow(name: name("a.png"), negative: holds))
        agent.row(CatalogRow(name: name("b.png"), negative: Negative(reason: .forbidden, until: at(0))))
        #expect(agent.states == ["label of a.png: absent", "label of b.png: pending"])
        #expect(agent.asked == ["b.png 1"], "that one is over")
        agent.pass(holds.until - agent.now)
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aFetchLiftsANegative() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .fileNotExists)
        agent.fetch(2, "a.png")
        #expect(agent.told == [.accepted(StreamID(2), 1, nil, continues: false)])
        #expect(agent.disk == [.clearNegatives([name("a.png")])])
        #expect(agent.asked == ["a.png 1"])
    }

    /// The catalog must not be asked before its negatives are cleared: it would tell of them.
    @Test func aFetchClearsTheCatalogsNegativesBeforeItLooksUp() {
        var agent = AgentScript()
        agent.fetch(1, "b.png", "a.png")
        #expect(
            agent.disk == [
                .clearNegatives([name("a.png"), name("b.png")]), .lookUp([name("a.png"), name("b.png")], touch: true),
            ])
    }

    /// What another token was refused the catalog lifts by itself when the account is opened.
    @Test func aLoginOpensTheAccountAndTriesAgainWhatIsWanted() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .fileNotExists)
        agent.give(.login(AgentScript.login))
        #expect(agent.disk == [.openAccount])
        agent.give(.connection(.opened(2)))
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func whatIsNoPictureIsNotPlacedAndSaid() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.give(.disk(.wrote(name("a.png"), through: 100)))
        agent.endCommit("a.png", .corrupt("cut off"))
        #expect(agent.states == ["label of a.png: failed"])
        #expect(agent.disk == [.discardPart(name("a.png")), .setNegative(name("a.png"), .corrupt, attempts: 1)])
    }

    /// A label that is touched again and again while its picture is not to be had: one retry is enough.
    @Test func labelsThatComeAndGoDoNotPileUpRetries() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .fileNotExists)
        for stream in UInt64(2)..<2000 {
            agent.register(stream, "a.png")
            agent.give(.hungUp(StreamID(stream)))
        }
        #expect(agent.machine.load.retries < 100)
        agent.pass(Negative.timeToLive(.absent, of: name("a.png"), attempts: 1))
        #expect(agent.asked == ["a.png 1"])
    }

    // MARK: Wanted no more

    @Test func aPictureThatNobodyWantsAnyMoreIsNotAskedForAnyFurther() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", 1, of: 1_000_000)
        agent.give(.hungUp(StreamID(1)))
        agent.chunk("a.png", 2, of: 1_000_000)
        #expect(agent.asked == [])
        #expect(agent.disk == [], "what still comes is dropped")
        #expect(agent.view("a.png").state == .absent)
    }

    @Test func aWantedPictureThatSomebodyDeletesIsFetchedAgain() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png")
        agent.commit(record("a.png"))
        agent.give(.folder(.gone(.cache, name("a.png"))))
        #expect(agent.disk == [.inspect(name("a.png"))])
        agent.give(.disk(.vanished(name("a.png"), [AvatarEvent(cursor: 2, kind: .removed, name: name("a.png"))])))
        #expect(agent.states == ["label of a.png: pending"])
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aDeletedPictureThatNobodyWantsStaysAway() {
        var agent = AgentScript()
        agent.give(.disk(.vanished(name("a.png"), [])))
        #expect(agent.actions == [])
    }

    @Test func evictionKeepsWhatSomebodyWants() {
        var agent = AgentScript()
        agent.want("b.png")
        agent.chunk("b.png")
        agent.commit(record("b.png"))
        agent.register(2, "a.png")
        agent.give(.disk(.totals(files: 2, bytes: 200, isOverfull: true)))
        #expect(agent.disk == [.evict(keep: [name("a.png"), name("b.png")])])
        agent.give(.disk(.evicted([name("old.png")], [])))
        #expect(agent.sent == [])
    }

    // MARK: The server misbehaves

    @Test func aForeignReplyChangesNothing() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("other.png")
        agent.chunk("../a.png")
        agent.reply(.upload(UploadReply(error: 0, name: "a.png", md5: nil, seq: 1)))
        agent.reply(.progress(name: "a.png", .error(1012)))
        agent.reply(.other)
        #expect(agent.disk == [])
        #expect(agent.machine.activity.strayReplies == 4)
        agent.chunk("a.png")
        #expect(agent.disk.count == 2)
    }

    @Test func aReplyOfAnEarlierConnectionIsDropped() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.give(
            .replies([ServerReply(connection: 99, kind: .download(name: "a.png", .error(1012)))]))
        #expect(agent.actions == [])
    }

    @Test func aServerThatAnswersWhatNobodyAskedIsGivenUp() {
        var agent = AgentScript()
        agent.want("a.png")
        for _ in 0..<Limits.Connection.strayRepliesMax { agent.chunk("other.png") }
        #expect(!agent.actions.contains(.disconnect(1)))
        agent.chunk("other.png")
        #expect(agent.actions.contains(.disconnect(1)))
    }

    @Test func aServerThatGoesSilentIsGivenUpAndTriedAgain() {
        var agent = AgentScript()
        agent.want("a.png")
        #expect(agent.machine.deadline == at(.seconds(20)))
        agent.pass(.seconds(20))
        #expect(agent.actions.contains(.disconnect(1)))
        agent.pass(.seconds(1))
        #expect(agent.actions == [.connect(2)])
        agent.give(.connection(.opened(2)))
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func aPictureOverWhichTheServerKeepsHangingUpMakesWay() {
        var agent = AgentScript()
        agent.want("a.png")
        for attempt in 1...Limits.Connection.hangUpsMax {
            #expect(agent.asked == ["a.png 1"])
            agent.give(.connection(.closed(attempt, cause: "reset")))
            guard attempt < Limits.Connection.hangUpsMax else { break }
            agent.pass(.seconds(60))
            agent.give(.connection(.opened(attempt + 1)))
        }
        #expect(agent.view("a.png").state == .failed)
    }

    @Test func aFrameThatMeansNothingEndsTheConnection() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.reply(.unreadable("no JSON"))
        #expect(agent.actions.contains(.disconnect(1)))
    }

    /// An error to a first chunk may hold nothing but the error; the picture in full flow is not meant by it.
    @Test func anErrorWithoutANameIsForTheFirstChunkThatIsOwed() {
        var agent = AgentScript()
        agent.want("large.png")
        agent.chunk("large.png", 1, of: 1_000_000)
        agent.register(2, "gone.png")
        agent.unknown("gone.png")
        #expect(agent.asked == [], "the window is full")
        agent.chunk("large.png", 2, of: 1_000_000)
        #expect(agent.asked == ["gone.png 1"])
        agent.refuse(nil, .fileNotExists)
        #expect(agent.view("gone.png").state == .absent)
        #expect(agent.view("large.png").state == .pending)
    }

    @Test func ofTwoFirstChunksTheOlderIsMeant() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.now = at(1000)
        agent.register(2, "b.png")
        agent.unknown("b.png")
        agent.refuse(nil, .fileNotExists)
        #expect(agent.view("a.png").state == .absent)
        #expect(agent.view("b.png").state == .pending)
    }

    // MARK: Login

    @Test func aRefusedTokenStopsUntilALogin() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.refuse("a.png", .tokenInvalid)
        #expect(agent.actions.contains(.disconnect(1)))
        #expect(agent.machine.status.connection == .refused)
        #expect(agent.machine.status.problems.map(\.key) == ["token"])
        #expect(agent.view("a.png").state == .pending, "it is not the picture's fault")
        agent.give(.networkChanged)
        agent.fetch(2, "a.png")
        agent.pass(.seconds(3600))
        #expect(agent.machine.status.connection == .refused)
        agent.give(.login(AgentScript.login))
        #expect(agent.actions.contains(.connect(2)))
        #expect(agent.machine.status.problems == [])
        agent.give(.connection(.opened(2)))
        #expect(agent.asked == ["a.png 1"])
    }

    @Test func withoutALoginLabelsWaitAndSayWhy() {
        var agent = AgentScript(online: false)
        agent.want("a.png")
        #expect(agent.states == ["label of a.png: pending"])
        #expect(agent.view("a.png").reason == "not logged in")
        agent.fetch(2, "a.png")
        #expect(agent.told == [.failed(StreamID(2), .notLoggedIn)])
    }

    @Test func aLogoutClosesAndKeepsTheWish() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.give(.logout)
        #expect(agent.actions.contains(.disconnect(1)))
        agent.give(.login(AgentScript.login))
        agent.give(.connection(.opened(2)))
        #expect(agent.asked == ["a.png 1"])
    }

    // MARK: Pause

    @Test func aPausedDirectionAsksNothingAndResumesWhereItWas() {
        var agent = AgentScript()
        agent.want("a.png")
        agent.chunk("a.png", 1, of: 10_000)
        agent.give(.bus(StreamID(9), .pause(.down)))
        #expect(agent.told == [.done(StreamID(9))])
        agent.register(2, "b.png")
        agent.unknown("b.png")
        #expect(agent.states == ["label of b.png: paused"])
        for seq in Int64(2)...5 { agent.chunk("a.png", seq, of: 10_000) }
        #expect(agent.sent == [])
        agent.give(.bus(StreamID(9), .resume(nil)))
        #expect(agent.asked == ["b.png 1"])
    }
}

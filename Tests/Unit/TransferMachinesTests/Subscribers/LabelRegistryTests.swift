import AvatarCore
import Testing

@testable import TransferMachines

/// Scripts of the labels: who is told what, how often, in how many replies (docs/label-bus.md, Register and Adjust).
@Suite struct LabelRegistryTests {
    private let stream = StreamID(1)

    private func label(
        _ label: String, _ string: String, owner: Int64? = nil, _ visibility: Visibility = .visible
    ) -> LabelRequest {
        LabelRequest(
            label: ExactString(label), target: .name(name(string), owner: owner.flatMap(UserID.init)),
            visibility: visibility)
    }

    private func view(_ string: String, _ state: AvatarView.State = .pending) -> AvatarView {
        AvatarView(name: string, state: state)
    }

    private func book(keep: Bool, _ labels: LabelRequest...) -> LabelRegistry {
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: keep, heartbeat: false, now: at(0))
        book.add(labels, to: stream)
        return book
    }

    /// Tells the first states, all of the same kind.
    private func snapshot(_ book: inout LabelRegistry, _ state: AvatarView.State) -> [LabelRegistry.Output] {
        let views = book.due(on: stream).map { request in
            guard case .name(let name, _) = request.target else { return view("?", state) }
            return view(name.string, state)
        }
        return book.snapshot(of: stream, views: views, now: at(0)).outputs
    }

    private func tell(_ book: inout LabelRegistry, _ string: String, _ state: AvatarView.State) -> [LabelRegistry
        .Output]
    {
        book.tell(name(string), now: at(0)) { _ in view(string, state) }.outputs
    }

    // MARK: First states

    @Test func theFirstReplyTellsEveryLabelInTheOrderInWhichTheyCame() {
        var book = book(keep: true, label("2", "b"), label("1", "a"), label("3", "a"))
        let outputs = snapshot(&book, .pending)
        #expect(outputs.count == 1)
        #expect(outputs[0].states.map(\.label) == ["2", "1", "3"])
        #expect(outputs[0].synced == true)
        #expect(outputs[0].subscription == "t")
        #expect(outputs[0].continues)
    }

    @Test(arguments: [(0, [0]), (1, [1]), (500, [500]), (501, [500, 1]), (1200, [500, 500, 200])])
    func firstStatesComeInPagesOf500AndTheLastIsSynced(count: Int, pages: [Int]) {
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: true, heartbeat: false, now: at(0))
        book.add((0..<count).map { label("\($0)", "\($0)") }, to: stream)
        let outputs = snapshot(&book, .pending)
        #expect(outputs.map(\.states.count) == pages)
        #expect(outputs.map(\.synced) == pages.indices.map { $0 == pages.count - 1 ? true : nil })
        #expect(!outputs.contains { !$0.continues })
    }

    @Test func aLabelThatComesTwiceBeforeItsFirstStateIsToldOnce() {
        var book = book(keep: true, label("1", "a"), label("1", "a"), label("1", "b"))
        #expect(snapshot(&book, .pending).flatMap(\.states).map(\.avatar.name) == ["b"])
        #expect(book.labelCount == 1)
    }

    @Test func aLabelThatIsHiddenBeforeItsFirstStateIsToldAllTheSame() {
        var book = book(keep: false, label("1", "a"), label("2", "b"))
        #expect(book.see(["1"], as: .hidden, on: stream) == [name("a")])
        #expect(snapshot(&book, .absent).flatMap(\.states).map(\.label) == ["1", "2"])
        #expect(book.labelCount == 0)
    }

    @Test func aPictureIsNotToldBeforeTheFirstStates() {
        var book = book(keep: true, label("1", "a"))
        #expect(tell(&book, "a", .ready) == [])
        #expect(snapshot(&book, .ready).count == 1)
        #expect(tell(&book, "a", .ready).count == 1)
    }

    // MARK: One shot

    @Test func aOneShotLabelIsDoneWithItsFirstFinalState() {
        var book = book(keep: false, label("1", "a"), label("2", "b"))
        #expect(snapshot(&book, .pending)[0].continues)
        #expect(tell(&book, "a", .pending) == [], "not final")
        let first = tell(&book, "a", .ready)
        #expect(first.map { $0.states.map(\.label) } == [["1"]])
        #expect(first[0].continues)
        #expect(tell(&book, "a", .ready) == [], "once")
        let last = book.tell(name("b"), now: at(0)) { _ in view("b", .failed) }
        #expect(last.outputs.map(\.continues) == [false])
        #expect(last.done == [name("b")])
        #expect(book.stream(of: "t") == nil)
    }

    /// "Wanted is a picture with a live label": a label that is done is not alive, though others of its stream are.
    @Test func aOneShotLabelThatIsDoneWantsNothingAnyMore() {
        var book = book(keep: false, label("1", "a"), label("2", "b"))
        _ = snapshot(&book, .pending)
        let told = book.tell(name("a"), now: at(0)) { _ in view("a", .ready) }
        #expect(told.done == [name("a")])
        #expect(book.visibility(of: name("a")) == nil)
        #expect(book.visibility(of: name("b")) == .visible)
        #expect(book.labelCount == 1)
    }

    @Test(arguments: [AvatarView.State.ready, .outgoing, .builtin, .absent, .failed])
    func aStreamWhoseFirstStatesAreAllFinalEndsWithThem(state: AvatarView.State) {
        var book = book(keep: false, label("1", "a"), label("2", "b"))
        let outputs = snapshot(&book, state)
        #expect(outputs.map(\.continues) == [false])
        #expect(outputs.map(\.synced) == [true])
        #expect(book.labelCount == 0)
    }

    @Test(arguments: [AvatarView.State.pending, .paused])
    func aStateThatIsNotFinalKeepsAOneShotStream(state: AvatarView.State) {
        var book = book(keep: false, label("1", "a"))
        #expect(snapshot(&book, state).map(\.continues) == [true])
    }

    @Test func ofManyPagesOnlyTheLastEndsTheStream() {
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: false, heartbeat: false, now: at(0))
        book.add((0..<1000).map { label("\($0)", "\($0)") }, to: stream)
        #expect(snapshot(&book, .ready).map(\.continues) == [true, false])
    }

    // MARK: Keep

    @Test func aKeptLabelHearsOfEveryChangeUntilItIsTakenBack() {
        var book = book(keep: true, label("1", "a"))
        _ = snapshot(&book, .pending)
        for state in [AvatarView.State.ready, .pending, .failed, .ready] {
            #expect(tell(&book, "a", state).map(\.continues) == [true])
        }
        #expect(book.remove(["1", "unknown"], from: stream) == [name("a")])
        #expect(tell(&book, "a", .ready) == [])
        #expect(book.stream(of: "t") == stream)
    }

    @Test func aStreamWithManyLabelsOfOnePictureGetsOneReply() {
        var book = book(keep: true, label("1", "a"), label("2", "a"), label("3", "b"))
        _ = snapshot(&book, .pending)
        let outputs = tell(&book, "a", .ready)
        #expect(outputs.map { $0.states.map(\.label) } == [["1", "2"]])
    }

    @Test func eachLabelIsToldAboutTheOwnerItAskedFor() {
        var book = book(keep: true, label("1", "a", owner: 7), label("2", "a"), label("3", "a", owner: 8))
        _ = snapshot(&book, .pending)
        let outputs = book.tell(name("a"), now: at(0)) { owner in AvatarView(name: "a", owner: owner, state: .ready) }
            .outputs
        #expect(outputs.flatMap(\.states).map(\.avatar.owner) == [UserID(7), nil, UserID(8)])
    }

    // MARK: Adjust

    @Test func theMostVisibleLabelDecides() {
        var book = book(keep: true, label("1", "a", .hidden), label("2", "a", .near))
        #expect(book.visibility(of: name("a")) == .near)
        #expect(book.see(["1"], as: .visible, on: stream) == [name("a")])
        #expect(book.see(["1"], as: .visible, on: stream) == [], "nothing changed")
        #expect(book.visibility(of: name("a")) == .visible)
        _ = book.remove(["1"], from: stream)
        #expect(book.visibility(of: name("a")) == .near)
        _ = book.remove(["2"], from: stream)
        #expect(book.visibility(of: name("a")) == nil)
    }

    @Test func aReplacedLabelShowsItsNewPictureOnly() {
        var book = book(keep: true, label("1", "a"))
        _ = snapshot(&book, .ready)
        book.add([label("1", "b")], to: stream)
        #expect(book.visibility(of: name("a")) == nil)
        #expect(snapshot(&book, .ready).flatMap(\.states).map(\.avatar.name) == ["b"])
        #expect(tell(&book, "a", .ready) == [])
    }

    @Test func labelsThatComeAndGoBeforeTheCatalogAnswersLeaveNothingBehind() {
        var book = book(keep: true)
        for round in 0..<5000 {
            book.add([label("1", "a\(round % 7)"), label("2", "b")], to: stream)
            _ = book.remove(["2"], from: stream)
        }
        #expect(book.labelCount == 1)
        #expect((book.subscriptions[stream]?.snapshotDue.count ?? 0) <= 100)
        #expect(snapshot(&book, .ready).flatMap(\.states).count == 1)
    }

    // MARK: Names that only look alike

    @Test func labelsAndNamesThatUnicodeCallsEqualStayApart() {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        var book = book(keep: true, label(composed, composed), label(decomposed, decomposed))
        #expect(book.labelCount == 2)
        #expect(snapshot(&book, .pending).flatMap(\.states).count == 2)
        let told = tell(&book, composed, .ready).flatMap(\.states)
        #expect(told.map { Array($0.label.string.utf8) } == [Array(composed.utf8)])
        #expect(book.remove([ExactString(decomposed)], from: stream).map(\.exact) == [ExactString(decomposed)])
        #expect(book.labelCount == 1)
        #expect(book.stream(of: "t") == stream)
    }

    // MARK: Hanging up

    @Test func aClientThatHangsUpTakesItsLabelsBack() {
        var book = book(keep: true, label("1", "a"), label("2", "b"))
        book.open(StreamID(2), token: "u", keep: true, heartbeat: false, now: at(0))
        book.add([label("1", "b")], to: StreamID(2))
        #expect(book.close(stream) == [name("a"), name("b")])
        #expect(book.visibility(of: name("a")) == nil)
        #expect(book.visibility(of: name("b")) == .visible)
        #expect(book.labelCount == 1)
        #expect(book.close(stream) == [])
        #expect(book.stream(of: "t") == nil)
        #expect(book.stream(of: "u") == StreamID(2))
    }

    // MARK: Heartbeats

    @Test func aSilentStreamThatAskedForItHearsAHeartbeat() {
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: true, heartbeat: true, now: at(0))
        book.open(StreamID(2), token: "u", keep: true, heartbeat: false, now: at(0))
        #expect(book.deadline == at(.seconds(30)))
        #expect(book.heartbeats(now: at(.seconds(29))) == [])
        let outputs = book.heartbeats(now: at(.seconds(30)))
        #expect(outputs.map(\.stream) == [stream])
        #expect(outputs[0].states.isEmpty && outputs[0].synced == nil && outputs[0].continues)
        #expect(book.deadline == at(.seconds(60)))
    }

    @Test func aReplyPutsTheHeartbeatOff() throws {
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: true, heartbeat: true, now: at(0))
        book.add([label("1", "a")], to: stream)
        _ = book.snapshot(of: stream, views: [view("a")], now: at(0))
        _ = book.tell(name("a"), now: at(.seconds(20))) { _ in view("a", .ready) }
        #expect(book.heartbeats(now: at(.seconds(30))) == [])
        #expect(try #require(book.deadline) == at(.seconds(50)))
        #expect(book.heartbeats(now: at(.seconds(50))).count == 1)
    }

    @Test func withoutAStreamThatWantsThemNothingWakesUp() {
        var book = book(keep: true, label("1", "a"))
        #expect(book.deadline == nil)
        book.open(StreamID(2), token: "u", keep: true, heartbeat: true, now: at(0))
        _ = book.close(StreamID(2))
        #expect(book.heartbeats(now: at(.seconds(30))) == [])
        #expect(book.deadline == nil)
    }

    // MARK: Thousands

    /// A chat window with one picture everywhere: as many labels as one subscription may have.
    @Test func thousandsOfLabelsOfOneNameAreToldInBoundedReplies() {
        let count = Limits.Labels.perSubscriptionMax
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: false, heartbeat: false, now: at(0))
        book.add((0..<count).map { label("\($0)", "a") }, to: stream)
        _ = snapshot(&book, .pending)
        let outputs = tell(&book, "a", .ready)
        #expect(outputs.map(\.states.count) == Array(repeating: 500, count: count / 500))
        #expect(outputs.flatMap(\.states).map(\.label.string) == (0..<count).map(String.init))
        #expect(outputs.map(\.continues) == Array(repeating: true, count: count / 500 - 1) + [false])
        #expect(book.labelCount == 0)
    }

    /// A list of thousands of names is told name by name while its first states wait: the cost must not grow with their square.
    @Test func thousandsOfNamesAreToldOneByOne() {
        let count = Limits.Labels.perSubscriptionMax
        var book = LabelRegistry()
        book.open(stream, token: "t", keep: true, heartbeat: false, now: at(0))
        book.add((0..<count).map { label("\($0)", "\($0)") }, to: stream)
        for number in 0..<count { #expect(tell(&book, "\(number)", .ready) == []) }
        #expect(snapshot(&book, .ready).flatMap(\.states).count == count)
        #expect(book.close(stream).count == count)
        #expect(book.labelCount == 0)
    }
}

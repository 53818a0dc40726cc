import AvatarCore
import Testing

@testable import TransferMachines

/// Scripts of one crop on its way up: a chunk is read, sent, acknowledged; one in flight.
@Suite struct ClassicUploadTests {
    private let geometry: ChunkGeometry

    init() throws { geometry = try #require(ChunkGeometry(totalSize: 5000, chunkSize: 2048)) }

    private func data(_ seq: Int64) -> [UInt8] {
        geometry.range(of: seq).map { bytes($0.count, from: $0.lowerBound) } ?? []
    }

    private func offset(_ seq: Int64) -> Int64 { (seq - 1) * 2048 }

    private func sent(_ seq: Int64, showsToken: Bool? = nil) -> ClassicUpload.Action {
        .send(
            .init(
                seq: seq, lastSeq: 3, transSize: min(seq * 2048, 5000), isLast: seq == 3,
                showsToken: showsToken ?? (seq == 1), data: data(seq)))
    }

    private func read(_ seq: Int64) -> ClassicUpload.Action {
        .read(offset(seq)..<min(seq * 2048, 5000))
    }

    /// A machine on its first connection, whose chunks up to `acknowledged` were answered and the next one is sent.
    private func sending(after acknowledged: Int64) -> ClassicUpload {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.connected(now: at(0))
        for seq in 1...(acknowledged + 1) {
            _ = machine.read(at: offset(seq), bytes: data(seq), now: at(0))
            if seq <= acknowledged { _ = machine.replied(error: 0, seq: seq) }
        }
        return machine
    }

    @Test func eachReplyBringsTheNextChunkAndOnlyTheFirstShowsTheToken() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        #expect(machine.connected(now: at(0)) == [read(1)])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(1)) == [sent(1)])
        #expect(machine.replied(error: 0, seq: 1) == [read(2)])
        #expect(machine.transferred == 2048)
        #expect(machine.read(at: offset(2), bytes: data(2), now: at(2)) == [sent(2)])
        #expect(machine.replied(error: 0, seq: 2) == [read(3)])
        #expect(machine.read(at: offset(3), bytes: data(3), now: at(3)) == [sent(3)])
        #expect(machine.replied(error: 0, seq: 3) == [.done])
        #expect(machine.transferred == 5000)
        #expect(machine.connected(now: at(4)) == [])
    }

    @Test func onlyTheBytesThatWereAskedForAreSent() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.connected(now: at(0))
        #expect(machine.read(at: offset(2), bytes: data(2), now: at(0)) == [])
        #expect(machine.read(at: offset(1), bytes: Array(data(1).dropLast()), now: at(0)) == [])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [sent(1)])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [], "once")
    }

    // MARK: After a cut

    /// 1005 first, whatever the server turns out to be; what a fresh crop has never sent need not be asked for.
    @Test func afterACutTheServerIsAskedHowFarItIs() {
        var machine = sending(after: 1)
        machine.connectionLost()
        #expect(machine.isQuiet)
        #expect(machine.connected(now: at(9)) == [.askProgress])
        #expect(machine.deadline == at(9) + Limits.Connection.replyTimeout)
        #expect(machine.connected(now: at(10)) == [], "once")
    }

    @Test(arguments: [Int64(1), 2])
    func aServerThatKnowsItsProgressIsBelieved(held: Int64) {
        var machine = sending(after: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(
            machine.progress(.at(seq: held, totalSize: 5000, transSize: held * 2048), now: at(0)) == [read(held + 1)])
    }

    /// The server may have stopped before it set the icon; it does so for whoever shows the token.
    @Test func aServerThatHoldsEverythingIsSentTheLastChunkAgainWithTheToken() {
        var machine = sending(after: 2)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.at(seq: 3, totalSize: 5000, transSize: 5000), now: at(0)) == [read(3)])
        #expect(machine.read(at: offset(3), bytes: data(3), now: at(0)) == [sent(3, showsToken: true)])
        #expect(machine.replied(error: 0, seq: 3) == [.done])
    }

    /// The bytes of an earlier upload are there, as of this picture's first time: only this upload's last chunk makes it the icon.
    @Test func aServerThatHoldsAnEarlierUploadIsSentTheWholeAgain() {
        var machine = sending(after: 0)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.at(seq: 3, totalSize: 5000, transSize: 5000), now: at(0)) == [read(1)])
    }

    @Test func aLastChunkThatIsNotTheIconIsFollowedByTheWholeAtOnce() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.at(seq: 3, totalSize: 5000, transSize: 5000), now: at(0)) == [read(3)])
        _ = machine.read(at: offset(3), bytes: data(3), now: at(0))
        #expect(machine.replied(error: 1020, seq: 3) == [read(1)])
    }

    /// A progress that is no place in this crop says nothing of this crop.
    @Test(arguments: [
        (Int64(1), Int64(6000), Int64(2048)), (1, 5000, 1024), (4, 5000, 5000), (0, 5000, 0), (-1, 5000, -2048),
        (2, 5000, 5000),
    ])
    func aProgressOfSomethingElseCountsAsNone(seq: Int64, totalSize: Int64, transSize: Int64) {
        var machine = sending(after: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(
            machine.progress(.at(seq: seq, totalSize: totalSize, transSize: transSize), now: at(0)) == [read(1)],
            "chunk 2 was in flight: from the start")
    }

    /// The seed's 1005 knows only uploads of 1003; the last chunk sent was acknowledged, so that n + 1 is safe.
    @Test func withoutAProgressItGoesOnAfterWhatWasAcknowledged() {
        var machine = sending(after: 0)
        #expect(machine.replied(error: 0, seq: 1) == [read(2)])
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.error(1012), now: at(0)) == [read(2)])
    }

    /// The seed's server appends whatever comes: what may have been written must not be sent again, but for chunk 1, which truncates.
    @Test func withoutAProgressALostReplyStartsAgain() {
        var machine = sending(after: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.error(1012), now: at(0)) == [read(1)])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [sent(1)])
    }

    @Test func aLostReplyIsForgottenOnceItStartedAgain() {
        var machine = sending(after: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        _ = machine.progress(.error(1012), now: at(0))
        _ = machine.read(at: offset(1), bytes: data(1), now: at(0))
        _ = machine.replied(error: 0, seq: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(1))
        #expect(machine.progress(.error(1012), now: at(1)) == [read(2)])
    }

    @Test func aCropOfAnEarlierRunIsAskedForAndThenStartsAtOne() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        #expect(machine.connected(now: at(0)) == [.askProgress])
        #expect(machine.progress(.error(1012), now: at(0)) == [read(1)])
    }

    @Test func aCropOfAnEarlierRunGoesOnWhereTheServerIs() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.at(seq: 2, totalSize: 5000, transSize: 4096), now: at(0)) == [read(3)])
        #expect(machine.read(at: offset(3), bytes: data(3), now: at(0)) == [sent(3)], "without the token")
    }

    @Test(arguments: [1010, 1011])
    func aServerThatWantsTheTokenFirstGetsItWithChunkOne(code: Int) {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.connected(now: at(0))
        #expect(machine.progress(.error(code), now: at(0)) == [read(1)])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [sent(1)])
    }

    @Test func aCutWhileReadingOrAskingCostsNothing() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        #expect(machine.connected(now: at(0)) == [read(1)])
        machine.connectionLost()
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [], "the disk was slower than the cut")
        #expect(machine.connected(now: at(0)) == [read(1)], "nothing was sent: nothing to ask")

        machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.connected(now: at(0))
        machine.connectionLost()
        #expect(machine.progress(.at(seq: 2, totalSize: 5000, transSize: 4096), now: at(0)) == [])
        #expect(machine.connected(now: at(0)) == [.askProgress])
    }

    // MARK: Refusals

    /// Taken on trust at n + 1, the server had forgotten: from the start at once, without counting as a refusal.
    @Test(arguments: [1012, 1017, 1018, 1020])
    func aServerThatForgotABlindResumeIsToldFromTheStart(code: Int) {
        var machine = sending(after: 0)
        _ = machine.replied(error: 0, seq: 1)
        machine.connectionLost()
        _ = machine.connected(now: at(0))
        _ = machine.progress(.error(1012), now: at(0))
        _ = machine.read(at: offset(2), bytes: data(2), now: at(0))
        #expect(machine.replied(error: code, seq: nil) == [read(1)])
        #expect(machine.read(at: offset(1), bytes: data(1), now: at(0)) == [sent(1)])
        let again = machine.replied(error: code, seq: 1)
        guard case .refused = again.first else {
            Issue.record("\(again)")
            return
        }
    }

    @Test(arguments: [1001, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1, 9999, -1])
    func aRefusedTryIsOverAndTheNextOneBeginsAtOneWithoutAsking(code: Int) {
        var machine = sending(after: 1)
        let actions = machine.replied(error: code, seq: 2)
        guard case .refused = actions.first, actions.count == 1 else {
            Issue.record("\(actions)")
            return
        }
        #expect(machine.isQuiet)
        #expect(machine.connected(now: at(5)) == [read(1)])
    }

    @Test(arguments: [ClassicError.tokenInvalid, .uidInvalid])
    func aRefusedTokenStartsAgainAfterTheLogin(error: ClassicError) {
        var machine = sending(after: 0)
        #expect(machine.replied(error: error.rawValue, seq: nil) == [.tokenRefused(error)])
        machine.connectionLost()
        #expect(machine.connected(now: at(0)) == [.askProgress])
        #expect(machine.progress(.error(1012), now: at(0)) == [read(1)])
    }

    @Test(arguments: [Int64?.none, 1, 3, 0])
    func anAcknowledgementOfAnotherChunkEndsTheTry(seq: Int64?) {
        var machine = sending(after: 1)
        let actions = machine.replied(error: 0, seq: seq)
        guard case .refused = actions.first else {
            Issue.record("\(actions)")
            return
        }
        #expect(machine.connected(now: at(0)) == [read(1)])
    }

    @Test func whatNobodyAskedIsIgnored() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        #expect(machine.replied(error: 0, seq: 1) == [])
        #expect(machine.progress(.at(seq: 1, totalSize: 5000, transSize: 2048), now: at(0)) == [])
        _ = machine.connected(now: at(0))
        #expect(machine.replied(error: 0, seq: 1) == [])
        #expect(machine.transferred == 0)
    }

    @Test func aSilentServerIsNoticedForAChunkAndForAQuestion() {
        var machine = sending(after: 0)
        #expect(!machine.isSilent(now: at(.seconds(19))))
        #expect(machine.isSilent(now: at(.seconds(20))))
        machine.connectionLost()
        #expect(!machine.isSilent(now: at(.seconds(20))))
        _ = machine.connected(now: at(.seconds(20)))
        #expect(machine.isSilent(now: at(.seconds(40))))
    }
}

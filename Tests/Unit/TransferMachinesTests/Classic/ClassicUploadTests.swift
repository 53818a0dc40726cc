import AvatarCore
import Testing

@testable import TransferMachines

/// Scripts of one crop on its way up: chunks are read, sent in a window, acknowledged; and what is sent after a cut.
@Suite struct ClassicUploadTests {
    private let geometry: ChunkGeometry

    init() throws { geometry = try #require(ChunkGeometry(totalSize: 5000, chunkSize: 2048)) }

    private func data(_ seq: Int64) -> [UInt8] {
        geometry.range(of: seq).map { bytes($0.count, from: $0.lowerBound) } ?? []
    }

    private func chunk(_ seq: Int64, showsToken: Bool? = nil) -> ClassicUpload.Chunk {
        ClassicUpload.Chunk(
            seq: seq, lastSeq: 3, transSize: min(seq * 2048, 5000), isLast: seq == 3,
            showsToken: showsToken ?? (seq == 1),
            data: data(seq))
    }

    /// Reads whatever comes next, and sends what may be sent of it, up to `last`; the numbers of the chunks.
    @discardableResult
    private func send(_ machine: inout ClassicUpload, through last: Int64 = 3) -> [Int64] {
        if let range = machine.read(atMost: 1 << 20) {
            machine.read(at: range.lowerBound, bytes: bytes(range.count, from: range.lowerBound))
        }
        var sent: [Int64] = []
        while let next = machine.nextSeq, next <= last, let chunk = machine.send(now: at(0)) { sent.append(chunk.seq) }
        return sent
    }

    /// A machine on its first connection: chunks up to `sent` are sent, and up to `acknowledged` answered.
    private func sending(_ sent: Int64, acknowledged: Int64) -> ClassicUpload {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.begin()
        send(&machine, through: sent)
        for seq in 0..<acknowledged { _ = machine.replied(error: 0, seq: seq + 1) }
        return machine
    }

    /// The same after a cut, and after the server said how far it is.
    private func resumed(
        _ sent: Int64, acknowledged: Int64, _ progress: ClassicUpload.Progress
    ) -> ClassicUpload {
        var machine = sending(sent, acknowledged: acknowledged)
        machine.connectionLost()
        #expect(machine.begin() == true)
        machine.progress(progress)
        return machine
    }

    // MARK: The window

    @Test func chunksGoBehindEachOtherAndOnlyTheFirstShowsTheToken() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        #expect(machine.begin() == false, "nothing to ask")
        #expect(machine.read(atMost: 4096) == 0..<4096)
        #expect(machine.read(atMost: 4096) == nil, "one at a time")
        machine.read(at: 0, bytes: bytes(4096))
        #expect(machine.send(now: at(1)) == chunk(1))
        #expect(machine.send(now: at(2)) == chunk(2))
        #expect(machine.send(now: at(2)) == nil, "not read yet")
        #expect(machine.read(atMost: 4096) == 4096..<5000)
        machine.read(at: 4096, bytes: data(3))
        #expect(machine.send(now: at(3)) == chunk(3))
        #expect(machine.answersOwed == 3)
        #expect(machine.replied(error: 0, seq: 1) == nil)
        #expect(machine.transferred == 2048)
        #expect(machine.replied(error: 0, seq: 2) == nil)
        #expect(machine.replied(error: 0, seq: 3) == .done)
        #expect(machine.transferred == 5000 && machine.answersOwed == 0)
        #expect(machine.begin() == false)
        #expect(machine.nextSeq == nil)
    }

    @Test func aChunkLargerThanAReadIsReadAlone() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.begin()
        #expect(machine.read(atMost: 100) == 0..<2048)
    }

    @Test func onlyTheBytesThatWereAskedForAreSent() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.begin()
        machine.read(at: 0, bytes: data(1))
        #expect(machine.send(now: at(0)) == nil, "not asked for")
        _ = machine.read(atMost: 1 << 20)
        machine.read(at: 2048, bytes: data(2))
        machine.read(at: 0, bytes: Array(data(1).dropLast()))
        #expect(machine.send(now: at(0)) == nil)
        machine.read(at: 0, bytes: bytes(5000))
        machine.read(at: 0, bytes: bytes(5000))
        #expect(send(&machine) == [1, 2, 3], "once")
    }

    @Test func anAnswerTellsHowLongTheChunkTook() {
        var machine = sending(3, acknowledged: 1)
        #expect(machine.measured?.bytes == 2048 && machine.measured?.sentAt == at(0))
        _ = machine.replied(error: 1020, seq: 2)
        #expect(machine.measured == nil)
    }

    // MARK: After a cut

    /// 1005 first, whatever the server turns out to be; what a fresh crop has never sent need not be asked for.
    @Test func afterACutTheServerIsAskedHowFarItIs() {
        var machine = sending(2, acknowledged: 1)
        machine.connectionLost()
        #expect(machine.answersOwed == 0)
        #expect(machine.begin() == true)
        #expect(machine.isAsking && machine.answersOwed == 1)
        #expect(machine.begin() == false, "once")
        #expect(machine.nextSeq == nil)
        #expect(machine.read(atMost: 4096) == nil)
    }

    /// Our own server holds what it has, so that nothing is sent twice, wherever the cut was.
    @Test(arguments: [(Int64(1), Int64(0)), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)], [Int64(1), 2])
    func aServerThatKnowsItsProgressIsBelieved(cut: (sent: Int64, acknowledged: Int64), held: Int64) {
        let progress = ClassicUpload.Progress.at(seq: held, totalSize: 5000, transSize: held * 2048)
        var machine = resumed(cut.sent, acknowledged: cut.acknowledged, progress)
        #expect(send(&machine) == Array(held + 1...3))
    }

    /// The seed's 1005 knows only uploads of 1003. It appends whatever comes and truncates at 1: with anything in flight nobody knows what it
    /// has.
    @Test(arguments: [(Int64(1), Int64(0)), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
    func withoutAProgressWhatWasInFlightIsSentFromTheStart(cut: (sent: Int64, acknowledged: Int64)) {
        var machine = resumed(cut.sent, acknowledged: cut.acknowledged, .error(1012))
        #expect(send(&machine) == [1, 2, 3])
        #expect(machine.transferred == 0)
    }

    @Test(arguments: [Int64(1), 2])
    func withoutAProgressItGoesOnBehindWhatWasAcknowledged(acknowledged: Int64) {
        var machine = resumed(acknowledged, acknowledged: acknowledged, .error(1012))
        #expect(send(&machine) == Array(acknowledged + 1...3))
    }

    @Test func aCropThatWasCutTwiceGoesWithOneChunkInFlight() {
        var machine = sending(3, acknowledged: 1)
        for cut in 1...Limits.Upload.windowedCutsMax {
            machine.connectionLost()
            _ = machine.begin()
            machine.progress(.error(1012))
            #expect(send(&machine) == (cut < Limits.Upload.windowedCutsMax ? [1, 2, 3] : [1]))
        }
        #expect(machine.replied(error: 0, seq: 1) == nil)
        #expect(send(&machine) == [2])
        _ = machine.replied(error: 0, seq: 2)
        machine.connectionLost()
        _ = machine.begin()
        machine.progress(.error(1012))
        #expect(send(&machine) == [3], "resumed where it was")
    }

    @Test func aServerThatSaysHowFarItIsKeepsItsWindow() {
        var machine = sending(3, acknowledged: 0)
        for _ in 0...Limits.Upload.windowedCutsMax {
            machine.connectionLost()
            _ = machine.begin()
            machine.progress(.at(seq: 1, totalSize: 5000, transSize: 2048))
            #expect(send(&machine) == [2, 3])
        }
    }

    /// The server may have stopped before it set the icon; it does so for whoever shows the token.
    @Test func aServerThatHoldsEverythingIsSentTheLastChunkAgainWithTheToken() {
        var machine = resumed(3, acknowledged: 1, .at(seq: 3, totalSize: 5000, transSize: 5000))
        #expect(machine.read(atMost: 1 << 20) == 4096..<5000)
        machine.read(at: 4096, bytes: data(3))
        #expect(machine.send(now: at(0)) == chunk(3, showsToken: true))
        #expect(machine.replied(error: 0, seq: 3) == .done)
    }

    /// The bytes of an earlier upload are there, as of this picture's first time: only this upload's last chunk makes it the icon.
    @Test func aServerThatHoldsAnEarlierUploadIsSentTheWholeAgain() {
        var machine = resumed(2, acknowledged: 0, .at(seq: 3, totalSize: 5000, transSize: 5000))
        #expect(send(&machine) == [1, 2, 3])
    }

    @Test func aLastChunkThatIsNotTheIconIsFollowedByTheWholeAtOnce() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.begin()
        machine.progress(.at(seq: 3, totalSize: 5000, transSize: 5000))
        #expect(send(&machine) == [3])
        #expect(machine.replied(error: 1020, seq: 3) == nil)
        #expect(send(&machine) == [1, 2, 3])
    }

    /// The upload was begun in other chunks than it would be now, by an earlier run of the agent perhaps: nothing is sent twice.
    @Test func anUploadGoesOnInTheChunksInWhichItWasBegun() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.begin()
        machine.progress(.at(seq: 3, totalSize: 5000, transSize: 3000, chunkBytes: 1000))
        #expect(machine.read(atMost: 1 << 20) == 3000..<5000)
        machine.read(at: 3000, bytes: bytes(2000, from: 3000))
        #expect(machine.send(now: at(0))?.transSize == 4000)
        #expect(machine.send(now: at(0))?.transSize == 5000)
    }

    /// Larger chunks than the agent would send, no chunks at all, and a place that is none in those chunks.
    @Test(arguments: [
        (Int64(1), Int64(5000), Int64(1 << 20)), (1, 63, 63), (1, 2048, 1000), (1, 0, 0),
    ])
    func chunksThatCannotBeGoneOnInBeginAnew(seq: Int64, transSize: Int64, chunkBytes: Int64) {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.begin()
        machine.progress(.at(seq: seq, totalSize: 5000, transSize: transSize, chunkBytes: chunkBytes))
        #expect(machine.read(atMost: 1 << 20)?.lowerBound == 0)
    }

    /// A progress that is no place in this crop says nothing of this crop.
    @Test(arguments: [
        (Int64(1), Int64(6000), Int64(2048)), (1, 5000, 1024), (4, 5000, 5000), (0, 5000, 0), (-1, 5000, -2048),
        (2, 5000, 5000),
    ])
    func aProgressOfSomethingElseCountsAsNone(seq: Int64, totalSize: Int64, transSize: Int64) {
        var machine = resumed(2, acknowledged: 1, .at(seq: seq, totalSize: totalSize, transSize: transSize))
        #expect(send(&machine) == [1, 2, 3], "chunk 2 was in flight: from the start")
    }

    @Test func aLostReplyIsForgottenOnceItStartedAgain() {
        var machine = resumed(2, acknowledged: 1, .error(1012))
        send(&machine, through: 1)
        _ = machine.replied(error: 0, seq: 1)
        machine.connectionLost()
        _ = machine.begin()
        machine.progress(.error(1012))
        #expect(send(&machine) == [2, 3])
    }

    @Test func aCropOfAnEarlierRunIsAskedForAndThenStartsAtOne() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        #expect(machine.begin() == true)
        machine.progress(.error(1012))
        #expect(send(&machine) == [1, 2, 3])
    }

    @Test func aCropOfAnEarlierRunGoesOnWhereTheServerIs() {
        var machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.begin()
        machine.progress(.at(seq: 2, totalSize: 5000, transSize: 4096))
        _ = machine.read(atMost: 4096)
        machine.read(at: 4096, bytes: data(3))
        #expect(machine.send(now: at(0)) == chunk(3), "without the token")
    }

    @Test(arguments: [1010, 1011])
    func aServerThatWantsTheTokenFirstGetsItWithChunkOne(code: Int) {
        var machine = resumed(1, acknowledged: 1, .error(code))
        #expect(send(&machine) == [1, 2, 3])
    }

    @Test func aCutWhileReadingOrAskingCostsNothing() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        _ = machine.begin()
        _ = machine.read(atMost: 4096)
        machine.connectionLost()
        machine.read(at: 0, bytes: bytes(4096))
        #expect(machine.begin() == false, "nothing was sent: nothing to ask")
        #expect(send(&machine) == [1, 2, 3])

        machine = ClassicUpload(geometry: geometry, everSent: true)
        _ = machine.begin()
        machine.connectionLost()
        machine.progress(.at(seq: 2, totalSize: 5000, transSize: 4096))
        #expect(machine.begin() == true)
    }

    // MARK: Refusals

    /// Taken on trust at n + 1, the server had forgotten: from the start at once, without counting as a refusal.
    @Test(arguments: [1012, 1017, 1018, 1020])
    func aServerThatForgotABlindResumeIsToldFromTheStart(code: Int) {
        var machine = resumed(1, acknowledged: 1, .error(1012))
        #expect(send(&machine) == [2, 3])
        #expect(machine.replied(error: code, seq: nil) == nil)
        #expect(send(&machine) == [], "chunk 3 is not answered")
        #expect(machine.replied(error: code, seq: nil) == nil)
        #expect(send(&machine) == [1, 2, 3])
        #expect(machine.replied(error: code, seq: 1) == .refused(UploadRefusal(code: code)))
    }

    @Test(arguments: [1001, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1, 9999, -1])
    func aRefusedTryIsOverAndTheNextOneBeginsAtOneWithoutAsking(code: Int) {
        var machine = sending(2, acknowledged: 1)
        #expect(machine.replied(error: code, seq: 2) == .refused(UploadRefusal(code: code)))
        #expect(machine.answersOwed == 0)
        #expect(machine.begin() == false)
        #expect(send(&machine) == [1, 2, 3])
    }

    /// What the server makes of the chunks behind the refused one does not matter: chunk 1 truncates, behind all of them.
    @Test(arguments: [0, 1017]) func theNextTryWaitsForTheAnswersToWhatWasInFlight(code: Int) {
        var machine = sending(3, acknowledged: 0)
        #expect(machine.replied(error: 1013, seq: 1) == .refused(UploadRefusal(code: 1013)))
        #expect(machine.answersOwed == 2)
        #expect(machine.begin() == false)
        #expect(machine.nextSeq == nil)
        for seq in Int64(2)...3 { #expect(machine.replied(error: code, seq: seq) == nil) }
        #expect(machine.begin() == false)
        #expect(send(&machine) == [1, 2, 3])
    }

    @Test(arguments: [ClassicError.tokenInvalid, .uidInvalid])
    func aRefusedTokenStartsAgainAfterTheLogin(error: ClassicError) {
        var machine = sending(2, acknowledged: 0)
        #expect(machine.replied(error: error.rawValue, seq: nil) == .tokenRefused(error))
        machine.connectionLost()
        #expect(machine.begin() == true)
        machine.progress(.error(1012))
        #expect(send(&machine) == [1, 2, 3])
    }

    /// The server had the chunks of an earlier try, and took the last one behind the chunk with the old token: it is not sent the whole again.
    @Test func aLastChunkBehindARefusedTokenMayHaveBeenTaken() {
        var machine = sending(3, acknowledged: 0)
        #expect(machine.replied(error: 1010, seq: 1) == .tokenRefused(.tokenInvalid))
        machine.connectionLost()
        _ = machine.begin()
        machine.progress(.at(seq: 3, totalSize: 5000, transSize: 5000))
        #expect(send(&machine) == [3], "with the token, so that it is the icon")
    }

    @Test(arguments: [Int64?.none, 1, 3, 0])
    func anAcknowledgementOfAnotherChunkEndsTheTry(seq: Int64?) {
        var machine = sending(2, acknowledged: 1)
        guard case .refused = machine.replied(error: 0, seq: seq) else {
            Issue.record("it counts as an answer")
            return
        }
        #expect(machine.begin() == false)
        #expect(send(&machine) == [1, 2, 3])
    }

    @Test func whatNobodyAskedIsIgnored() {
        var machine = ClassicUpload(geometry: geometry, everSent: false)
        #expect(machine.replied(error: 0, seq: 1) == nil)
        machine.progress(.at(seq: 1, totalSize: 5000, transSize: 2048))
        _ = machine.begin()
        #expect(machine.replied(error: 0, seq: 1) == nil)
        #expect(machine.transferred == 0)
    }
}

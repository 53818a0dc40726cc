import AvatarCore
import Testing
import TransferMachines

/// Scripts of one picture on its way down: what is asked, what comes, what is to be done.
@Suite struct ClassicDownloadTests {
    private var random = SeededRandom(seed: 1)

    /// Chunk `seq` of a file, as a server without faults sends it.
    private func chunk(_ seq: Int64, of totalSize: Int64 = 5000, by chunkSize: Int64 = 2048) -> ClassicDownload.Reply {
        let start = (seq - 1) * chunkSize
        let end = min(start + chunkSize, totalSize)
        return .chunk(
            seq: seq, totalSize: totalSize, currentSize: end, isLast: end == totalSize,
            data: bytes(Int(end - start), from: start))
    }

    private func geometry(_ totalSize: Int64 = 5000, _ chunkSize: Int64 = 2048) throws -> ChunkGeometry {
        try #require(ChunkGeometry(totalSize: totalSize, chunkSize: chunkSize))
    }

    /// A machine whose first chunk of a file has come.
    private mutating func streaming(totalSize: Int64, chunkSize: Int64) -> ClassicDownload {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 100, now: at(0))
        _ = machine.replied(chunk(1, of: totalSize, by: chunkSize), now: at(0), random: &random)
        return machine
    }

    // MARK: From the first chunk to the last

    @Test mutating func aSmallPictureIsOneQuestionOneAnswerAndACommit() {
        var machine = ClassicDownload(part: nil)
        #expect(machine.ask(budget: 100, now: at(0)) == [1])
        #expect(machine.ask(budget: 100, now: at(1)) == [])
        #expect(
            machine.replied(chunk(1, of: 900), now: at(2), random: &random) == [
                .begin(totalSize: 900, chunkSize: 900), .append(offset: 0, bytes: bytes(900)),
            ])
        #expect(machine.ask(budget: 100, now: at(3)) == [])
        #expect(machine.wrote(through: 900) == [.commit(totalSize: 900)])
        #expect(machine.isQuiet)
    }

    @Test mutating func theFirstChunkGoesAloneAndTellsTheChunkSizeForTheOthers() {
        var machine = ClassicDownload(part: nil)
        #expect(machine.ask(budget: 100, now: at(0)) == [1])
        _ = machine.replied(chunk(1, of: 5000, by: 1024), now: at(1), random: &random)
        #expect(machine.totalSize == 5000)
        #expect(machine.ask(budget: 100, now: at(1)) == [2, 3, 4, 5])
        #expect(
            machine.replied(chunk(5, of: 5000, by: 1024), now: at(2), random: &random) == [],
            "chunk 5 for chunk 2 is out of order, and starts over")
    }

    @Test mutating func onlyChunksThatExistAreAskedFor() {
        var machine = streaming(totalSize: 5000, chunkSize: 2048)
        #expect(machine.ask(budget: 100, now: at(0)) == [2, 3])
        #expect(
            machine.replied(chunk(2), now: at(0), random: &random) == [
                .append(offset: 2048, bytes: bytes(2048, from: 2048))
            ])
        #expect(
            machine.replied(chunk(3), now: at(0), random: &random) == [
                .append(offset: 4096, bytes: bytes(904, from: 4096))
            ])
        #expect(machine.ask(budget: 100, now: at(0)) == [])
    }

    @Test mutating func theWindowMovesOnWithEachReply() {
        var machine = streaming(totalSize: 1_000_000, chunkSize: 2048)
        #expect(machine.ask(budget: 32, now: at(0)) == (2...33).map { $0 })
        #expect(machine.inFlight == 32)
        _ = machine.replied(chunk(2, of: 1_000_000), now: at(1), random: &random)
        #expect(machine.ask(budget: 1, now: at(1)) == [34])
    }

    @Test mutating func theBudgetOfTheConnectionIsKept() {
        var machine = ClassicDownload(part: nil)
        #expect(machine.ask(budget: 0, now: at(0)) == [])
        #expect(machine.ask(budget: 1, now: at(0)) == [1])
        _ = machine.replied(chunk(1, of: 1_000_000), now: at(0), random: &random)
        #expect(machine.ask(budget: 3, now: at(0)) == [2, 3, 4])
    }

    @Test mutating func whatTheDiskHasNotTakenHoldsBackNewQuestions() {
        let chunkSize: Int64 = 1024 * 1024
        let total = Limits.Picture.downloadBytesMax
        var machine = streaming(totalSize: total, chunkSize: chunkSize)
        let mostChunks = Limits.Download.unwrittenBytesMax / chunkSize
        #expect(machine.ask(budget: 1000, now: at(0)) == (2...mostChunks).map { $0 })
        for seq in 2...mostChunks {
            _ = machine.replied(chunk(seq, of: total, by: chunkSize), now: at(0), random: &random)
        }
        #expect(machine.ask(budget: 1000, now: at(0)) == [], "8 MiB have come and none is written")
        _ = machine.wrote(through: chunkSize)
        #expect(machine.ask(budget: 1000, now: at(0)) == [mostChunks + 1])
    }

    @Test mutating func theCommitWaitsForTheLastWrite() {
        var machine = streaming(totalSize: 5000, chunkSize: 2048)
        _ = machine.ask(budget: 100, now: at(0))
        _ = machine.replied(chunk(2), now: at(0), random: &random)
        _ = machine.replied(chunk(3), now: at(0), random: &random)
        #expect(machine.wrote(through: 2048) == [])
        #expect(machine.wrote(through: 4096) == [])
        #expect(machine.wrote(through: 5000) == [.commit(totalSize: 5000)])
        #expect(machine.wrote(through: 5000) == [], "and is asked for once")
    }

    // MARK: Errors

    @Test(arguments: [
        (1001, AbsenceReason.serverError), (1012, .absent), (1013, .serverError), (1014, .serverError),
        (1015, .forbidden), (1016, .forbidden), (1019, .serverError), (1, .serverError), (-7, .serverError),
        (9999, .serverError),
    ])
    mutating func anErrorCodeEndsIt(code: Int, reason: AbsenceReason) {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        let actions = machine.replied(.error(code), now: at(0), random: &random)
        guard case .failed(reason, _) = actions.first, actions.count == 1 else {
            Issue.record("\(code) gave \(actions)")
            return
        }
        #expect(machine.ask(budget: 1, now: at(.seconds(60))) == [])
    }

    @Test(arguments: [ClassicError.tokenInvalid, .uidInvalid])
    mutating func aRefusedTokenIsNotTheFilesFault(error: ClassicError) {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        #expect(machine.replied(.error(error.rawValue), now: at(0), random: &random) == [.tokenRefused(error)])
    }

    @Test(arguments: [ClassicError.seqInvalid, .progressLost])
    mutating func aServerThatLostItsPlaceIsAskedFromTheStart(error: ClassicError) {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        #expect(machine.replied(.error(error.rawValue), now: at(0), random: &random) == [])
        #expect(machine.restarts == 1)
        #expect(machine.ask(budget: 1, now: at(.seconds(1))) == [1])
    }

    /// docs/protocol.md, "At the last chunk": the upload of an empty file is accepted, and its download is answered 1018.
    @Test mutating func anEmptyFileIsNoPicture() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        #expect(
            machine.replied(.error(1018), now: at(0), random: &random) == [
                .failed(.corrupt, detail: "the file is empty on the server")
            ])
    }

    @Test mutating func anOffsetOutsideALaterChunkStartsOver() {
        var machine = streaming(totalSize: 5000, chunkSize: 2048)
        _ = machine.ask(budget: 1, now: at(0))
        #expect(machine.replied(.error(1018), now: at(0), random: &random) == [])
        #expect(machine.restarts == 1)
    }

    @Test mutating func dataThatIsNoneEndsIt() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        #expect(
            machine.replied(.garbled("no base64"), now: at(0), random: &random) == [
                .failed(.corrupt, detail: "no base64")
            ])
    }

    @Test mutating func aPictureLargerThanThisMachineTakesIsRefused() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        let actions = machine.replied(
            chunk(1, of: Limits.Picture.downloadBytesMax + 1), now: at(0), random: &random)
        guard case .failed(.tooLarge, _) = actions.first else {
            Issue.record("\(actions)")
            return
        }
    }

    @Test mutating func theLargestPictureIsTaken() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        let actions = machine.replied(chunk(1, of: Limits.Picture.downloadBytesMax), now: at(0), random: &random)
        #expect(actions.first == .begin(totalSize: Limits.Picture.downloadBytesMax, chunkSize: 2048))
    }

    /// (seq, total size, current size, is last, bytes): none of them can be the first chunk of a file.
    @Test(arguments: [
        (Int64(1), Int64(5000), Int64(0), false, 0), (1, 0, 0, true, 0), (1, -1, 10, false, 10), (1, 10, 20, true, 20),
        (1, 5000, 63, false, 63), (1, 5000, 5000, false, 2048), (1, 5000, 2048, true, 2048),
    ])
    mutating func aFirstChunkThatContradictsItselfNeverBegins(
        _ seq: Int64, _ total: Int64, _ current: Int64, _ isLast: Bool, _ count: Int
    ) {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        let actions = machine.replied(
            .chunk(seq: seq, totalSize: total, currentSize: current, isLast: isLast, data: bytes(count)), now: at(0),
            random: &random)
        #expect(!actions.contains { if case .append = $0 { true } else { false } })
    }

    @Test mutating func anAnswerToNothingIsAStray() {
        var machine = ClassicDownload(part: nil)
        #expect(machine.replied(chunk(1), now: at(0), random: &random) == [.stray])
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(1), now: at(0), random: &random)
        #expect(machine.replied(chunk(2), now: at(0), random: &random) == [.stray])
    }

    // MARK: Starting over

    /// What is wrong with chunk 2 of 5000 bytes: each is of another version, or of nothing.
    @Test(arguments: [
        (Int64(3), Int64(5000), Int64(4096), false, 2048), (2, 6000, 4096, false, 2048), (2, 5000, 4095, false, 2048),
        (2, 5000, 4096, true, 2048), (2, 5000, 4096, false, 2047), (2, 5000, 4096, false, 0),
    ])
    mutating func aChunkOfAnotherVersionStartsOver(
        _ seq: Int64, _ total: Int64, _ current: Int64, _ isLast: Bool, _ count: Int
    ) {
        var machine = streaming(totalSize: 5000, chunkSize: 2048)
        _ = machine.ask(budget: 1, now: at(0))
        let reply = ClassicDownload.Reply.chunk(
            seq: seq, totalSize: total, currentSize: current, isLast: isLast, data: bytes(count))
        #expect(machine.replied(reply, now: at(0), random: &random) == [])
        #expect(machine.restarts == 1)
        #expect(machine.transferred == 0)
        #expect(machine.part == nil)
        #expect(machine.ask(budget: 1, now: at(.seconds(1))) == [1])
    }

    @Test mutating func beforeAStartOverTheOldAnswersRunOut() {
        var machine = streaming(totalSize: 1_000_000, chunkSize: 2048)
        #expect(machine.ask(budget: 3, now: at(0)) == [2, 3, 4])
        #expect(machine.replied(.error(1017), now: at(0), random: &random) == [])
        #expect(machine.ask(budget: 3, now: at(.seconds(1))) == [], "two answers are owed")
        #expect(machine.replied(.error(1017), now: at(.seconds(1)), random: &random) == [])
        #expect(machine.replied(chunk(4, of: 1_000_000), now: at(.seconds(1)), random: &random) == [])
        #expect(machine.restarts == 1, "what was asked before counts once")
        #expect(machine.ask(budget: 3, now: at(.seconds(1))) == [1])
    }

    @Test func aStartOverWaitsARandomMomentAndNotLonger() throws {
        var moments: Set<MonotonicTime> = []
        for seed in UInt64(0)..<50 {
            var random = SeededRandom(seed: seed)
            var machine = ClassicDownload(part: nil)
            _ = machine.ask(budget: 1, now: at(1000))
            _ = machine.replied(.error(1020), now: at(1000), random: &random)
            let until = try #require(machine.deadline)
            #expect((at(1000)...at(1000) + Limits.Download.restartJitterMax).contains(until))
            if until > at(1000) {
                #expect(machine.ask(budget: 1, now: MonotonicTime(nanoseconds: until.nanoseconds - 1)) == [])
            }
            #expect(machine.ask(budget: 1, now: until) == [1])
            moments.insert(until)
        }
        #expect(moments.count > 40)
    }

    /// Starts over `count` times at chunk 1 and gives back the machine, asked for nothing.
    private mutating func startedOver(_ count: Int) -> (ClassicDownload, MonotonicTime) {
        var machine = ClassicDownload(part: nil)
        var now = at(0)
        for _ in 0..<count {
            _ = machine.ask(budget: 1, now: now)
            _ = machine.replied(.error(1017), now: now, random: &random)
            now = now + .seconds(1)
        }
        return (machine, now)
    }

    @Test mutating func afterAFewStartsOverTheWindowIsOne() {
        for count in 0...Limits.Download.windowedRestartsMax + 1 {
            var (machine, now) = startedOver(count)
            #expect(machine.ask(budget: 100, now: now) == [1])
            _ = machine.replied(chunk(1, of: 1_000_000), now: now, random: &random)
            let asked = machine.ask(budget: 100, now: now).count
            #expect(asked == (count > Limits.Download.windowedRestartsMax ? 1 : 100))
        }
    }

    @Test mutating func tooManyStartsOverAreAServerError() {
        var (machine, now) = startedOver(Limits.Download.restartsMax)
        _ = machine.ask(budget: 1, now: now)
        let actions = machine.replied(.error(1017), now: now, random: &random)
        guard case .failed(.serverError, _) = actions.first else {
            Issue.record("\(actions)")
            return
        }
    }
}

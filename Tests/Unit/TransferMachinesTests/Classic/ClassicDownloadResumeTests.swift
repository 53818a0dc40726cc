import AvatarCore
import Testing
import TransferMachines

/// Scripts of a download that goes on: from a part, after a cut, after a silence, after a stop.
@Suite struct ClassicDownloadResumeTests {
    private var random = SeededRandom(seed: 2)

    private func part(held: Int64, begun: MonotonicTime = .zero) -> Part {
        Part(plan: PartPlan(totalSize: 10_000, chunkSize: 2048), held: held, begun: begun)
    }

    private func chunk(_ seq: Int64, totalSize: Int64 = 10_000) -> ClassicDownload.Reply {
        let start = (seq - 1) * 2048
        let end = min(start + 2048, totalSize)
        return .chunk(
            seq: seq, totalSize: totalSize, currentSize: end, isLast: end == totalSize,
            data: bytes(Int(end - start), from: start))
    }

    // MARK: Parts

    /// (bytes held, the chunk asked for first)
    @Test(arguments: [
        (Int64(0), Int64(1)), (1, 1), (2047, 1), (2048, 2), (2049, 2), (4096, 3), (8192, 5), (9999, 5), (10_000, 5),
        (20_000, 5),
    ])
    mutating func aPartGoesOnAfterItsWholeChunks(held: Int64, first: Int64) {
        var machine = ClassicDownload(part: part(held: held))
        #expect(machine.ask(budget: 100, now: at(0)) == [first])
        #expect(machine.transferred == (first - 1) * 2048)
    }

    @Test mutating func theFirstQuestionAfterAPartGoesAloneThenTheWindowOpens() {
        var machine = ClassicDownload(part: part(held: 4096))
        #expect(machine.ask(budget: 100, now: at(0)) == [3])
        #expect(
            machine.replied(chunk(3), now: at(0), random: &random) == [
                .append(offset: 4096, bytes: bytes(2048, from: 4096))
            ])
        #expect(machine.ask(budget: 100, now: at(0)) == [4, 5])
    }

    @Test mutating func aPartThatIsAllThereIsProvenByItsLastChunk() {
        var machine = ClassicDownload(part: part(held: 10_000))
        #expect(machine.ask(budget: 100, now: at(0)) == [5])
        #expect(
            machine.replied(chunk(5), now: at(0), random: &random) == [
                .append(offset: 8192, bytes: bytes(1808, from: 8192))
            ])
        #expect(machine.wrote(through: 10_000) == [.commit(totalSize: 10_000)])
    }

    @Test mutating func aPartOfOneChunkIsFetchedAgain() {
        let small = PartPlan(totalSize: 900, chunkSize: 900)
        var machine = ClassicDownload(part: .init(plan: small, held: 900, begun: .zero))
        #expect(machine.ask(budget: 100, now: at(0)) == [1])
    }

    /// Begun another way, in which there are no chunks.
    @Test mutating func aPartWithoutChunksIsFetchedAgain() {
        let whole = PartPlan(totalSize: 10_000, chunkSize: nil)
        var machine = ClassicDownload(part: .init(plan: whole, held: 4096, begun: .zero))
        #expect(machine.ask(budget: 100, now: at(0)) == [1])
        #expect(machine.transferred == 0)
    }

    @Test mutating func aPartWhoseSizeChangedStartsAgain() {
        var machine = ClassicDownload(part: part(held: 4096))
        _ = machine.ask(budget: 100, now: at(0))
        #expect(machine.replied(chunk(3, totalSize: 12_000), now: at(0), random: &random) == [])
        #expect(machine.ask(budget: 100, now: at(.seconds(1))) == [1])
        #expect(
            machine.replied(chunk(1, totalSize: 12_000), now: at(.seconds(1)), random: &random).first
                == .begin(totalSize: 12_000, chunkSize: 2048))
    }

    /// The seed forgets a transfer after 3600 s; a picture may have changed under the same size.
    @Test(arguments: zip([Duration.zero, .seconds(3600), .seconds(3600) + .milliseconds(1)], [Int64(3), 3, 1]))
    mutating func aPartIsGoneOnWithForAnHour(age: Duration, first: Int64) {
        var machine = ClassicDownload(part: part(held: 4096, begun: at(500)))
        #expect(machine.ask(budget: 100, now: at(500) + age) == [first])
    }

    @Test mutating func whatIsWrittenIsThePartToGoOnFrom() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(7))
        _ = machine.replied(chunk(1), now: at(8), random: &random)
        #expect(machine.part == nil, "nothing is on the disk yet")
        _ = machine.wrote(through: 2048)
        #expect(machine.part == part(held: 2048, begun: at(8)))
    }

    // MARK: The connection goes

    @Test mutating func aCutBeforeTheFirstAnswerAsksItAgain() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        machine.connectionLost()
        #expect(machine.isQuiet)
        #expect(machine.deadline == nil)
        #expect(machine.ask(budget: 100, now: at(1)) == [1])
    }

    @Test mutating func aCutInTheWindowGoesOnAfterWhatCameAloneAtFirst() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(1), now: at(0), random: &random)
        #expect(machine.ask(budget: 100, now: at(0)) == [2, 3, 4, 5])
        _ = machine.replied(chunk(2), now: at(0), random: &random)
        machine.connectionLost()
        #expect(machine.ask(budget: 100, now: at(1)) == [3], "alone, whatever the window was")
        _ = machine.replied(chunk(3), now: at(1), random: &random)
        #expect(machine.ask(budget: 100, now: at(1)) == [4, 5])
    }

    /// The seed's server counts what it sent, not what arrived.
    @Test mutating func aServerThatIsAheadAfterACutIsAskedFromTheStart() {
        var machine = ClassicDownload(part: part(held: 4096))
        _ = machine.ask(budget: 1, now: at(0))
        machine.connectionLost()
        #expect(machine.ask(budget: 1, now: at(1)) == [3])
        #expect(machine.replied(.error(1017), now: at(1), random: &random) == [])
        #expect(machine.ask(budget: 1, now: at(.seconds(1))) == [1])
    }

    @Test mutating func aCutWhileItPausesKeepsThePause() throws {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(.error(1020), now: at(0), random: &random)
        let until = try #require(machine.deadline)
        machine.connectionLost()
        #expect(machine.deadline == until)
        #expect(machine.ask(budget: 1, now: until) == [1])
    }

    @Test mutating func aCutWhileOldAnswersRunOutEndsTheWaitForThem() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(1), now: at(0), random: &random)
        _ = machine.ask(budget: 100, now: at(0))
        _ = machine.replied(.error(1017), now: at(0), random: &random)
        machine.connectionLost()
        #expect(machine.ask(budget: 100, now: at(.seconds(1))) == [1])
    }

    @Test mutating func aCutAfterTheLastByteChangesNothing() {
        var machine = ClassicDownload(part: part(held: 8192))
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(5), now: at(0), random: &random)
        machine.connectionLost()
        #expect(machine.ask(budget: 1, now: at(1)) == [])
        #expect(machine.wrote(through: 10_000) == [.commit(totalSize: 10_000)])
    }

    // MARK: Silence and stop

    @Test mutating func aServerIsSilentWhenTheOldestAnswerIsOwedForTooLong() {
        var machine = ClassicDownload(part: nil)
        #expect(machine.deadline == nil)
        _ = machine.ask(budget: 1, now: at(5))
        #expect(machine.deadline == at(5) + Limits.Connection.replyTimeout)
        #expect(!machine.isSilent(now: at(.seconds(20))))
        #expect(machine.isSilent(now: at(5) + Limits.Connection.replyTimeout))
        _ = machine.replied(chunk(1), now: at(.seconds(3)), random: &random)
        #expect(machine.deadline == nil, "nothing is owed")
    }

    @Test mutating func eachAnswerBuysTheNextOneItsTime() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(1), now: at(0), random: &random)
        _ = machine.ask(budget: 2, now: at(0))
        _ = machine.replied(chunk(2), now: at(.seconds(15)), random: &random)
        #expect(machine.deadline == at(.seconds(15)) + Limits.Connection.replyTimeout)
    }

    @Test mutating func aStoppedDownloadDrainsAndKeepsItsPart() {
        var machine = ClassicDownload(part: part(held: 4096))
        _ = machine.ask(budget: 1, now: at(0))
        _ = machine.replied(chunk(3), now: at(0), random: &random)
        _ = machine.wrote(through: 6144)
        #expect(machine.ask(budget: 100, now: at(0)) == [4, 5])
        machine.stop()
        #expect(machine.part == part(held: 6144))
        #expect(!machine.isQuiet)
        #expect(machine.replied(chunk(4), now: at(0), random: &random) == [], "what was asked before is dropped")
        #expect(machine.replied(.error(1010), now: at(0), random: &random) == [], "errors too")
        #expect(machine.isQuiet)
        #expect(machine.ask(budget: 100, now: at(.seconds(9))) == [])
    }

    @Test mutating func aStoppedDownloadStillNoticesASilentServer() {
        var machine = ClassicDownload(part: nil)
        _ = machine.ask(budget: 1, now: at(0))
        machine.stop()
        #expect(machine.isSilent(now: at(.seconds(20))))
    }
}

import AvatarCore
import Testing

@testable import TransferMachines

/// Scripts of the crops that wait: which goes, which is replaced, which is set aside.
@Suite struct UploadQueueTests {
    private var random = SeededRandom(seed: 3)

    private func line(_ crops: Crop...) -> UploadQueue {
        var line = UploadQueue()
        for crop in crops { line.add(crop) }
        return line
    }

    private func reads(_ crop: Crop, _ seq: Int64 = 1) -> UploadEvent {
        .needs(crop, (seq - 1) * 2048..<crop.size)
    }

    /// Has the one chunk of the crop at the head read, and sends it.
    private func send(_ crop: Crop, in line: inout UploadQueue, now: MonotonicTime = at(0)) {
        _ = line.pump(now: now)
        line.read(crop.id, at: 0, bytes: bytes(Int(crop.size)))
        let sent = line.pump(now: now).contains { event in
            if case .send(.upload(crop, _)) = event { true } else { false }
        }
        #expect(sent, "\(crop.name)")
    }

    private func acknowledge(_ crop: Crop, in line: inout UploadQueue) -> [UploadEvent] {
        line.replied(UploadReply(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: 1), now: at(0))
    }

    /// Sends the one chunk of the crop at the head, which the server takes and the catalog notes.
    private func upload(_ crop: Crop, in line: inout UploadQueue) {
        send(crop, in: &line)
        #expect(acknowledge(crop, in: &line) == [.answered(crop), .uploaded(crop)])
        line.uploaded(crop)
        #expect(line.takeUnnoted() == [crop.id])
        line.noted(crop.id)
    }

    @Test func cropsGoInTheOrderInWhichTheyWereClosed() {
        let first = crop(1, "a.png", size: 100)
        let second = crop(2, "b.png", size: 100)
        let third = crop(3, "c.png", size: 100)
        var line = line(second, third, first)
        upload(first, in: &line)
        upload(second, in: &line)
        upload(third, in: &line)
        #expect(line.count == 0)
        #expect(line.pump(now: at(0)) == [])
    }

    /// Neither a new connection nor a new crop ends the pause that the server asked for; a person does.
    @Test func aServerThatWantsToBeLeftAloneIs() {
        let first = crop(1, "a.png", size: 100)
        var (line, random) = (line(first), random)
        let refusal = UploadRefusal(cause: .server, detail: "not now", retryAfter: .seconds(40))
        for _ in 0..<Limits.Upload.refusalsTold { _ = line.refused(first.id, refusal, now: at(0), random: &random) }
        #expect(line.deadline == at(.seconds(40)))
        line.connected(now: at(.seconds(10)))
        line.add(crop(2, "b.png", size: 100))
        #expect(line.pump(now: at(.seconds(39))) == [])
        line.hurry()
        #expect(line.pump(now: at(.seconds(39))) != [])
    }

    @Test func aCropThatIsAddedTwiceGoesOnce() {
        let only = crop(1, "a.png", size: 100)
        var line = line(only, only)
        #expect(line.count == 1)
        upload(only, in: &line)
        line.add(only)
        #expect(line.count == 0, "it is on its way into the cache")
    }

    @Test func aNewCropOfTheSameNameReplacesTheWaitingOne() {
        let other = crop(1, "a.png", size: 100)
        let old = crop(2, "b.png", size: 100)
        let new = crop(3, "b.png", size: 200)
        var line = line(other, old, new)
        #expect(line.count == 2)
        #expect(line.pending(old.name)?.crop == new)
        upload(other, in: &line)
        upload(new, in: &line)
    }

    @Test func whileACropThatWasReplacedIsOwedAnAnswerNothingIsSent() {
        let old = crop(1, "a.png", size: 100)
        var line = line(old)
        _ = line.pump(now: at(0))
        line.read(old.id, at: 0, bytes: bytes(100))
        _ = line.pump(now: at(0))
        let new = crop(2, "a.png", size: 200)
        line.add(new)
        #expect(line.pump(now: at(1)) == [])
        #expect(
            line.replied(UploadReply(error: 0, name: "a.png", md5: old.md5.hex, seq: 1), now: at(0)) == [],
            "the old crop's")
        #expect(line.pump(now: at(2)) == [reads(new)])
    }

    @Test func anOwedAnswerThatNeverComesIsSilence() {
        let old = crop(1, "a.png", size: 100)
        var line = line(old)
        _ = line.pump(now: at(0))
        line.read(old.id, at: 0, bytes: bytes(100))
        _ = line.pump(now: at(0))
        line.remove(old.id)
        #expect(line.deadline == at(.seconds(20)))
        #expect(!line.isSilent(now: at(.seconds(19))))
        #expect(line.isSilent(now: at(.seconds(20))))
        line.connectionLost()
        #expect(line.deadline == .never)
    }

    private let full = UploadRefusal(code: 1015, reason: .noRoom)
    private let tooLarge = UploadRefusal(code: 1015, reason: .tooLarge)

    /// For ever, if it must be: trouble of the server passes.
    @Test mutating func aRefusedCropIsTriedAgainAfterWaitsThatGrow() {
        let only = crop(1, "a.png", size: 100)
        var line = line(only)
        var now = at(0)
        for attempt in 1...50 {
            #expect(line.pump(now: now) == [reads(only)])
            #expect(!line.refused(only.id, full, now: now, random: &random))
            #expect(!line.hasWork)
            #expect(line.pump(now: now) == [])
            let ceiling = min(Duration.seconds(1 << min(attempt - 1, 30)), Limits.Upload.backoffMax)
            let wait = line.deadline - now
            #expect(wait >= ceiling / 2 && wait <= ceiling)
            line.connectionLost()
            now = now + wait
        }
    }

    @Test mutating func aCropThatIsSetAsideMakesWayForTheNext() {
        let refused = crop(1, "a.png", size: 100)
        let next = crop(2, "b.png", size: 100)
        var line = line(refused, next)
        #expect(line.pump(now: at(0)) == [reads(refused), reads(next)])
        for attempt in 1...Limits.Upload.refusalsMax {
            #expect(
                line.refused(refused.id, tooLarge, now: at(0), random: &random)
                    == (attempt == Limits.Upload.refusalsMax))
        }
        line.remove(refused.id)
        #expect(line.hasWork)
        upload(next, in: &line)
    }

    /// Has the crop's one chunk refused, and waits for the pause to end.
    private mutating func refuse(_ crop: Crop, in line: inout UploadQueue, _ now: inout MonotonicTime) {
        send(crop, in: &line, now: now)
        let reply = UploadReply(error: 1015, name: crop.name.exact, md5: nil, seq: nil, reason: .noRoom)
        #expect(line.replied(reply, now: now) == [.answered(crop), .refused(crop, full)])
        _ = line.refused(crop.id, full, now: now, random: &random)
        now = now + Limits.Upload.backoffMax
    }

    /// The last crop is the avatar that the person wants: it does not wait for ever behind one that the server has no room for.
    @Test mutating func aCropThatIsRefusedAgainAndAgainTakesTurnsWithTheLast() {
        let (large, middle, last) = (
            crop(1, "a.png", size: 2000), crop(2, "b.png", size: 200), crop(3, "c.png", size: 100)
        )
        var line = line(large, middle, last)
        var now = at(0)
        for _ in 0..<Limits.Upload.refusalsTold { refuse(large, in: &line, &now) }
        refuse(last, in: &line, &now)
        refuse(large, in: &line, &now)
        #expect(line.pump(now: now) == [reads(last)])
        send(last, in: &line, now: now)
        #expect(acknowledge(last, in: &line) == [.answered(last), .uploaded(last)])
        #expect(line.uploaded(last) == [large, middle], "sent now they would become the icon")
        line.noted(last.id)
        #expect(line.count == 0)
        #expect(line.pump(now: now) == [])
    }

    @Test mutating func aNewCropNeedNotWaitForOneThatTheServerKeepsRefusing() {
        let (large, small) = (crop(1, "a.png", size: 2000), crop(2, "b.png", size: 100))
        var line = line(large)
        var now = at(0)
        for _ in 0..<Limits.Upload.refusalsTold { refuse(large, in: &line, &now) }
        let before = now + (.zero - Limits.Upload.backoffMax)
        line.add(small)
        #expect(line.pump(now: before) == [reads(small)], "at once")
    }

    @Test mutating func aPauseAfterARefusalEndsWhenAPersonAsksOrAConnectionComesLater() {
        let only = crop(1, "a.png", size: 100)
        var line = line(only)
        _ = line.pump(now: at(0))
        for _ in 0..<20 { _ = line.refused(only.id, full, now: at(0), random: &random) }
        #expect(!line.hasWork)
        line.connected(now: at(.seconds(1)))
        #expect(!line.hasWork, "a server may refuse and hang up each time")
        line.connected(now: at(Limits.Upload.retryOnConnectAfter))
        #expect(line.hasWork)
        _ = line.refused(only.id, full, now: at(.seconds(9)), random: &random)
        line.hurry()
        #expect(line.hasWork)
    }

    // MARK: Hang-ups

    /// What accepts and resets without an answer is a server that is away, however long.
    @Test func aHangUpWithoutAnyAnswerIsNotTheCrops() {
        let only = crop(1, "a.png", size: 5000)
        var line = line(only)
        for _ in 0..<100 { line.hungUp(wasAlone: true, hasAnswered: false) }
        #expect(line.hangUps == 1, "others go first")
        for _ in 1..<Limits.Connection.hangUpsMax { line.hungUp(wasAlone: true, hasAnswered: true) }
        #expect(line.hangUps == Limits.Connection.hangUpsMax)
    }

    @Test func anotherCropsAnswerIsAStray() {
        let only = crop(1, "a.png", size: 100)
        var line = line(only)
        #expect(
            line.replied(UploadReply(error: 0, name: "a.png", md5: nil, seq: 1), now: at(0)) == [
                .stray("an upload of a.png")
            ])
        _ = line.pump(now: at(0))
        line.read(only.id, at: 0, bytes: bytes(100))
        _ = line.pump(now: at(0))
        #expect(
            line.replied(UploadReply(error: 0, name: "b.png", md5: nil, seq: 1), now: at(0)) == [
                .stray("an upload of b.png")
            ])
        #expect(
            line.replied(UploadReply(error: 0, name: "a.png", md5: crop(9, "a.png").md5.hex, seq: 1), now: at(0))
                == [.stray("an upload of a.png")])
        #expect(
            line.replied(UploadReply(error: 0, name: nil, md5: only.md5.hex.uppercased(), seq: 1), now: at(0)) == [
                .answered(only), .uploaded(only),
            ])
    }

    @Test func anotherNamesProgressCountsAsNone() {
        let only = crop(1, "a.png", size: 5000, everSent: true)
        var line = line(only)
        #expect(line.pump(now: at(0)) == [.send(.askProgress(only))])
        #expect(line.progress(name: "b.png", .at(seq: 2, totalSize: 5000, transSize: 4096), now: at(0)) == [])
        #expect(line.pump(now: at(0)) == [reads(only)])
    }

    @Test func bytesOfACropThatIsNotAtTheHeadAreDropped() {
        let only = crop(1, "a.png", size: 100)
        var line = line(only)
        _ = line.pump(now: at(0))
        line.read(CropID(2), at: 0, bytes: bytes(100))
        #expect(line.pump(now: at(0)) == [])
    }

    @Test func forAnotherAccountTheQueueBeginsAnew() {
        let only = crop(1, "a.png", size: 5000)
        var line = line(only)
        _ = line.pump(now: at(0))
        line.read(only.id, at: 0, bytes: bytes(2048))
        _ = line.pump(now: at(0))
        #expect(line.removeAll() == [only.name])
        #expect(line.pump(now: at(0)) == [], "none of the crops is that account's")
        #expect(line.isQuiet && line.count == 0)
        line.add(only)
        line.take(.classic(uploadChunkBytes: 1024))
        #expect(line.pump(now: at(0)) == [.needs(only, 0..<5000)])
    }

    // MARK: Several crops under way

    private let order = UploadReply(error: 0, name: "nobody.png", md5: nil, seq: nil, setsIconsInOrder: true)

    /// A queue whose crops have each their one chunk in flight, to a server that sets icons in order.
    private func allSent(_ crops: Crop...) -> UploadQueue {
        var line = UploadQueue()
        _ = line.replied(order, now: at(0))
        for crop in crops { line.add(crop) }
        for crop in crops { send(crop, in: &line) }
        return line
    }

    /// A server that refuses one takes the next all the same; as the icon it would then come too early.
    @Test mutating func aCropThatWasTakenOverAnEarlierOneIsSaidAgainBehindIt() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var line = allSent(first, second)
        let refusal = UploadReply(error: 1013, name: "a.png", md5: nil, seq: 1)
        #expect(line.replied(refusal, now: at(0)) == [.answered(first), .refused(first, UploadRefusal(code: 1013))])
        _ = line.refused(first.id, UploadRefusal(code: 1013), now: at(0), random: &random)
        #expect(acknowledge(second, in: &line) == [.answered(second)], "not done")
        line.hurry()
        #expect(
            line.pump(now: at(0)) == [reads(first), .send(.askProgress(second.sentBefore))])
        upload(first, in: &line)
        _ = line.progress(name: "b.png", .at(seq: 1, totalSize: 100, transSize: 100), now: at(0))
        upload(second.sentBefore, in: &line)
        #expect(line.count == 0)
    }

    /// It may be the quota that the one before takes up: what it means is seen when its turn comes.
    @Test func aRefusalOfACropBehindTheFirstCountsForNothing() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var line = allSent(first, second)
        let refusal = UploadReply(error: 1015, name: "b.png", md5: nil, seq: 1, reason: .tooLarge)
        #expect(line.replied(refusal, now: at(0)) == [.answered(second)])
        #expect(line.hasWork)
        #expect(line.pump(now: at(0)) == [], "alone until it is done")
        #expect(acknowledge(first, in: &line) == [.answered(first), .uploaded(first)])
        line.uploaded(first)
        #expect(line.pump(now: at(0)) == [reads(second)])
    }

    @Test func afterACutTheFirstCropGoesAloneUntilTheServerHasIt() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var line = allSent(first, second)
        line.connectionLost()
        #expect(line.pump(now: at(0)) == [.send(.askProgress(first))])
        _ = line.progress(name: "a.png", .error(1012), now: at(0))
        send(first, in: &line)
        #expect(acknowledge(first, in: &line) == [.answered(first), .uploaded(first)])
        line.uploaded(first)
        #expect(line.pump(now: at(0)) == [.send(.askProgress(second.sentBefore))])
    }

    @Test func aCropThatWasClosedBeforeThoseUnderWayBecomesTheIconBeforeThem() {
        let (first, second) = (crop(1, "a.png", size: 100), crop(2, "b.png", size: 100))
        var line = line(second)
        send(second, in: &line)
        line.add(first)
        #expect(line.pump(now: at(0)) == [reads(first)])
        #expect(acknowledge(second, in: &line) == [.answered(second)], "not done")
        #expect(line.pump(now: at(0)) == [.send(.askProgress(second.sentBefore))])
        upload(first, in: &line)
    }

    /// After a crash each crop that is not noted is sent again: a later one must not be noted before.
    @Test func theCatalogNotesCropsTogetherAndInTheirOrder() {
        let crops = (1...3).map { crop($0, "\($0).png", size: 100) }
        var line = allSent(crops[0], crops[1], crops[2])
        for (index, crop) in crops.enumerated() {
            _ = acknowledge(crop, in: &line)
            line.uploaded(crop)
            #expect(line.takeUnnoted() == (index == 0 ? [crop.id] : []), "one note at a time")
        }
        line.noted(crops[0].id)
        #expect(line.takeUnnoted() == [crops[1].id, crops[2].id])
    }

    @Test func cropsThatTheCatalogCannotNoteAreNotTooMany() {
        var line = UploadQueue()
        _ = line.replied(order, now: at(0))
        for id in 1...Int64(Limits.Upload.unnotedMax + 1) { line.add(crop(id, "\(id).png", size: 100)) }
        for id in 1...Int64(Limits.Upload.unnotedMax) {
            let next = crop(id, "\(id).png", size: 100)
            send(next, in: &line)
            _ = acknowledge(next, in: &line)
            line.uploaded(next)
        }
        #expect(!line.hasWork)
        #expect(line.pump(now: at(0)) == [])
        line.noted(CropID(1))
        #expect(line.hasWork)
    }

    // MARK: What is pending under a name

    @Test func thePendingCropOfANameTellsHowFarItIs() {
        let only = crop(1, "a.png", size: 5000)
        var line = line(only)
        #expect(line.pending(only.name)?.transferred == 0)
        _ = line.pump(now: at(0))
        line.read(only.id, at: 0, bytes: bytes(2048))
        _ = line.pump(now: at(0))
        _ = line.replied(UploadReply(error: 0, name: "a.png", md5: nil, seq: 1), now: at(0))
        #expect(line.pending(only.name)?.transferred == 2048)
        #expect(line.pending(name("b.png")) == nil)
    }

    /// Two crops of one name may both be on their way into the cache: the later one is what a label shows.
    @Test func ofTwoCropsOnTheirWayIntoTheCacheTheLaterIsPending() {
        for last in Int64(2)..<40 {
            var line = UploadQueue()
            for id in 1...last {
                let next = crop(id, "a.png", size: 100 + id)
                line.add(next)
                upload(next, in: &line)
            }
            #expect(line.pending(name("a.png"))?.crop.id == CropID(last))
        }
    }

    @Test func cropsThatAreReplacedAgainAndAgainLeaveNothingBehind() {
        var line = UploadQueue()
        for id in Int64(1)...10_000 { line.add(crop(id, "a.png", size: 100)) }
        #expect(line.count == 1)
        #expect(line.placeCount <= 200)
        upload(crop(10_000, "a.png", size: 100), in: &line)
    }

    @Test func aHundredThousandCropsCanWait() {
        var line = UploadQueue()
        for id in 1...Int64(Limits.Upload.queueMax) { line.add(crop(id, "\(id).png", size: 100)) }
        #expect(line.count == Limits.Upload.queueMax)
        for id in stride(from: Int64(1), through: Int64(Limits.Upload.queueMax), by: 2) {
            line.remove(CropID(id))
            #expect(line.pending(name("\(id + 1).png"))?.crop.id == CropID(id + 1))
        }
        #expect(line.count == Limits.Upload.queueMax / 2)
        #expect(line.pump(now: at(0)).first == reads(crop(2, "2.png", size: 100)))
    }
}

extension UploadQueue {
    /// 1032 came.
    fileprivate mutating func replied(_ reply: UploadReply, now: MonotonicTime) -> [UploadEvent] {
        replied(.upload(reply), now: now)
    }

    /// 1006 came.
    @discardableResult
    fileprivate mutating func progress(
        name: ExactString?, _ progress: ClassicUpload.Progress, now: MonotonicTime
    ) -> [UploadEvent] {
        replied(.progress(name: name, progress), now: now)
    }
}

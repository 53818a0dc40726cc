import AvatarCore
import Testing

@testable import TransferMachines

/// Scripts of several crops on one connection: which chunk goes next, and whose an answer is.
@Suite struct ClassicUploadsTests {
    private let first = crop(1, "a.png", size: 5000)
    private let second = crop(2, "b.png", size: 5000)
    private let third = crop(3, "c.png", size: 5000)

    private func uploads(_ crops: Crop..., inOrder: Bool = false) -> ClassicUploads {
        var uploads = ClassicUploads(chunkBytes: 2048)
        for crop in crops { uploads.begin(crop) }
        if inOrder {
            let word = UploadReply(error: 0, name: "nobody.png", md5: nil, seq: nil, setsIconsInOrder: true)
            _ = uploads.replied(word, now: at(0))
        }
        return uploads
    }

    /// Sends whatever may be sent, and reads what is asked for; what was sent, as `a.png 1`.
    private func send(_ uploads: inout ClassicUploads) -> [String] {
        var sent: [String] = []
        while true {
            let events = uploads.goOn(newest: [], now: at(0))
            guard !events.isEmpty else { return sent }
            for event in events {
                switch event {
                case .needs(let crop, let range):
                    uploads.read(crop.id, at: range.lowerBound, bytes: bytes(range.count, from: range.lowerBound))
                case .send(.upload(let crop, let chunk)): sent.append("\(crop.name) \(chunk.seq)")
                case .send(.askProgress(let crop)): sent.append("\(crop.name)?")
                default: Issue.record("\(event)")
                }
            }
        }
    }

    private func reply(
        _ crop: Crop, _ seq: Int64?, error: Int = 0, to uploads: inout ClassicUploads
    ) -> [UploadEvent] {
        uploads.replied(UploadReply(error: error, name: crop.name.exact, md5: crop.md5.hex, seq: seq), now: at(0))
    }

    // MARK: How large

    /// Crops that begin after the server said what it takes go in larger chunks, on this connection.
    @Test(
        arguments: [
            (nil, [1, 2, 3]), (1000, [1, 2, 3]), (4096, [1, 2]), (32 << 10, [1]), (Int64.max, [1]),
        ] as [(Int64?, [Int])])
    func aCropGoesInTheChunksThatTheServerTakes(chunkBytes: Int64?, seqs: [Int]) {
        var uploads = uploads(inOrder: true)
        _ = uploads.replied(
            UploadReply(error: 0, name: "nobody.png", md5: nil, seq: nil, chunkBytes: chunkBytes), now: at(0))
        uploads.begin(first)
        #expect(send(&uploads) == seqs.map { "a.png \($0)" })
    }

    @Test func theNextConnectionSaysAnew() {
        var uploads = uploads(inOrder: true)
        _ = uploads.replied(UploadReply(error: 0, name: "a.png", md5: nil, seq: nil, chunkBytes: 8192), now: at(0))
        uploads.connectionLost()
        uploads.begin(first)
        #expect(send(&uploads) == ["a.png 1"], "and the crop's first chunk goes alone")
    }

    // MARK: Whose turn

    /// The last chunk sets the icon, and the seed's workers run side by side.
    @Test func theLastChunkWaitsUntilTheCropBeforeIsAcknowledged() {
        var uploads = uploads(first, second)
        #expect(send(&uploads) == ["a.png 1"])
        _ = reply(first, 1, to: &uploads)
        #expect(send(&uploads) == ["a.png 2", "b.png 1"])
        _ = reply(second, 1, to: &uploads)
        _ = reply(first, 2, to: &uploads)
        #expect(send(&uploads) == ["a.png 3", "b.png 2"])
        _ = reply(second, 2, to: &uploads)
        #expect(send(&uploads) == [])
        #expect(reply(first, 3, to: &uploads) == [.answered(first), .uploaded(first)])
        uploads.remove(first.id)
        #expect(send(&uploads) == ["b.png 3"])
    }

    /// The seed's server appends what comes behind a chunk that it refused.
    @Test func theFirstChunkAndTheLastGoAloneAndTheOthersInAWindow() {
        let large = crop(1, "a.png", size: 5 * 2048)
        var uploads = uploads(large)
        #expect(send(&uploads) == ["a.png 1"])
        _ = reply(large, 1, to: &uploads)
        #expect(send(&uploads) == ["a.png 2", "a.png 3", "a.png 4"])
        for seq in Int64(2)...3 { _ = reply(large, seq, to: &uploads) }
        #expect(send(&uploads) == [])
        _ = reply(large, 4, to: &uploads)
        #expect(send(&uploads) == ["a.png 5"])
    }

    @Test func aServerThatSetsIconsInOrderIsSentOneLastChunkBehindTheOther() {
        var uploads = uploads(first, second, third, inOrder: true)
        #expect(
            send(&uploads) == ["a", "b", "c"].flatMap { crop in (1...3).map { "\(crop).png \($0)" } })
    }

    /// The word counts for the connection on which it came.
    @Test func onANewConnectionTheServerHasSaidNothing() {
        var uploads = uploads(first, second, inOrder: true)
        uploads.connectionLost()
        #expect(send(&uploads) == ["a.png 1"])
    }

    @Test func aCropThatWasClosedBeforeGoesBefore() {
        var uploads = uploads(second)
        #expect(uploads.takesBeside(first, alone: true))
        uploads.begin(first)
        #expect(uploads.head == first)
    }

    @Test func toAServerOfWhichNothingIsKnownThreeCropsAreUnderWay() {
        let fourth = crop(4, "d.png", size: 5000)
        #expect(!uploads(first).takesBeside(second, alone: true))
        #expect(uploads(first, second).takesBeside(third, alone: false))
        #expect(!uploads(first, second, third).takesBeside(fourth, alone: false))
        #expect(uploads(first, second, third, inOrder: true).takesBeside(fourth, alone: false))
    }

    @Test func whatIsInFlightKeepsToTheWindow() {
        let large = crop(1, "a.png", size: 10 * Limits.Flight.bytes.lowerBound)
        var uploads = uploads(large, inOrder: true)
        #expect(send(&uploads).count == Int(Limits.Flight.bytes.lowerBound / 2048))
        #expect(!uploads.takesBeside(second, alone: false))
        _ = reply(large, 1, to: &uploads)
        #expect(send(&uploads).count == 1)
    }

    @Test func smallChunksKeepToTheBoundOfRequests() {
        var uploads = uploads(inOrder: true)
        uploads.chunkBytes = 64
        uploads.begin(crop(1, "a.png", size: 100_000))
        #expect(send(&uploads).count == Limits.Upload.inFlightMax)
    }

    @Test func cropsBehindTheFirstAreReadAheadWithinABound() {
        var uploads = uploads(inOrder: true)
        for id in 1...Int64(Limits.Upload.activeMax) {
            uploads.begin(crop(id, "\(id).png", size: 4 * Limits.Upload.readBytesMax))
        }
        let asked = uploads.goOn(newest: [], now: at(0)).reduce(Int64(0)) { sum, event in
            if case .needs(_, let range) = event { sum + Int64(range.count) } else { sum }
        }
        #expect(asked == Limits.Upload.readAheadBytesMax)
    }

    // MARK: Whose answer

    /// The seed's workers answer different names as they please.
    @Test func answersToDifferentCropsComeInAnyOrder() {
        var uploads = uploads(first, second, inOrder: true)
        _ = send(&uploads)
        for seq in Int64(1)...2 { #expect(reply(second, seq, to: &uploads) == [.answered(second)]) }
        for seq in Int64(1)...2 { #expect(reply(first, seq, to: &uploads) == [.answered(first)]) }
        #expect(reply(second, 3, to: &uploads) == [.answered(second), .uploaded(second)])
    }

    @Test func anErrorWithoutANameIsTheFirstChunks() {
        var uploads = uploads(first, second)
        _ = send(&uploads)
        _ = reply(first, 1, to: &uploads)
        _ = send(&uploads)
        let events = uploads.replied(UploadReply(error: 1015, name: nil, md5: nil, seq: nil), now: at(0))
        #expect(events == [.answered(second), .refused(second, UploadRefusal(code: 1015))])
    }

    @Test func theProgressOfEachCropIsItsOwn() {
        let (first, second) = (first.sentBefore, second.sentBefore)
        var uploads = uploads(first, second)
        #expect(send(&uploads) == ["a.png?", "b.png?"])
        _ = uploads.progress(name: "b.png", .at(seq: 1, totalSize: 5000, transSize: 2048), now: at(0))
        #expect(send(&uploads) == ["b.png 2"])
        _ = uploads.progress(name: nil, .error(1012), now: at(0))
        #expect(send(&uploads) == ["a.png 1"])
    }

    @Test func nothingIsSentWhileAnswersToACropThatWasGivenUpAreOwed() {
        var uploads = uploads(first, second, inOrder: true)
        _ = send(&uploads)
        uploads.remove(first.id)
        uploads.begin(third)
        for seq in Int64(1)...3 {
            #expect(send(&uploads) == [])
            #expect(reply(second, seq, to: &uploads).first == .answered(second))
            #expect(reply(first, seq, to: &uploads) == [])
        }
        #expect(send(&uploads) == ["c.png 1", "c.png 2", "c.png 3"])
        #expect(reply(first, 3, to: &uploads) == [.stray("an upload of a.png")])
    }

    @Test func aServerThatOwesAnAnswerForTooLongIsSilent() {
        var uploads = uploads(first, inOrder: true)
        #expect(uploads.deadline == .never)
        _ = send(&uploads)
        #expect(uploads.deadline == at(Limits.Connection.replyTimeout))
        _ = uploads.replied(UploadReply(error: 0, name: "a.png", md5: nil, seq: 1), now: at(.seconds(5)))
        #expect(!uploads.isSilent(now: at(.seconds(24))))
        #expect(uploads.isSilent(now: at(.seconds(25))), "an answer is a sign of life")
        uploads.connectionLost()
        #expect(uploads.deadline == .never)
    }
}

extension ClassicUploads {
    /// 1032 came.
    fileprivate mutating func replied(_ reply: UploadReply, now: MonotonicTime) -> [UploadEvent] {
        replied(.upload(reply), now: now)
    }

    /// 1006 came.
    fileprivate mutating func progress(
        name: ExactString?, _ progress: ClassicUpload.Progress, now: MonotonicTime
    ) -> [UploadEvent] {
        replied(.progress(name: name, progress), now: now)
    }
}

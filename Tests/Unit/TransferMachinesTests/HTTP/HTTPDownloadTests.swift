import AvatarCore
import Testing

@testable import TransferMachines

/// One picture on its way down over HTTP: what heads, bytes and ends mean.
@Suite struct HTTPDownloadTests {
    private var random = SeededRandom(seed: 1)
    private let name = try! AvatarName("ada.png")
    private let digest = SHA256Digest(hex: String(repeating: "ab", count: 32))!

    private func head(_ status: Int, length: Int64? = 10, tag: String? = "\"v1\"") -> HTTPReply {
        .head(HTTPHead(status: status, length: length, tag: tag, sha256: digest))
    }

    private func rest(from: Int64, total: Int64 = 10, tag: String? = "\"v1\"", digest: SHA256Digest? = nil) -> HTTPReply
    {
        .head(
            HTTPHead(
                status: 206, length: total - from, range: from..<total, totalSize: total, tag: tag,
                sha256: digest ?? self.digest))
    }

    /// A download that has `count` bytes of ten, and whose connection was lost then.
    private mutating func cut(after count: Int) -> HTTPDownload {
        var download = HTTPDownload(part: nil, known: nil)
        _ = download.ask(name, number: 1, now: at(.seconds(0)))
        _ = download.replied(head(200), now: at(.seconds(0)), random: &random)
        _ = download.replied(.bytes([UInt8](repeating: 1, count: count)), now: at(.seconds(0)), random: &random)
        download.callEnded()
        return download
    }

    @Test(arguments: [(true, Limits.HTTPWay.streamsMax), (false, Limits.HTTPWay.connectionsMax)])
    func requestsGoSideBySideAsFarAsTheConnectionTakesThem(isMultiplexed: Bool, requests: Int) throws {
        var downloads = HTTPDownloads()
        downloads.greeted(HTTPHead(status: 200, isMultiplexed: isMultiplexed))
        var places: [Downloads.Place] = []
        while downloads.takesAnother(places: places.count) {
            let name = try AvatarName("\(places.count).png")
            downloads.begin(name, from: nil, known: nil)
            places.append(Downloads.Place(name: name, priority: .visible, isByAge: false))
        }
        #expect(places.count == requests)
        #expect(downloads.ask(places, now: at(.seconds(0))).count == requests)
    }

    @Test mutating func aWholePictureIsPromisedReceivedAndWritten() {
        var download = HTTPDownload(part: nil, known: nil)
        #expect(download.ask(name, number: 1, now: at(.seconds(0))) == .picture(name, from: 0, tag: nil, known: nil))
        let plan = PartPlan(totalSize: 10, chunkSize: nil, sha256: digest, tag: "\"v1\"")
        #expect(download.replied(head(200), now: at(.seconds(0)), random: &random) == [.began(plan)])
        let bytes = [UInt8](1...10)
        #expect(
            download.replied(.bytes(bytes), now: at(.seconds(0)), random: &random) == [
                .received(offset: 0, bytes: bytes)
            ])
        #expect(download.isReceived)
        #expect(download.replied(.end, now: at(.seconds(0)), random: &random) == [])
        #expect(download.call == nil && !download.wantsToAsk)
        let isWritten = (download.wrote(through: 4), download.wrote(through: 10))
        #expect(isWritten == (false, true))
    }

    @Test mutating func afterACutItGoesOnWhereItWas() {
        var download = cut(after: 4)
        #expect(
            download.ask(name, number: 2, now: at(.seconds(1))) == .picture(name, from: 4, tag: "\"v1\"", known: nil))
        #expect(download.replied(rest(from: 4), now: at(.seconds(1)), random: &random) == [])
        let bytes = [UInt8](repeating: 2, count: 6)
        #expect(
            download.replied(.bytes(bytes), now: at(.seconds(1)), random: &random) == [
                .received(offset: 4, bytes: bytes)
            ])
        #expect(download.isReceived)
    }

    @Test mutating func aPartOfAnEarlierRunIsGoneOnWithByItsTag() {
        let plan = PartPlan(totalSize: 10, chunkSize: nil, sha256: digest, tag: "\"v1\"")
        var download = HTTPDownload(part: Part(plan: plan, held: 7, begun: at(.seconds(0))), known: nil)
        #expect(
            download.ask(name, number: 1, now: at(.seconds(1))) == .picture(name, from: 7, tag: "\"v1\"", known: nil))
        #expect(download.replied(rest(from: 7), now: at(.seconds(1)), random: &random) == [])
    }

    @Test(arguments: [
        PartPlan(totalSize: 10, chunkSize: 2048), PartPlan(totalSize: 10, chunkSize: nil, sha256: nil, tag: nil),
    ])
    func aPartWithoutATagIsNotGoneOnWith(_ plan: PartPlan) {
        var download = HTTPDownload(part: Part(plan: plan, held: 7, begun: at(.seconds(0))), known: nil)
        #expect(download.ask(name, number: 1, now: at(.seconds(1))) == .picture(name, from: 0, tag: nil, known: nil))
    }

    @Test func anOldPartIsNotGoneOnWith() {
        let plan = PartPlan(totalSize: 10, chunkSize: nil, sha256: digest, tag: "\"v1\"")
        var download = HTTPDownload(part: Part(plan: plan, held: 7, begun: .zero), known: nil)
        let late = MonotonicTime.zero + Limits.Download.partAge + .seconds(1)
        #expect(download.ask(name, number: 1, now: late) == .picture(name, from: 0, tag: nil, known: nil))
    }

    /// The answers to a range that are no rest of this version.
    @Test(arguments: [
        HTTPHead(status: 206, length: 6, range: 4..<10, totalSize: 10, tag: "\"v2\""),
        HTTPHead(status: 206, length: 5, range: 5..<10, totalSize: 10, tag: "\"v1\""),
        HTTPHead(status: 206, length: 5, range: 4..<9, totalSize: 9, tag: "\"v1\""),
        HTTPHead(status: 206, length: 2, range: 4..<6, totalSize: 10, tag: "\"v1\""),
        HTTPHead(status: 206, length: 6, totalSize: 10, tag: "\"v1\""),
        HTTPHead(status: 206, length: 6, range: 4..<10, totalSize: 10),
        HTTPHead(status: 416),
    ])
    mutating func bytesOfTwoVersionsNeverMeet(_ answer: HTTPHead) {
        var download = cut(after: 4)
        _ = download.ask(name, number: 2, now: at(.seconds(1)))
        var answer = answer
        answer.sha256 = digest
        #expect(download.replied(.head(answer), now: at(.seconds(1)), random: &random) == [.startedOver(times: 1)])
        #expect(download.wantsToAsk)
        #expect(download.ask(name, number: 3, now: at(.seconds(2))) == .picture(name, from: 0, tag: nil, known: nil))
    }

    @Test mutating func aRestWithAnotherDigestIsAnotherVersion() {
        var download = cut(after: 4)
        _ = download.ask(name, number: 2, now: at(.seconds(1)))
        let other = SHA256Digest(hex: String(repeating: "cd", count: 32))!
        #expect(
            download.replied(rest(from: 4, digest: other), now: at(.seconds(1)), random: &random) == [
                .startedOver(times: 1)
            ])
    }

    @Test mutating func a200ToARangeIsTheWholePictureAnew() {
        var download = cut(after: 4)
        _ = download.ask(name, number: 2, now: at(.seconds(1)))
        let plan = PartPlan(totalSize: 12, chunkSize: nil, sha256: digest, tag: "\"v2\"")
        #expect(
            download.replied(head(200, length: 12, tag: "\"v2\""), now: at(.seconds(1)), random: &random)
                == [.startedOver(times: 1), .began(plan)])
        #expect(
            download.replied(.bytes([1]), now: at(.seconds(1)), random: &random) == [.received(offset: 0, bytes: [1])])
    }

    @Test func whatIsThereIsAskedForByItsDigestAndStaysWhenItIsTheSame() {
        var random = SeededRandom(seed: 1)
        var download = HTTPDownload(part: nil, known: digest)
        #expect(download.ask(name, number: 1, now: at(.seconds(0))) == .picture(name, from: 0, tag: nil, known: digest))
        #expect(
            download.replied(.head(HTTPHead(status: 304)), now: at(.seconds(0)), random: &random) == [.unchanged])
    }

    /// Thousands of pictures may be asked for again at once: a server takes so many resets for an attack.
    @Test(arguments: [304, 404, 503, 200])
    func onlyAResponseWithBytesToComeIsGivenUp(_ status: Int) throws {
        var random = SeededRandom(seed: 1)
        var downloads = HTTPDownloads()
        downloads.begin(name, from: nil, known: digest)
        let place = Downloads.Place(name: name, priority: .visible, isByAge: false)
        let asked = downloads.ask([place], now: at(.seconds(0)))
        guard case .http(let id, _)? = asked.first else { throw Missing() }
        // A whole picture that does not say how large it is.
        let head = HTTPReply.head(HTTPHead(status: status))
        _ = downloads.replied(.http(id, head), places: [place], now: at(.seconds(0)), random: &random)
        #expect(downloads.takeCancelled() == (status == 200 ? [.cancel(id)] : []))
    }

    private struct Missing: Error {}

    /// Heads that end a download, and why.
    @Test(arguments: [
        (HTTPHead(status: 304), AbsenceReason.serverError), (HTTPHead(status: 404), .absent),
        (HTTPHead(status: 410), .absent), (HTTPHead(status: 403), .forbidden), (HTTPHead(status: 500), .serverError),
        (HTTPHead(status: 302), .serverError), (HTTPHead(status: 206, range: 0..<10, totalSize: 10), .serverError),
        (HTTPHead(status: 200), .serverError), (HTTPHead(status: 200, length: 0), .corrupt),
        (HTTPHead(status: 200, length: Limits.Picture.downloadBytesMax + 1), .tooLarge),
        (HTTPHead(status: 200, length: 10, isEncoded: true), .serverError), (HTTPHead(status: 100), .serverError),
    ])
    func whatIsNotToBeHad(_ answer: HTTPHead, _ reason: AbsenceReason) {
        var random = SeededRandom(seed: 1)
        var download = HTTPDownload(part: nil, known: nil)
        _ = download.ask(name, number: 1, now: at(.seconds(0)))
        guard case .failed(reason, _)? = download.replied(.head(answer), now: at(.seconds(0)), random: &random).first
        else {
            Issue.record("\(answer.status)")
            return
        }
        #expect(!download.wantsToAsk)
    }

    @Test mutating func a401IsTheLoginsFault() {
        var download = HTTPDownload(part: nil, known: nil)
        _ = download.ask(name, number: 1, now: at(.seconds(0)))
        guard
            case .loginRefused(let refusal)? = download.replied(
                .head(HTTPHead(status: 401)), now: at(.seconds(0)), random: &random
            ).first
        else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.code == 401)
    }

    @Test mutating func moreBytesThanPromisedAreAFault() {
        var download = HTTPDownload(part: nil, known: nil)
        _ = download.ask(name, number: 1, now: at(.seconds(0)))
        _ = download.replied(head(200), now: at(.seconds(0)), random: &random)
        guard
            case .failed(.corrupt, _)? = download.replied(
                .bytes([UInt8](repeating: 1, count: 11)), now: at(.seconds(0)), random: &random
            ).first
        else {
            Issue.record("taken")
            return
        }
    }

    @Test mutating func aResponseThatEndsTooEarlyIsGoneOnWithButNotForEver() {
        var download = HTTPDownload(part: nil, known: nil)
        var number = 0
        var events: [DownloadEvent] = []
        while download.wantsToAsk, number < 100 {
            number += 1
            let call = download.ask(name, number: number, now: at(.seconds(number)))
            if case .picture(_, 0, _, _) = call {
                _ = download.replied(head(200), now: at(.seconds(number)), random: &random)
                _ = download.replied(.bytes([1]), now: at(.seconds(number)), random: &random)
            } else {
                _ = download.replied(rest(from: 1), now: at(.seconds(number)), random: &random)
            }
            events = download.replied(.end, now: at(.seconds(number)), random: &random)
        }
        #expect(number == Limits.Download.restartsMax + 1)
        guard case .failed(.serverError, _)? = events.first else {
            Issue.record("\(events)")
            return
        }
    }

    @Test(arguments: [429, 503])
    mutating func aServerThatPutsItOffIsAskedLaterButNotForEver(_ status: Int) {
        var download = HTTPDownload(part: nil, known: nil)
        for number in 1...Limits.HTTPWay.pausesMax {
            _ = download.ask(name, number: number, now: at(.seconds(0)))
            let busy = HTTPReply.head(HTTPHead(status: status, retryAfter: .seconds(7)))
            #expect(download.replied(busy, now: at(.seconds(0)), random: &random) == [])
            #expect(download.pausedUntil == at(.seconds(7)))
        }
        _ = download.ask(name, number: 99, now: at(.seconds(0)))
        guard
            case .failed(.serverError, _)? = download.replied(
                .head(HTTPHead(status: status)), now: at(.seconds(0)), random: &random
            ).first
        else {
            Issue.record("asked for ever")
            return
        }
    }
}

import AvatarCore
import Testing

@testable import TransferMachines

/// Crops on their way up over HTTP: in one request or in pieces, side by side, and the newest last.
@Suite struct HTTPUploadsTests {
    private let small = crop(1, "a.png", size: 1000)
    private let large = crop(2, "b.png", size: Limits.HTTPWay.putBytesMax + 1000)
    private let third = crop(3, "c.png", size: 1000)

    /// What goes out, with every read answered at once.
    private func go(
        _ uploads: inout HTTPUploads, newest: Crop? = nil, now: MonotonicTime = at(.seconds(0))
    ) -> [ServerRequest] {
        uploads.go(newest: newest.map { [$0.id] } ?? [], now: now)
    }

    @Test(arguments: [(5, 5), (100_000, 60)]) func aRefusalSaysHowLongToWaitWithinBounds(says: Int, waits: Int) {
        var uploads = uploads(small)
        let head = HTTPHead(status: 503, retryAfter: .seconds(says))
        let refusals = answer(&uploads, go(&uploads), head).compactMap { event in
            if case .refused(_, let refusal) = event { refusal } else { nil }
        }
        #expect(refusals.map { $0.retryAfter } == [.seconds(waits)])
    }

    private func uploads(_ crops: Crop...) -> HTTPUploads {
        var uploads = HTTPUploads()
        for crop in crops { uploads.begin(crop) }
        return uploads
    }

    private func calls(_ requests: [ServerRequest]) -> [HTTPCall] {
        requests.compactMap { if case .http(_, let call) = $0 { call } else { nil } }
    }

    private func bytes(_ requests: [ServerRequest]) -> Int {
        requests.reduce(0) { sum, request in
            if case .body(_, _, let bytes, _) = request { sum + bytes.count } else { sum }
        }
    }

    private func answer(_ uploads: inout HTTPUploads, _ requests: [ServerRequest], _ head: HTTPHead) -> [UploadEvent] {
        guard case .http(let id, _)? = requests.first(where: { if case .http = $0 { true } else { false } }) else {
            Issue.record("nothing was asked")
            return []
        }
        return uploads.replied(.http(id, .head(head)), now: at(.seconds(0)))
    }

    private func done(_ uploads: inout HTTPUploads) -> [Crop] {
        uploads.goOn(newest: [], now: at(.seconds(0))).compactMap {
            if case .uploaded(let crop) = $0 { crop } else { nil }
        }
    }

    @Test func fewerCropsGoSideBySideWhereEachHasAConnectionOfItsOwn() {
        var uploads = HTTPUploads()
        uploads.greeted(HTTPHead(status: 200, isMultiplexed: false))
        var count: Int64 = 0
        while uploads.takesBeside(crop(count + 1, "\(count).png", size: 1000), alone: false) {
            count += 1
            uploads.begin(crop(count, "\(count - 1).png", size: 1000))
        }
        #expect(count == Limits.HTTPWay.uploadConnectionsMax)
    }

    @Test func aSmallCropGoesInOnePut() {
        var uploads = uploads(small)
        let sent = go(&uploads)
        #expect(calls(sent) == [.put(small)])
        #expect(bytes(sent) == 1000)
        #expect(answer(&uploads, sent, HTTPHead(status: 201)) == [.answered(small)])
        #expect(done(&uploads) == [small])
    }

    @Test func aLargeCropGoesInPieces() {
        var uploads = uploads(large)
        let created = go(&uploads)
        #expect(calls(created) == [.createUpload(large)])
        _ = answer(&uploads, created, HTTPHead(status: 201, location: "/up/1"))
        let sent = go(&uploads)
        #expect(calls(sent) == [.continueUpload(large, location: "/up/1", offset: 0)])
        #expect(Int64(bytes(sent)) == large.size)
        _ = answer(&uploads, sent, HTTPHead(status: 204, uploadOffset: large.size))
        #expect(done(&uploads) == [large])
    }

    // MARK: A later run

    @Test func thePlaceOfALargeCropIsToldForALaterRun() {
        var uploads = uploads(large)
        #expect(
            answer(&uploads, go(&uploads), HTTPHead(status: 201, location: "/up/1"))
                == [.answered(large), .placed(large, "/up/1")])
        _ = go(&uploads)
        uploads.connectionLost()
        #expect(
            answer(&uploads, go(&uploads), HTTPHead(status: 200, uploadOffset: 1000)) == [.answered(large)],
            "and once")
    }

    /// The crop as a later run finds it.
    private var kept: Crop {
        var crop = large
        crop.location = "/up/1"
        return crop
    }

    @Test func aLaterRunGoesOnAtThePlaceThatTheCatalogKept() {
        var uploads = uploads(kept)
        let asked = go(&uploads)
        #expect(calls(asked) == [.askOffset(location: "/up/1")])
        _ = answer(&uploads, asked, HTTPHead(status: 200, uploadOffset: 100_000))
        let sent = go(&uploads)
        #expect(calls(sent) == [.continueUpload(kept, location: "/up/1", offset: 100_000)])
        _ = answer(&uploads, sent, HTTPHead(status: 204, uploadOffset: kept.size))
        #expect(done(&uploads) == [kept])
    }

    /// The server keeps what it has for a while (`Upload-Expires`).
    @Test(arguments: [404, 410]) func aPlaceThatTheServerForgotIsBegunAnew(status: Int) {
        var uploads = uploads(kept)
        _ = answer(&uploads, go(&uploads), HTTPHead(status: status))
        let created = go(&uploads)
        #expect(calls(created) == [.createUpload(kept)])
        #expect(
            answer(&uploads, created, HTTPHead(status: 201, location: "/up/2"))
                == [.answered(kept), .placed(kept, "/up/2")])
        _ = answer(&uploads, go(&uploads), HTTPHead(status: 204, uploadOffset: kept.size))
        #expect(done(&uploads) == [kept])
    }

    /// Crops that were closed before it are sent once more, and the last one closed is to be the icon.
    @Test func whatWasWholeWhenTheAgentDiedGoesUpOnceMore() {
        var uploads = uploads(kept)
        _ = answer(&uploads, go(&uploads), HTTPHead(status: 200, uploadOffset: kept.size))
        #expect(calls(go(&uploads)) == [.createUpload(kept)])
    }

    @Test func afterACutTheServerIsAskedHowMuchItHas() {
        var uploads = uploads(large)
        _ = answer(&uploads, go(&uploads), HTTPHead(status: 201, location: "/up/1"))
        _ = go(&uploads)
        uploads.connectionLost()
        let asked = go(&uploads)
        #expect(calls(asked) == [.askOffset(location: "/up/1")])
        _ = answer(&uploads, asked, HTTPHead(status: 200, uploadOffset: 5000))
        let sent = go(&uploads)
        #expect(calls(sent) == [.continueUpload(large, location: "/up/1", offset: 5000)])
        #expect(Int64(bytes(sent)) == large.size - 5000)
    }

    @Test(arguments: [404, 410])
    func anUploadThatTheServerForgotBeginsAnew(_ status: Int) {
        var uploads = uploads(large)
        _ = answer(&uploads, go(&uploads), HTTPHead(status: 201, location: "/up/1"))
        _ = go(&uploads)
        uploads.connectionLost()
        #expect(answer(&uploads, go(&uploads), HTTPHead(status: status)) == [.answered(large)])
        #expect(calls(go(&uploads)) == [.createUpload(large)])
    }

    @Test(arguments: [404, 405, 501])
    func aServerThatKnowsNoPiecesIsSentTheWhole(_ status: Int) {
        var uploads = uploads(large)
        _ = answer(&uploads, go(&uploads), HTTPHead(status: status))
        #expect(calls(go(&uploads)) == [.put(large)])
    }

    @Test func aSmallCropThatIsCutAgainAndAgainGoesInPieces() {
        var uploads = uploads(small)
        for _ in 0...Limits.HTTPWay.putCutsMax {
            #expect(calls(go(&uploads)) == [.put(small)])
            uploads.connectionLost()
        }
        #expect(calls(go(&uploads)) == [.createUpload(small)])
    }

    @Test func theNewestIsNotFinishedBeforeTheOthersWereAnswered() {
        var uploads = uploads(small, third)
        let sent = go(&uploads, newest: third)
        #expect(calls(sent) == [.put(small)])
        _ = answer(&uploads, sent, HTTPHead(status: 201))
        #expect(calls(go(&uploads, newest: third)) == [.put(third)])
    }

    /// It waits to be told until the one before it is done.
    @Test func aCropThatTheServerHasIsNotSentAgainAfterACut() throws {
        let crops = (1...Limits.HTTPWay.orderedCropsMax + 2).map { crop(Int64($0), "\($0).png", size: 1000) }
        var queue = UploadQueue()
        queue.take(.http)
        for crop in crops { queue.add(crop) }
        let sent = requests(&queue)
        #expect(calls(sent) == [.put(crops[0]), .put(crops[1])])
        guard case .http(let id, _)? = sent.last(where: { if case .http = $0 { true } else { false } }) else { return }
        _ = queue.replied(.http(id, .head(HTTPHead(status: 201))), now: at(.seconds(0)))
        queue.connectionLost()
        let again = requests(&queue)
        #expect(calls(again) == [.put(crops[0])])
        guard case .http(let first, _)? = again.first else { return }
        _ = queue.replied(.http(first, .head(HTTPHead(status: 201))), now: at(.seconds(0)))
        var told: [CropID] = []
        for _ in 0..<3 {
            for case .uploaded(let crop) in queue.pump(now: at(.seconds(0))) {
                told.append(crop.id)
                queue.uploaded(crop)
                queue.noted(crop.id)
            }
        }
        #expect(told == [crops[0].id, crops[1].id])
    }

    private func requests(_ queue: inout UploadQueue) -> [ServerRequest] {
        (0..<3).flatMap { _ in
            queue.pump(now: at(.seconds(0))).compactMap { event -> ServerRequest? in
                if case .needs(let crop, let range) = event {
                    queue.read(crop.id, at: range.lowerBound, bytes: [UInt8](repeating: 7, count: range.count))
                }
                return if case .send(let request) = event { request } else { nil }
            }
        }
    }

    /// After a cut the crops go one by one: those behind the first wait, and go on where they were.
    @Test func aCropInPiecesThatIsPutBackGoesOnWhereItWas() {
        var uploads = uploads(small, large)
        for case .http(let id, .createUpload) in go(&uploads) {
            _ = uploads.replied(.http(id, .head(HTTPHead(status: 201, location: "/up/1"))), now: at(.seconds(0)))
        }
        _ = go(&uploads)
        let everSent = uploads.putBack(large.id)
        #expect(everSent && uploads.takeCancelled().count == 1)
        #expect(calls(go(&uploads)) == [])
        uploads.begin(large.sentBefore)
        #expect(calls(go(&uploads)) == [.askOffset(location: "/up/1")])
        uploads.remove(large.id)
        uploads.begin(large)
        #expect(calls(go(&uploads)) == [.createUpload(large)])
    }

    /// Should the newest come to nothing, the one before it is the icon.
    @Test func theOneBeforeTheNewestIsFinishedBehindAllOthers() {
        let crops = (1...Limits.HTTPWay.orderedCropsMax + 1).map { crop(Int64($0), "\($0).png", size: 1000) }
        var uploads = HTTPUploads()
        for crop in crops { uploads.begin(crop) }
        let newest = crops.suffix(Limits.HTTPWay.orderedCropsMax).map(\.id)
        for crop in crops {
            let sent = uploads.go(newest: newest)
            #expect(calls(sent) == [.put(crop)])
            _ = answer(&uploads, sent, HTTPHead(status: 201))
        }
    }

    @Test func theLastPieceOfTheNewestWaitsForTheOthers() {
        var uploads = uploads(small, large)
        let both = go(&uploads, newest: large)
        #expect(Set(calls(both)) == [.put(small), .createUpload(large)])
        for case .http(let id, .createUpload) in both {
            _ = uploads.replied(.http(id, .head(HTTPHead(status: 201, location: "/up/1"))), now: at(.seconds(0)))
        }
        #expect(Int64(bytes(go(&uploads, newest: large))) < large.size)
        for case .http(let id, .put) in both {
            _ = uploads.replied(.http(id, .head(HTTPHead(status: 204))), now: at(.seconds(0)))
        }
        #expect(bytes(go(&uploads, newest: large)) > 0)
    }

    @Test func cropsThatAreNotTheNewestGoSideBySideAndAreToldInTheirOrder() {
        var uploads = uploads(small, third)
        let sent = go(&uploads)
        #expect(calls(sent) == [.put(small), .put(third)])
        guard case .http(let second, _)? = sent.last(where: { if case .http = $0 { true } else { false } }) else {
            Issue.record("no second request")
            return
        }
        _ = uploads.replied(.http(second, .head(HTTPHead(status: 201))), now: at(.seconds(0)))
        #expect(done(&uploads) == [], "the first one is not there yet")
        _ = answer(&uploads, sent, HTTPHead(status: 201))
        #expect(done(&uploads) == [small, third])
    }

    /// What a status says of a crop.
    @Test(arguments: [
        (400, UploadRefusal.Cause.file), (413, .file), (415, .file), (507, .server), (404, .server), (422, .server),
        (429, .server), (500, .server), (503, .server), (302, .server),
    ])
    func aRefusalIsAboutTheFileTheAccountOrTheServer(_ status: Int, _ cause: UploadRefusal.Cause) {
        var uploads = uploads(small)
        let events = answer(&uploads, go(&uploads), HTTPHead(status: status))
        guard events.count == 2, case .refused(small, let refusal) = events[1] else {
            Issue.record("\(events)")
            return
        }
        #expect(refusal.cause == cause)
    }

    @Test func aCropThatIsTakenAwayGivesItsRequestUp() {
        var uploads = uploads(small)
        guard case .http(let id, _)? = go(&uploads).first else {
            Issue.record("nothing was sent")
            return
        }
        let wasSent = uploads.remove(small.id)
        #expect(wasSent)
        #expect(uploads.takeCancelled() == [.cancel(id)])
        #expect(uploads.replied(.http(id, .head(HTTPHead(status: 201))), now: at(.seconds(0))) == [])
    }

    @Test func aServerThatOwesAnAnswerIsSilentAfterAWhile() {
        var uploads = uploads(small)
        _ = go(&uploads, now: at(.seconds(0)))
        #expect(!uploads.isSilent(now: at(.seconds(19))))
        #expect(uploads.isSilent(now: at(.seconds(20))))
    }

    /// 507 alone may be either; our server says which of them it is.
    @Test(
        arguments: [
            (507, nil, nil, UploadRefusal.Cause.server, "the server answered 507: no room for it"),
            (507, "all full", nil, .server, "the server answered 507: all full"),
            (507, "so many bytes", .quota, .account, "the user's files on the server have no room for it (507)"),
            (507, "the disk", .noRoom, .server, "the server's disk is full (507)"),
            (429, "so many", .tooManyUploads, .account, "the user has too many unfinished uploads on the server (429)"),
            (503, nil, nil, .server, "the server answered 503: not available now"),
            (413, nil, nil, .file, "the server answered 413: too large"),
        ] as [(Int, String?, UploadRefusalReason?, UploadRefusal.Cause, String)])
    func whatARefusalIsAbout(
        status: Int, detail: String?, reason: UploadRefusalReason?, cause: UploadRefusal.Cause, words: String
    ) {
        var uploads = uploads(small)
        let head = HTTPHead(status: status, detail: detail, reason: reason)
        let refusal = UploadRefusal(cause: cause, detail: words)
        #expect(answer(&uploads, go(&uploads), head) == [.answered(small), .refused(small, refusal)])
    }

    /// Offsets that no server with this upload can have.
    @Test(arguments: [-1, Int64.max])
    func anOffsetThatMakesNoSenseIsARefusal(_ offset: Int64) {
        var uploads = uploads(large)
        let events = answer(
            &uploads, go(&uploads), HTTPHead(status: 201, location: "/up/1", uploadOffset: offset))
        guard events.count == 2, case .refused = events[1] else {
            Issue.record("\(events)")
            return
        }
    }
}

extension HTTPUploads {
    /// What goes out, with every read answered at once.
    fileprivate mutating func go(newest: [CropID], now: MonotonicTime = at(.seconds(0))) -> [ServerRequest] {
        var requests: [ServerRequest] = []
        while true {
            var hasRead = false
            for event in goOn(newest: newest, now: now) {
                switch event {
                case .send(let request): requests.append(request)
                case .needs(let crop, let range):
                    read(crop.id, at: range.lowerBound, bytes: [UInt8](repeating: 7, count: range.count))
                    hasRead = true
                default: break
                }
            }
            if !hasRead { return requests }
        }
    }
}

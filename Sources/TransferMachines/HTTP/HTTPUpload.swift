internal import AvatarCore
internal import DequeModule

/// One crop on its way up over HTTP: a PUT where it is small, pieces that can be gone on with (tus 1.0.0) where it is large or was cut before.
struct HTTPUpload: Sendable {
    /// How a try ended.
    enum Outcome: Hashable, Sendable {
        /// The server has it all.
        case done
        case loginRefused(LoginRefusal)
        /// The server refused; another try may follow.
        case refused(UploadRefusal)
    }

    private enum Phase: Hashable {
        case waiting
        /// The server has just said how much of an upload in pieces it has: they go on there.
        case placed
        /// A PUT: all of the crop is read before it is sent.
        case reading
        case putting(Int)
        case creating(Int)
        case asking(Int)
        case continuing(Int)
        case done
    }

    let crop: Crop
    private var phase = Phase.waiting
    /// Where the server keeps the upload in pieces, once it has been begun.
    private(set) var location: String?
    /// Whether that is the word of an earlier run, and the server has not been asked since.
    private var isFromBefore: Bool
    /// Bytes that the server has as far as it said, those that were read and handed on, and those of them that have left for the network.
    private(set) var acknowledged: Int64 = 0
    private var handed: Int64 = 0
    private var gone: Int64 = 0
    private var reading: Range<Int64>?
    private var pieces: Deque<[UInt8]> = []
    private var ahead: Int64 = 0
    private var cuts = 0
    /// Whether a server may have some of it.
    private(set) var everSent: Bool

    init(crop: Crop) {
        self.crop = crop
        everSent = crop.everSent
        location = crop.location?.string
        isFromBefore = crop.location != nil
    }

    // MARK: How it is

    var isDone: Bool { phase == .done }
    /// Whether the server has a place for it.
    var isInPieces: Bool { location != nil && !isDone }
    /// The request that is under way.
    var call: Int? {
        switch phase {
        case .putting(let number), .creating(let number), .asking(let number), .continuing(let number): number
        case .waiting, .placed, .reading, .done: nil
        }
    }
    /// Bytes that are still to be acknowledged.
    var bytesLeft: Int64 { isDone ? 0 : crop.size - acknowledged }

    private func isWhole(_ takesPieces: Bool) -> Bool {
        !takesPieces || (crop.size <= Limits.HTTPWay.putBytesMax && cuts <= Limits.HTTPWay.putCutsMax)
    }

    // MARK: The way up

    /// What is to be sent now. `mayFinish` when the crop may be all there after that; `takesPieces` unless the server is known not to.
    mutating func goOn(mayFinish: Bool, takesPieces: Bool, nextNumber: () -> Int) -> [ServerRequest] {
        switch phase {
        case .waiting where isWhole(takesPieces):
            if mayFinish { (phase, handed, gone) = (.reading, 0, 0) }
            return []
        case .waiting:
            let number = nextNumber()
            everSent = true
            guard let location else {
                phase = .creating(number)
                return [.http(HTTPCallID(.crop, number), .createUpload(crop))]
            }
            phase = .asking(number)
            return [.http(HTTPCallID(.crop, number), .askOffset(location: location))]
        case .placed:
            guard let location else { return [] }
            let number = nextNumber()
            phase = .continuing(number)
            return [
                .http(
                    HTTPCallID(.crop, number), .continueUpload(crop, location: location, offset: acknowledged))
            ]
        case .reading:
            guard ahead == crop.size else { return [] }
            let number = nextNumber()
            phase = .putting(number)
            everSent = true
            return [.http(HTTPCallID(.crop, number), .put(crop))] + hand(number, mayFinish: true)
        case .continuing(let number): return hand(number, mayFinish: mayFinish)
        case .putting, .creating, .asking, .done: return []
        }
    }

    /// Hands on what was read; the last piece stays until the crop may be all there.
    private mutating func hand(_ number: Int, mayFinish: Bool) -> [ServerRequest] {
        var requests: [ServerRequest] = []
        while let piece = pieces.first {
            let isLast = handed + Int64(piece.count) == crop.size
            guard mayFinish || !isLast else { break }
            pieces.removeFirst()
            handed += Int64(piece.count)
            ahead -= Int64(piece.count)
            requests.append(.body(HTTPCallID(.crop, number), crop, bytes: piece, isLast: isLast))
        }
        return requests
    }

    /// Which bytes are to be read now: so many beyond what has left for the network, all of a small crop at once.
    mutating func read() -> Range<Int64>? {
        guard reading == nil else { return nil }
        let start = handed + ahead
        switch phase {
        case .reading: reading = start < crop.size ? start..<crop.size : nil
        case .continuing:
            guard start < crop.size, start - gone < Limits.HTTPWay.readAheadBytesMax else { return nil }
            reading = start..<min(start + Limits.Upload.readBytesMax, crop.size)
        default: return nil
        }
        return reading
    }

    /// Bytes that were asked for, from the first on.
    mutating func read(at offset: Int64, bytes: [UInt8]) {
        guard let range = reading, range.lowerBound == offset, !bytes.isEmpty, bytes.count <= range.count else {
            return
        }
        reading = nil
        pieces.append(bytes)
        ahead += Int64(bytes.count)
    }

    // MARK: Answers

    /// What came for the request that is under way. `takesPieces` becomes false where the server knows no uploads in pieces.
    mutating func replied(_ reply: HTTPReply, takesPieces: inout Bool) -> Outcome? {
        switch reply {
        case .sent(let bytes):
            gone += bytes
            return nil
        case .bytes, .change, .end: return nil
        case .head(let head): return answered(head, &takesPieces)
        }
    }

    private mutating func answered(_ head: HTTPHead, _ takesPieces: inout Bool) -> Outcome? {
        let before = phase
        if head.status == 401 {
            again()
            return .loginRefused(LoginRefusal(head))
        }
        switch (before, head.status) {
        case (.putting, 200...299): return finish()
        case (.creating, 201):
            guard let location = head.location else {
                return refuse(UploadRefusal(senseless: "201 without the place of the upload"))
            }
            (self.location, isFromBefore) = (location, false)
            return at(head.uploadOffset ?? 0)
        case (.creating, 404), (.creating, 405), (.creating, 501):
            takesPieces = false
            again()
            return nil
        case (.asking, 200...299), (.continuing, 200...299):
            guard let offset = head.uploadOffset else {
                return refuse(UploadRefusal(senseless: "no Upload-Offset"))
            }
            return at(offset)
        case (.asking, 404), (.asking, 410), (.continuing, 404), (.continuing, 410), (.continuing, 460):
            // The server forgot the upload, or what it has is damaged: another one begins.
            location = nil
            again()
            cuts += 1
            guard cuts <= Limits.HTTPWay.beginsMax else { return refuse(UploadRefusal(head)) }
            return nil
        case (.continuing, 409):
            again()
            cuts += 1
            guard cuts <= Limits.HTTPWay.beginsMax else { return refuse(UploadRefusal(head)) }
            return nil
        default: return refuse(UploadRefusal(head))
        }
    }

    /// The server has so many bytes of an upload in pieces.
    private mutating func at(_ offset: Int64) -> Outcome? {
        guard (0...crop.size).contains(offset), offset >= acknowledged || location == nil else {
            location = nil
            return refuse(UploadRefusal(senseless: "it has \(offset) of \(crop.size) bytes"))
        }
        if offset == crop.size {
            guard isFromBefore else { return finish() }
            // The agent died before it noted that. Crops that were closed before this one may go up once more now, and would be the icon: this
            // one goes up behind them, as all do of which the catalog does not know the end.
            (location, isFromBefore) = (nil, false)
            again()
            return nil
        }
        isFromBefore = false
        again()
        (acknowledged, handed, gone) = (offset, offset, offset)
        phase = .placed
        return nil
    }

    private mutating func finish() -> Outcome {
        again()
        acknowledged = crop.size
        phase = .done
        return .done
    }

    private mutating func refuse(_ refusal: UploadRefusal) -> Outcome {
        again()
        return .refused(refusal)
    }

    /// Nothing is under way any more; the next request begins anew.
    private mutating func again() {
        phase = .waiting
        (reading, ahead) = (nil, 0)
        pieces.removeAll()
        (handed, gone) = (acknowledged, acknowledged)
        if location == nil { (acknowledged, handed, gone) = (0, 0, 0) }
    }

    /// The connection is gone, and every answer with it.
    mutating func connectionLost() {
        guard !isDone else { return }
        if call != nil, handed > 0 { cuts += 1 }
        again()
    }
}

extension UploadRefusal {
    /// What an HTTP status says of a crop that was not taken.
    init(_ head: HTTPHead) {
        let retryAfter = head.retryAfter.map { min($0, Limits.HTTPWay.pauseMax) }
        if let reason = head.reason {
            let refusal = UploadRefusal(code: head.status, reason: reason)
            self.init(cause: refusal.cause, detail: refusal.detail, retryAfter: retryAfter)
            return
        }
        // 507 alone is a full disk or a used up quota: nobody can tell.
        let cause: Cause =
            switch head.status {
            case 400, 413, 415: .file
            default: .server
            }
        let words = head.detail.map { "\(head.status): \($0)" } ?? head.words
        self.init(cause: cause, detail: "the server answered \(words)", retryAfter: retryAfter)
    }
}

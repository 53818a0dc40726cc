internal import AvatarCore

extension Login.Way {
    /// What a person can do where the server hangs up over what it is sent.
    var remedyForHangUps: String {
        switch self {
        case .classic(let chunkBytes):
            "set server.classicChunkBytes, which is \(chunkBytes), to no more than the server takes in one message"
        case .http: "look at what stands between here and the server: a proxy may allow less than the server"
        }
    }
}

/// The uploads on a classic connection, in the order in which their crops were closed: which chunk goes next, and whose an answer is.
///
/// The chunks of the next crops follow right behind those of the one before. The last chunk of a crop waits: it sets the icon, and the seed's
/// workers run side by side, so that it goes when every crop before was acknowledged. With the first chunk of one crop, the middle of another
/// and the last of a third in flight, each crop takes one round trip. A server that says that it sets icons in the
/// order in which last chunks come (`in_order` in 1032) is sent them one behind the other.
struct ClassicUploads: UploadWay {
    private struct Transfer: Sendable {
        let crop: Crop
        var upload: ClassicUpload
    }

    /// The uploads under way, in the order of their crops.
    private var transfers: [Transfer] = []
    /// The size of chunks in bytes: the server does not tell, the configuration does.
    var chunkBytes: Int64
    private var flight = FlightWindow()
    /// Answers that the server owes for crops that were given up; nothing is sent before they came.
    private var staleAnswers = 0
    /// When the server has owed an answer for too long, if it says nothing until then.
    private var silentAt: MonotonicTime?
    /// Whether the server said on this connection that it sets icons in the order in which last chunks come.
    private var setsIconsInOrder = false
    /// The largest chunk that the server said on this connection that it takes.
    private var chunkBytesMax: Int64?

    init(chunkBytes: Int64) { self.chunkBytes = chunkBytes }

    /// The crops that are under way.
    var crops: [Crop] { transfers.map(\.crop) }
    /// The crop under way that was closed first.
    var head: Crop? { transfers.first?.crop }
    /// Bytes of the crop at the head that the server acknowledged.
    var transferred: Int64 { transfers.first?.upload.transferred ?? 0 }
    /// Whether an answer is owed for the crop at the head.
    var isHeadInFlight: Bool { (transfers.first?.upload.answersOwed ?? 0) > 0 }
    /// Whether no answer is owed.
    var isQuiet: Bool { answersOwed == 0 }
    private var answersOwed: Int { transfers.reduce(staleAnswers) { $0 + $1.upload.answersOwed } }

    /// When ``isSilent(now:)`` may become true.
    var deadline: MonotonicTime { silentAt ?? .never }

    /// Whether the server has owed an answer for too long.
    func isSilent(now: MonotonicTime) -> Bool { silentAt.map { $0 <= now } ?? false }

    /// Whether the crop is under way.
    func contains(_ id: CropID) -> Bool { index(of: id) != nil }

    /// Bytes of the crop of this name that the server acknowledged, and the crop; nil where it is not under way.
    func progress(of name: AvatarName) -> (crop: Crop, transferred: Int64)? {
        transfers.first { $0.crop.name == name }.map { ($0.crop, $0.upload.transferred) }
    }

    private func index(of id: CropID) -> Int? { transfers.firstIndex { $0.crop.id == id } }

    // MARK: In and out

    /// Whether the crop should begin now; `alone` where none may go beside another. One that was closed before all that are under way always
    /// begins. Those behind them do as long as there is room: their chunks are to be there before the last acknowledgement of the crop before
    /// comes.
    func takesBeside(_ crop: Crop, alone: Bool) -> Bool {
        guard let head, head.id < crop.id else { return true }
        let most = setsIconsInOrder ? Limits.Upload.activeMax : Limits.Upload.activeMaxUnordered
        return !alone && transfers.count < most
            && transfers.reduce(0) { $0 + $1.upload.bytesLeft + $1.upload.bytesInFlight } < 2 * flight.bytes
    }

    /// Begins with a crop, in chunks of so many bytes; in larger ones where the server takes them.
    mutating func begin(_ crop: Crop) {
        let chunkBytes = max(chunkBytes, min(chunkBytesMax ?? 0, Int64(Limits.Wire.ownChunkBytes)))
        guard let geometry = ChunkGeometry(totalSize: crop.size, chunkSize: chunkBytes) else { return }
        let transfer = Transfer(crop: crop, upload: ClassicUpload(geometry: geometry, everSent: crop.everSent))
        transfers.insert(transfer, at: transfers.firstIndex { crop.id < $0.crop.id } ?? transfers.endIndex)
    }

    /// The crop is under way no longer; answers that are owed for it are waited for. Whether a server may have some of it.
    @discardableResult
    mutating func remove(_ id: CropID) -> Bool {
        guard let index = index(of: id) else { return false }
        let upload = transfers.remove(at: index).upload
        staleAnswers += upload.answersOwed
        return upload.everSent
    }

    /// The server is asked how far it is when it begins again.
    mutating func putBack(_ id: CropID) -> Bool { remove(id) }

    /// Another server or user: what was sent counts for nothing.
    mutating func startOver() { (transfers, staleAnswers, silentAt) = ([], 0, nil) }

    /// No answer will come.
    mutating func connectionLost() {
        (staleAnswers, silentAt, setsIconsInOrder, chunkBytesMax) = (0, nil, false, nil)
        flight.connectionLost()
        for index in transfers.indices { transfers[index].upload.connectionLost() }
    }

    // MARK: Sending

    /// What is to be sent and read now.
    mutating func goOn(newest: [CropID], now: MonotonicTime) -> [UploadEvent] {
        guard staleAnswers == 0 else { return [] }
        var events: [UploadEvent] = []
        var room = flight.bytes - transfers.reduce(0) { $0 + $1.upload.bytesInFlight }
        var places = Limits.Upload.inFlightMax - answersOwed
        var ahead = transfers.reduce(0) { $0 + $1.upload.bytesAhead }
        var mayFinish = true
        for index in transfers.indices {
            if transfers[index].upload.begin() { events.append(.send(.askProgress(transfers[index].crop))) }
            while let seq = transfers[index].upload.nextSeq, maySend(seq, of: index, mayFinish: mayFinish) {
                guard room > 0, places > 0 else {
                    flight.filled()
                    break
                }
                guard let chunk = transfers[index].upload.send(now: now) else { break }
                events.append(.send(.upload(transfers[index].crop, chunk)))
                room -= Int64(chunk.data.count)
                places -= 1
            }
            // The crop at the head never waits for those behind it to be sent.
            if index == 0 || ahead < Limits.Upload.readAheadBytesMax,
                let range = transfers[index].upload.read(atMost: Limits.Upload.readBytesMax)
            {
                events.append(.needs(transfers[index].crop, range))
                ahead += Int64(range.count)
            }
            mayFinish = mayFinish && setsIconsInOrder && transfers[index].upload.hasSentLast
        }
        if silentAt == nil, answersOwed > 0 { silentAt = now + Limits.Connection.replyTimeout }
        return events
    }

    /// Whether the chunk may go; `mayFinish` whether those crops that were closed before let it be the last.
    ///
    /// The seed's server appends the chunks behind one that it refused, so that its first chunk and its last one go alone: no file that was not
    /// truncated is added to, and no file that lacks a chunk becomes the icon. Nor are two first chunks in flight, since an error to one may name
    /// nothing. Of our own server, which says `in_order`, none of that is true.
    private func maySend(_ seq: Int64, of index: Int, mayFinish: Bool) -> Bool {
        let upload = transfers[index].upload
        if upload.isLast(seq), !mayFinish { return false }
        if setsIconsInOrder { return true }
        if seq == 1 { return !transfers.contains { $0.upload.owesFirst } }
        return upload.isLast(seq) ? upload.answersToChunks == 0 : !upload.owesFirst
    }

    /// The disk has read bytes of a crop.
    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8]) {
        guard let index = index(of: id) else { return }
        transfers[index].upload.read(at: offset, bytes: bytes)
    }

    // MARK: Answers

    mutating func takeCancelled() -> [ServerRequest] { [] }

    mutating func replied(_ reply: ServerReply.Kind, now: MonotonicTime) -> [UploadEvent] {
        switch reply {
        case .upload(let reply): replied(reply, now: now)
        case .progress(let name, let progress): self.progress(name: name, progress, now: now)
        default: [.stray("an answer in another protocol")]
        }
    }

    /// 1032 came.
    private mutating func replied(_ reply: UploadReply, now: MonotonicTime) -> [UploadEvent] {
        if reply.setsIconsInOrder { setsIconsInOrder = true }
        if let chunkBytes = reply.chunkBytes { chunkBytesMax = chunkBytes }
        guard let index = answered(by: reply) else {
            if takeStale(now: now) { return [] }
            return [.stray("an upload of \(reply.name.map { String($0.string.prefix(80)) } ?? "nothing")")]
        }
        let crop = transfers[index].crop
        if reply.error == ClassicError.success, let (bytes, sentAt) = transfers[index].upload.measured {
            flight.delivered(bytes, sentAt: sentAt, now: now)
        }
        let outcome = transfers[index].upload.replied(error: reply.error, seq: reply.seq, reason: reply.reason)
        heard(now: now)
        let event: UploadEvent? =
            switch outcome {
            case .done: .uploaded(crop)
            case .tokenRefused(let error): .loginRefused(LoginRefusal(error))
            case .refused(let refusal): .refused(crop, refusal)
            case nil: nil
            }
        return [.answered(crop)] + (event.map { [$0] } ?? [])
    }

    /// Whose chunk a reply answers. The seed's workers answer each name in order, and different names as they please.
    private func answered(by reply: UploadReply) -> Int? {
        guard reply.name != nil || reply.md5 != nil else {
            guard staleAnswers == 0 else { return nil }
            return transfers.firstIndex { $0.upload.owesFirst }
                ?? transfers.firstIndex { $0.upload.answersToChunks > 0 }
        }
        return transfers.firstIndex { transfer in
            transfer.upload.answersToChunks > 0 && (reply.name == nil || reply.name == transfer.crop.name.exact)
                && (reply.md5 == nil || reply.md5?.lowercased() == transfer.crop.md5.hex)
        }
    }

    /// 1006 came.
    private mutating func progress(name: ExactString?, _ progress: ClassicUpload.Progress, now: MonotonicTime)
        -> [UploadEvent]
    {
        let asking = transfers.indices.filter { transfers[$0].upload.isAsking }
        let own = name.flatMap { name in asking.first { transfers[$0].crop.name.exact == name } }
        guard let index = own ?? asking.first else {
            return takeStale(now: now) ? [] : [.stray("the progress of nothing")]
        }
        // The seed keeps 1005's progress by digest alone: another name's progress is not this crop's.
        let isOwn = name == nil || own != nil
        transfers[index].upload.progress(isOwn ? progress : .error(ClassicError.fileNotExists.rawValue))
        heard(now: now)
        return []
    }

    /// Whether an answer was owed for a crop that was given up.
    private mutating func takeStale(now: MonotonicTime) -> Bool {
        guard staleAnswers > 0 else { return false }
        staleAnswers -= 1
        heard(now: now)
        return true
    }

    private mutating func heard(now: MonotonicTime) {
        silentAt = answersOwed > 0 ? now + Limits.Connection.replyTimeout : nil
    }
}

internal import AvatarCore

/// The uploads of the HTTP way, side by side on one connection.
///
/// Whichever crop ends last is the icon, so that the order in which they end matters for few of them: the newest, which is to be the icon in
/// the end, and those that are to be it should the newest come to nothing. Each of these is not finished before every earlier crop was answered.
/// What comes of a crop is told in the order of the crops.
struct HTTPUploads: UploadWay {
    private var transfers: [HTTPUpload] = []
    /// Crops that were put back after the server had taken them, or had begun to take them in pieces: those it is asked about.
    private var begun: [CropID: HTTPUpload] = [:]
    private var lastNumber = 0
    private var cancelled: [ServerRequest] = []
    private var silentAt: MonotonicTime?
    /// Crops that may be under way at once.
    private var cropsMax = Limits.HTTPWay.uploadsMax
    /// Whether the server takes uploads in pieces, until it says otherwise.
    private var takesPieces = true

    var crops: [Crop] { transfers.map(\.crop) }
    var head: Crop? { transfers.first?.crop }
    var transferred: Int64 { transfers.first?.acknowledged ?? 0 }
    var isHeadInFlight: Bool { transfers.first?.call != nil }
    var isQuiet: Bool { !transfers.contains { $0.call != nil } }
    var deadline: MonotonicTime { silentAt ?? .never }
    func isSilent(now: MonotonicTime) -> Bool { silentAt.map { $0 <= now } ?? false }
    func contains(_ id: CropID) -> Bool { transfers.contains { $0.crop.id == id } }
    func progress(of name: AvatarName) -> (crop: Crop, transferred: Int64)? {
        transfers.first { $0.crop.name == name }.map { ($0.crop, $0.acknowledged) }
    }

    func takesBeside(_ crop: Crop, alone: Bool) -> Bool {
        guard let head, head.id < crop.id else { return true }
        return !alone && transfers.count < cropsMax
            && transfers.reduce(0) { $0 + $1.bytesLeft } < Limits.HTTPWay.plannedBytesMax
    }

    mutating func begin(_ crop: Crop) {
        let index = transfers.firstIndex { crop.id < $0.crop.id } ?? transfers.endIndex
        transfers.insert(begun.removeValue(forKey: crop.id) ?? HTTPUpload(crop: crop), at: index)
    }

    mutating func putBack(_ id: CropID) -> Bool {
        // One that was put back before is remembered already.
        guard var transfer = transfers.first(where: { $0.crop.id == id }) else { return false }
        let everSent = remove(id)
        transfer.connectionLost()
        if transfer.isDone || transfer.isInPieces { begun[id] = transfer }
        // Some were taken away for good.
        if begun.count > Limits.HTTPWay.uploadsMax, let oldest = begun.keys.min() { begun[oldest] = nil }
        return everSent
    }

    @discardableResult
    mutating func remove(_ id: CropID) -> Bool {
        begun[id] = nil
        guard let index = transfers.firstIndex(where: { $0.crop.id == id }) else { return false }
        let transfer = transfers.remove(at: index)
        if let number = transfer.call { cancelled.append(.cancel(HTTPCallID(.crop, number))) }
        if isQuiet { silentAt = nil }
        return transfer.everSent
    }

    mutating func greeted(_ head: HTTPHead) {
        cropsMax = head.isMultiplexed ? Limits.HTTPWay.uploadsMax : Limits.HTTPWay.uploadConnectionsMax
    }

    mutating func startOver() { (transfers, begun, cancelled, silentAt, takesPieces) = ([], [:], [], nil, true) }

    mutating func connectionLost() {
        (cancelled, silentAt) = ([], nil)
        for index in transfers.indices { transfers[index].connectionLost() }
    }

    mutating func goOn(newest: [CropID], now: MonotonicTime) -> [UploadEvent] {
        // They leave as the queue takes note of each.
        var events: [UploadEvent] = transfers.prefix(while: \.isDone).map { .uploaded($0.crop) }
        var number = lastNumber
        for index in transfers.indices {
            let mayFinish =
                !newest.contains(transfers[index].crop.id) || transfers[..<index].allSatisfy(\.isDone)
            // A request that was made may have its bytes at once.
            for _ in 0..<2 {
                let requests = transfers[index].goOn(mayFinish: mayFinish, takesPieces: takesPieces) {
                    number += 1
                    return number
                }
                events += requests.map { .send($0) }
                if requests.isEmpty { break }
            }
            if let range = transfers[index].read() { events.append(.needs(transfers[index].crop, range)) }
        }
        lastNumber = number
        if silentAt == nil, !isQuiet { silentAt = now + Limits.Connection.replyTimeout }
        return events
    }

    mutating func takeCancelled() -> [ServerRequest] {
        defer { cancelled = [] }
        return cancelled
    }

    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8]) {
        guard let index = transfers.firstIndex(where: { $0.crop.id == id }) else { return }
        transfers[index].read(at: offset, bytes: bytes)
    }

    mutating func replied(_ reply: ServerReply.Kind, now: MonotonicTime) -> [UploadEvent] {
        guard case .http(let id, let reply) = reply, id.purpose == .crop else {
            return [.stray("an answer in another protocol")]
        }
        guard let index = transfers.firstIndex(where: { $0.call == id.number }) else { return [] }
        let crop = transfers[index].crop
        let before = transfers[index].location
        let outcome = transfers[index].replied(reply, takesPieces: &takesPieces)
        let location = transfers[index].location.flatMap { $0 == before ? nil : ExactString($0) }
        silentAt = isQuiet ? nil : now + Limits.Connection.replyTimeout
        guard case .head = reply else { return [] }
        let event: UploadEvent? =
            switch outcome {
            case .loginRefused(let refusal): .loginRefused(refusal)
            case .refused(let refusal): .refused(crop, refusal)
            case .done, nil: location.map { .placed(crop, $0) }
            }
        return [.answered(crop)] + (event.map { [$0] } ?? [])
    }
}

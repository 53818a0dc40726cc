internal import AvatarCore

/// The crops that are to be sent, one after the other in the order in which they were closed, and those that the server has and that are on
/// their way into the cache.
struct UploadQueue: Sendable {
    /// Crops that are not on the server, by number.
    private var waiting: [CropID: Crop] = [:]
    private var order: [CropID] = []
    private var head = 0
    /// The one waiting crop of each name: a new crop takes the old one's place.
    private var waitingByName: [AvatarName: CropID] = [:]
    private var way = ClassicUploads()
    /// Bytes that the way needs next; they are read when it is the uploads' turn.
    private var needed: (crop: Crop, range: Range<Int64>)?
    /// Whether the disk is reading bytes of the head.
    private var isReading = false
    /// Crops that the server has, on their way into the cache.
    private var finishing: [CropID: Crop] = [:]
    /// The crop that the server has and the catalog does not know of yet. The next crop waits for the catalog: after a crash in between, this
    /// one is sent again, and must not end as the icon over a later one.
    private var unnoted: CropID?
    /// Refusals in a row that were about the file of the crop at the head.
    private var fileRefusals = 0
    /// Refusals in a row that were about the account or the server, whichever crop was sent.
    private(set) var passingRefusals = 0
    /// What the server said of the crop that it refused last, and when.
    private var refused: (id: CropID, refusal: UploadRefusal, at: MonotonicTime)?
    /// Whether it is the turn of the last crop that waits, instead of the first.
    private var isTurnOfLast = false
    private var backoff = Backoff(first: Limits.Upload.backoffFirst, longest: Limits.Upload.backoffMax)
    private var retryAt: MonotonicTime?
    /// How often in a row the server hung up at the same bytes of the crop at the head, with nothing else in flight.
    private(set) var hangUps = 0
    /// Bytes of the head that were acknowledged at the last hang-up: only more than that shows that the server takes the next ones.
    private var acknowledgedAtHangUp: Int64 = 0

    var count: Int { waiting.count }
    /// Places that are kept, those of crops that left the queue included.
    var placeCount: Int { order.count }
    /// Whether a crop could be sent now.
    var hasWork: Bool { !waiting.isEmpty && retryAt == nil && unnoted == nil }
    /// The crop that is sent, or that is to be sent next.
    var next: Crop? { way.crop ?? (isTurnOfLast ? last : first) }
    /// Whether the server owes no answer, and nothing is about to be sent.
    var isQuiet: Bool { way.isQuiet && !isReading }
    /// The crop for which an answer is owed.
    var inFlight: CropID? { way.isInFlight ? way.crop?.id : nil }
    var deadline: MonotonicTime { min(retryAt ?? .never, way.deadline) }

    func isSilent(now: MonotonicTime) -> Bool { way.isSilent(now: now) }

    /// The crop of this name that is not in the cache yet, and how much of it the server has.
    func pending(_ name: AvatarName) -> (crop: Crop, transferred: Int64)? {
        if let crop = way.crop, crop.name == name { return (crop, way.transferred) }
        if let crop = waitingByName[name].flatMap({ waiting[$0] }) { return (crop, 0) }
        return finishing.values.filter { $0.name == name }.max { $0.id < $1.id }.map { ($0, $0.size) }
    }

    /// The crop of this name that is not on the server.
    func waitingCrop(of name: AvatarName) -> CropID? { waitingByName[name] }

    /// What the server said when it refused this crop, if it was the one that was refused last.
    func refusal(of id: CropID) -> UploadRefusal? { refused.flatMap { $0.id == id ? $0.refusal : nil } }

    /// A crop that is not in the cache yet, by its number.
    func crop(_ id: CropID) -> Crop? { waiting[id] ?? finishing[id] }

    /// A crop that the server has, by its number.
    func finishingCrop(_ id: CropID) -> Crop? { finishing[id] }

    // MARK: In and out

    mutating func add(_ crop: Crop) {
        guard waiting[crop.id] == nil, finishing[crop.id] == nil else { return }
        if let old = waitingByName[crop.name] { remove(old) }
        if let current = way.crop, crop.id < current.id {
            // The one that was closed first goes first. A server may have some of the other by now.
            giveUpCurrent()
            waiting[current.id] = current.sentBefore
        }
        waiting[crop.id] = crop
        waitingByName[crop.name] = crop.id
        order.append(crop.id)
        if order.count >= 2, order[order.count - 2] > crop.id { order[head...].sort() }
        compact()
        // A later crop is what the person wants now: it need not wait for one that the server keeps refusing.
        if passingRefusals >= Limits.Upload.refusalsTold, crop.id == last?.id {
            if !way.isInFlight { letGo() }
            isTurnOfLast = true
            retryAt = nil
        }
    }

    /// The places of crops that left the queue are swept out once they are the greater part.
    private mutating func compact() {
        guard order.count > 2 * waiting.count + 64 else { return }
        order = order[head...].filter { waiting[$0] != nil }
        head = 0
    }

    mutating func remove(_ id: CropID) {
        takeOut(id)
        if way.crop?.id == id { giveUpCurrent() }
    }

    private mutating func giveUpCurrent() {
        letGo()
        succeeded()
    }

    /// The crop that is sent stays in the queue, and another one may go.
    private mutating func letGo() {
        way.abandon()
        (needed, isReading) = (nil, false)
        (fileRefusals, hangUps, acknowledgedAtHangUp) = (0, 0, 0)
    }

    private mutating func takeOut(_ id: CropID) {
        guard let crop = waiting.removeValue(forKey: id) else { return }
        if waitingByName[crop.name] == id { waitingByName[crop.name] = nil }
    }

    /// Another account: none of these crops is its own. The names that they had.
    mutating func removeAll() -> [AvatarName] {
        let names = Set(waiting.values.map(\.name) + finishing.values.map(\.name)).sorted()
        (waiting, order, head, waitingByName, finishing, unnoted) = ([:], [], 0, [:], [:], nil)
        (needed, isReading) = (nil, false)
        way.startOver()
        succeeded()
        return names
    }

    private mutating func succeeded() {
        (fileRefusals, passingRefusals, hangUps, acknowledgedAtHangUp, retryAt) = (0, 0, 0, 0, nil)
        (refused, isTurnOfLast) = (nil, false)
        backoff.reset()
    }

    // MARK: The crop at the head

    /// A pause after a refused try may be over.
    mutating func tick(now: MonotonicTime) { if let retryAt, retryAt <= now { self.retryAt = nil } }

    /// The crop that was closed first.
    private var first: Crop? { order[head...].lazy.compactMap { waiting[$0] }.first }
    /// The crop that was closed last.
    var last: Crop? { order[head...].reversed().lazy.compactMap { waiting[$0] }.first }

    /// The crop whose turn it is; places of crops that left the queue are passed for good.
    private mutating func takeNext() -> Crop? {
        if isTurnOfLast { return last }
        while head < order.count {
            if let crop = waiting[order[head]] { return crop }
            head += 1
        }
        (order, head) = ([], 0)
        return nil
    }

    /// The next step, where one can be taken.
    mutating func pump(_ login: Login, now: MonotonicTime) -> [UploadEvent] {
        tick(now: now)
        guard retryAt == nil, unnoted == nil else { return [] }
        if way.isFree {
            guard let crop = takeNext() else { return [] }
            switch login.way {
            case .classic(let chunkBytes): way.begin(crop, chunkBytes: chunkBytes)
            }
        }
        var events = hold(way.goOn(now: now))
        if let needed {
            events.append(.needs(needed.crop, needed.range))
            (self.needed, isReading) = (nil, true)
        }
        return events
    }

    /// Keeps what the way needs next until it is the uploads' turn.
    private mutating func hold(_ events: [UploadEvent]) -> [UploadEvent] {
        guard !events.isEmpty else { return [] }
        return events.filter { event in
            guard case .needs(let crop, let range) = event else { return true }
            needed = (crop, range)
            return false
        }
    }

    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8], now: MonotonicTime) -> [UploadEvent] {
        if way.crop?.id == id { isReading = false }
        return hold(way.read(id, at: offset, bytes: bytes, now: now))
    }

    mutating func replied(
        error code: Int, name: ExactString?, md5: String?, seq: Int64?, reason: UploadRefusalReason? = nil
    ) -> [UploadEvent] {
        let events = hold(way.replied(error: code, name: name, md5: md5, seq: seq, reason: reason))
        if way.transferred > acknowledgedAtHangUp { hangUps = 0 }
        return events
    }

    mutating func progress(name: ExactString?, _ progress: ClassicUpload.Progress, now: MonotonicTime) -> [UploadEvent]
    {
        let events = hold(way.progress(name: name, progress, now: now))
        if way.transferred > acknowledgedAtHangUp { hangUps = 0 }
        return events
    }

    /// The server refused the crop that was sent; whether the crop is to be set aside now. A refusal that is not about the file may pass, so that
    /// the crop is tried again for ever. The last crop that waits is the avatar that the person wants: after some refusals it takes
    /// turns with the first, which may be all that the server has no room for.
    mutating func refused(
        _ id: CropID, _ refusal: UploadRefusal, now: MonotonicTime, random: inout SeededRandom
    ) -> Bool {
        retryAt = now + backoff.next(using: &random)
        refused = (id, refusal, now)
        switch refusal.cause {
        case .file:
            fileRefusals += 1
            return fileRefusals >= Limits.Upload.refusalsMax
        case .account, .server:
            passingRefusals += 1
            if passingRefusals >= Limits.Upload.refusalsTold, waiting.count > 1 {
                isTurnOfLast = id != last?.id
                letGo()
            }
            return false
        }
    }

    /// A person asks: a pause after a refusal ends.
    mutating func hurry() { retryAt = nil }

    /// A connection is there. One that comes soon after a refusal is no reason to try again: a server may refuse and hang up each time.
    mutating func connected(now: MonotonicTime) {
        guard let refused, now - refused.at >= Limits.Upload.retryOnConnectAfter else { return }
        retryAt = nil
    }

    /// The connection is gone, and with it every answer that was owed.
    mutating func connectionLost() {
        way.connectionLost()
        (needed, isReading) = (nil, false)
    }

    /// The server hung up while it owed an answer for the crop at the head. It counts where nothing else was in flight and the server hung
    /// up at the same bytes before; a connection that is lost now here, now there is not the crop's fault. And it counts where the server
    /// lived: what accepts connections and resets them, or is silent, without any answer at all, is a server that is away.
    mutating func hungUp(wasAlone: Bool, hasAnswered: Bool) {
        guard hasAnswered || hangUps == 0 else { return }
        let isSamePlace = hangUps > 0 && way.transferred == acknowledgedAtHangUp
        hangUps = !isSamePlace ? 1 : wasAlone ? hangUps + 1 : hangUps
        acknowledgedAtHangUp = way.transferred
    }

    // MARK: After the upload

    /// The server has all of the bytes of the crop that was sent. The crops that were closed before it: none of them may be sent any more,
    /// since it would become the icon.
    @discardableResult
    mutating func uploaded() -> [Crop] {
        guard let crop = way.crop else { return [] }
        takeOut(crop.id)
        finishing[crop.id] = crop
        unnoted = crop.id
        way.startOver()
        succeeded()
        guard let first, first.id < crop.id else { return [] }
        let older = order[head...].compactMap { waiting[$0] }.filter { $0.id < crop.id }
        for crop in older { takeOut(crop.id) }
        return older
    }

    /// The catalog knows of it, or its file is gone.
    mutating func noted(_ id: CropID) { if unnoted == id { unnoted = nil } }

    /// The crop lies in the cache, or will not.
    mutating func finished(_ id: CropID) { finishing[id] = nil }
}

internal import AvatarCore

/// The crops that are to be sent in the order in which they were closed, and those that the server has and that are on their way into the
/// cache.
struct UploadQueue: Sendable {
    /// Crops that are not on the server, by number.
    private var waiting: [CropID: Crop] = [:]
    private var order: [CropID] = []
    private var head = 0
    /// The one waiting crop of each name: a new crop takes the old one's place.
    private var waitingByName: [AvatarName: CropID] = [:]
    private var way: any UploadWay = ClassicUploads(chunkBytes: Int64(Limits.Wire.classicChunkBytesDefault))
    /// Where the crops in `order` are that have not begun since the connection came about.
    private var unbegun = 0
    /// Whether the crop at the head is sent without those behind it, until the server has it: they may have been in the way.
    private var goesSingle = false
    /// Crops that the server has, on their way into the cache.
    private var finishing: [CropID: Crop] = [:]
    /// The crops that the server has and the catalog does not know of yet, in their order. After a crash each of them is sent again, in that
    /// order, so that the last one ends as the icon.
    private var unnoted: [CropID] = []
    /// Those of them that the catalog is noting. It notes them all or none, and no others before it has: no later crop is known as sent
    /// while an earlier one is not.
    private var noting: [CropID] = []
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
    /// Until when the server wants to be left alone: only a person's word ends that before.
    private var leftAloneUntil = MonotonicTime.zero
    /// How often in a row the server hung up at the same bytes of the crop at the head, with nothing else in flight.
    private(set) var hangUps = 0
    /// Bytes of the head that were acknowledged at the last hang-up: only more than that shows that the server takes the next ones.
    private var acknowledgedAtHangUp: Int64 = 0

    var count: Int { waiting.count }
    /// Whether no crop waits to become the icon.
    var isSettled: Bool { waiting.isEmpty && unnoted.isEmpty }
    /// Places that are kept, those of crops that left the queue included.
    var placeCount: Int { order.count }
    /// Whether a crop could be sent now.
    var hasWork: Bool { !waiting.isEmpty && retryAt == nil && unnoted.count < Limits.Upload.unnotedMax }
    /// The crop at the head: the first of those that are sent, or the one that is to be sent next.
    var next: Crop? { way.head ?? (isTurnOfLast ? last : first) }
    /// Whether the server owes no answer.
    var isQuiet: Bool { way.isQuiet }
    /// The crop at the head, where an answer is owed for it.
    var inFlight: CropID? { way.isHeadInFlight ? way.head?.id : nil }
    var deadline: MonotonicTime { min(retryAt ?? .never, way.deadline) }

    func isSilent(now: MonotonicTime) -> Bool { way.isSilent(now: now) }

    /// The crop of this name that is not in the cache yet, and how much of it the server has.
    func pending(_ name: AvatarName) -> (crop: Crop, transferred: Int64)? {
        if let progress = way.progress(of: name) { return progress }
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

    /// The server answered the greeting of a connection.
    mutating func greeted(_ head: HTTPHead) { way.greeted(head) }

    /// Requests take this way from now on. No crop is under way where it is another one than before.
    mutating func take(_ way: Login.Way) {
        switch (way, self.way) {
        case (.classic(let bytes), var classic as ClassicUploads):
            classic.chunkBytes = bytes
            self.way = classic
        case (.classic(let bytes), _): self.way = ClassicUploads(chunkBytes: bytes)
        case (.http, is HTTPUploads): break
        case (.http, _): self.way = HTTPUploads()
        }
    }

    // MARK: In and out

    mutating func add(_ crop: Crop) {
        guard waiting[crop.id] == nil, finishing[crop.id] == nil else { return }
        if let old = waitingByName[crop.name] { remove(old) }
        waiting[crop.id] = crop
        waitingByName[crop.name] = crop.id
        order.append(crop.id)
        if order.count >= 2, order[order.count - 2] > crop.id {
            order[head...].sort()
            unbegun = head
        }
        compact()
        // A later crop is what the person wants now: it need not wait for one that the server keeps refusing.
        if passingRefusals >= Limits.Upload.refusalsTold, crop.id == last?.id {
            letGo()
            isTurnOfLast = true
            endPause()
        }
    }

    /// The places of crops that left the queue are swept out once they are the greater part.
    private mutating func compact() {
        guard order.count > 2 * waiting.count + 64 else { return }
        order = order[head...].filter { waiting[$0] != nil }
        (head, unbegun) = (0, 0)
    }

    mutating func remove(_ id: CropID) {
        takeOut(id)
        let wasHead = way.head?.id == id
        way.remove(id)
        if wasHead { succeeded() }
    }

    /// The crop's file is gone. It may be back with its folder: what a server has of it is remembered till then.
    mutating func withdraw(_ id: CropID) {
        takeOut(id)
        let wasHead = way.head?.id == id
        _ = way.putBack(id)
        if wasHead { succeeded() }
    }

    /// The crops that are sent stay in the queue, and another one may go.
    private mutating func letGo() {
        for crop in way.crops { putBack(crop) }
        (fileRefusals, hangUps, acknowledgedAtHangUp) = (0, 0, 0)
    }

    /// The crop waits for its turn again.
    private mutating func putBack(_ crop: Crop) {
        if way.putBack(crop.id), waiting[crop.id] != nil { waiting[crop.id] = crop.sentBefore }
        unbegun = head
    }

    /// Only the crop at the head is sent until the server has it.
    private mutating func goSingle() {
        goesSingle = true
        for crop in way.crops.dropFirst() { putBack(crop) }
    }

    private mutating func takeOut(_ id: CropID) {
        guard let crop = waiting.removeValue(forKey: id) else { return }
        if waitingByName[crop.name] == id { waitingByName[crop.name] = nil }
    }

    /// Another account: none of these crops is its own. The names that they had.
    mutating func removeAll() -> [AvatarName] {
        let names = Set(waiting.values.map(\.name) + finishing.values.map(\.name)).sorted()
        (waiting, order, head, unbegun, waitingByName, finishing) = ([:], [], 0, 0, [:], [:])
        (unnoted, noting) = ([], [])
        way.startOver()
        leftAloneUntil = .zero
        succeeded()
        return names
    }

    private mutating func succeeded() {
        (fileRefusals, passingRefusals, hangUps, acknowledgedAtHangUp) = (0, 0, 0, 0)
        (refused, isTurnOfLast, goesSingle) = (nil, false, false)
        backoff.reset()
        endPause()
    }

    // MARK: The crop at the head

    /// A pause after a refused try may be over.
    mutating func tick(now: MonotonicTime) {
        if leftAloneUntil <= now { leftAloneUntil = .zero }
        if let retryAt, retryAt <= now { self.retryAt = nil }
    }

    /// The crop that was closed first.
    private var first: Crop? { order[head...].lazy.compactMap { waiting[$0] }.first }
    /// The crop that was closed last.
    var last: Crop? { order[head...].reversed().lazy.compactMap { waiting[$0] }.first }

    /// The last ones that were closed.
    private var newest: [CropID] {
        Array(order[head...].reversed().lazy.filter { waiting[$0] != nil }.prefix(Limits.HTTPWay.orderedCropsMax))
    }

    /// The next crop that can be sent and is not; places of crops that left the queue are passed for good.
    private mutating func takeNext() -> Crop? {
        while head < order.count, waiting[order[head]] == nil { head += 1 }
        unbegun = max(unbegun, head)
        while unbegun < order.count {
            if let crop = waiting[order[unbegun]], !way.contains(crop.id) { return crop }
            unbegun += 1
        }
        if head == order.count { (order, head, unbegun) = ([], 0, 0) }
        return nil
    }

    /// What can be sent and read now.
    mutating func pump(now: MonotonicTime) -> [UploadEvent] {
        tick(now: now)
        guard retryAt == nil, unnoted.count < Limits.Upload.unnotedMax else { return [] }
        if isTurnOfLast {
            if way.head == nil, let last { way.begin(last) }
            return way.goOn(newest: newest, now: now)
        }
        // One that was closed before those that are sent begins at once: they must not end behind it.
        while let crop = takeNext(), way.takesBeside(crop, alone: goesSingle || hangUps > 0) {
            way.begin(crop)
        }
        return way.goOn(newest: newest, now: now)
    }

    mutating func takeCancelled() -> [ServerRequest] { way.takeCancelled() }

    mutating func read(_ id: CropID, at offset: Int64, bytes: [UInt8]) { way.read(id, at: offset, bytes: bytes) }

    mutating func replied(_ reply: ServerReply.Kind, now: MonotonicTime) -> [UploadEvent] {
        let events = way.replied(reply, now: now)
        if way.transferred > acknowledgedAtHangUp { hangUps = 0 }
        return events.filter { isNews($0, now: now) }
    }

    /// Whether what came of a crop counts. A crop behind the first is not done before those that were closed before it, since it must become
    /// the icon after them: its last chunk is sent again then. And where it is refused it is tried again when it is the first.
    private mutating func isNews(_ event: UploadEvent, now: MonotonicTime) -> Bool {
        switch event {
        case .uploaded(let crop):
            guard !isTurnOfLast, let first, first.id < crop.id else { return true }
            putBack(crop)
            return false
        case .refused(let crop, let refusal):
            guard let head = way.head, head.id != crop.id else { return true }
            leave(alone: refusal.retryAfter, now: now)
            goSingle()
            return false
        default: return true
        }
    }

    /// The server refused the crop that was sent; whether the crop is to be set aside now. A refusal that is not about the file may pass, so that
    /// the crop is tried again for ever. The last crop that waits is the avatar that the person wants: after some refusals it takes
    /// turns with the first, which may be all that the server has no room for.
    mutating func refused(
        _ id: CropID, _ refusal: UploadRefusal, now: MonotonicTime, random: inout SeededRandom
    ) -> Bool {
        leave(alone: refusal.retryAfter, now: now)
        retryAt = max(now + backoff.next(using: &random), leftAloneUntil)
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

    private mutating func leave(alone time: Duration?, now: MonotonicTime) {
        if let time { leftAloneUntil = max(leftAloneUntil, now + time) }
    }

    /// A person asks: a pause after a refusal ends.
    mutating func hurry() { (retryAt, leftAloneUntil) = (nil, .zero) }

    /// There is a reason to try again before the pause is over, but not before the server wants that.
    private mutating func endPause() { retryAt = leftAloneUntil == .zero ? nil : leftAloneUntil }

    /// A connection is there. One that comes soon after a refusal is no reason to try again: a server may refuse and hang up each time.
    mutating func connected(now: MonotonicTime) {
        guard let refused, now - refused.at >= Limits.Upload.retryOnConnectAfter else { return }
        endPause()
    }

    /// The connection is gone, and with it every answer that was owed.
    mutating func connectionLost() {
        if !way.isQuiet { goSingle() }
        way.connectionLost()
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

    /// The server has all of the bytes of a crop. The crops that were closed before it: none of them may be sent any more, since it would
    /// become the icon.
    @discardableResult
    mutating func uploaded(_ crop: Crop) -> [Crop] {
        takeOut(crop.id)
        way.remove(crop.id)
        finishing[crop.id] = crop
        unnoted.append(crop.id)
        succeeded()
        guard let first, first.id < crop.id else { return [] }
        let older = order[head...].compactMap { waiting[$0] }.filter { $0.id < crop.id }
        for crop in older { remove(crop.id) }
        return older
    }

    /// The crops that the catalog is to note now, all at once; none while it notes others.
    mutating func takeUnnoted() -> [CropID] {
        guard noting.isEmpty else { return [] }
        noting = unnoted
        return noting
    }

    /// The catalog knows of it, or its file is gone.
    mutating func noted(_ id: CropID) {
        unnoted.removeAll { $0 == id }
        noting.removeAll { $0 == id }
    }

    /// The crop lies in the cache, or will not.
    mutating func finished(_ id: CropID) { finishing[id] = nil }
}

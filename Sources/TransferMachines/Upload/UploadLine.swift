internal import AvatarCore

/// The crops on their way up: one after the other, in the order in which they were closed.
struct UploadLine: Sendable {
    /// What the agent has to do for the crop at the head.
    enum Action: Hashable, Sendable {
        case machine(Crop, UploadMachine.Action)
        case stray(String)
    }

    private struct Current: Sendable {
        let crop: Crop
        var machine: UploadMachine
    }

    /// Crops that are not on the server, by number.
    private(set) var waiting: [CropID: Crop] = [:]
    private var order: [CropID] = []
    private var head = 0
    /// The latest waiting crop of each name: there is one only, since a new one takes the old one's place.
    private var waitingByName: [AvatarName: CropID] = [:]
    private var current: Current?
    /// Crops that the server has, on their way into the cache.
    private(set) var finishing: [CropID: Crop] = [:]
    /// The crop that the server has and the catalog does not know of yet. The next one waits for it: after a crash in between this one is
    /// sent again, and must not end as the icon over a later one.
    private(set) var unnoted: CropID?
    /// Crops that could not be copied into the cache because the disk failed.
    var unstaged: [CropID] = []
    private var refusals = 0
    private var backoff = Backoff(first: Limits.Upload.backoffFirst, longest: Limits.Upload.backoffMax)
    private var retryAt: MonotonicTime?
    /// An answer that is still owed for a crop that was given up; nothing is sent before it came.
    private var staleUntil: MonotonicTime?
    /// When a stream was last told of the head's progress.
    var toldProgress: MonotonicTime?

    var count: Int { waiting.count }
    /// Places in the line, those of crops that left it included.
    var orderCount: Int { order.count }
    var hasWork: Bool { !waiting.isEmpty && retryAt == nil }
    var deadline: MonotonicTime? {
        let own = min(retryAt ?? .never, staleUntil ?? .never, current?.machine.deadline ?? .never)
        return own == .never ? nil : own
    }

    /// The crop of this name that is not in the cache yet, and how much of it the server has.
    func pending(_ name: AvatarName) -> (crop: Crop, transferred: Int64)? {
        if let current, current.crop.name == name { return (current.crop, current.machine.transferred) }
        if let crop = waitingByName[name].flatMap({ waiting[$0] }) { return (crop, 0) }
        return finishing.values.filter { $0.name == name }.max { $0.id < $1.id }.map { ($0, $0.size) }
    }

    /// The crop of this name that is not on the server.
    func waitingCrop(of name: AvatarName) -> CropID? { waitingByName[name] }

    func isSilent(now: MonotonicTime) -> Bool {
        if let staleUntil, staleUntil <= now { return true }
        return current?.machine.isSilent(now: now) ?? false
    }

    mutating func add(_ crop: Crop) {
        guard waiting[crop.id] == nil, finishing[crop.id] == nil else { return }
        if let old = waitingByName[crop.name] { remove(old) }
        waiting[crop.id] = crop
        waitingByName[crop.name] = crop.id
        order.append(crop.id)
        if order.count >= 2, order[order.count - 2] > crop.id { order[head...].sort() }
        compact()
    }

    /// The places of crops that left the line are swept out once they are the greater part.
    private mutating func compact() {
        guard order.count > 2 * waiting.count + 64 else { return }
        order = order[head...].filter { waiting[$0] != nil }
        head = 0
    }

    mutating func remove(_ id: CropID) {
        takeOut(id)
        guard let current, current.crop.id == id else { return }
        if !current.machine.isQuiet { staleUntil = current.machine.deadline }
        self.current = nil
        succeeded()
    }

    private mutating func takeOut(_ id: CropID) {
        guard let crop = waiting.removeValue(forKey: id) else { return }
        if waitingByName[crop.name] == id { waitingByName[crop.name] = nil }
    }

    mutating func removed(_ id: CropID) -> Crop? { finishing.removeValue(forKey: id) }

    /// Another server or user: what was sent counts for nothing, and neither does what is not noted yet.
    mutating func startOver() {
        if let id = unnoted, let crop = finishing.removeValue(forKey: id) { add(crop) }
        unnoted = nil
        current = nil
        staleUntil = nil
        succeeded()
    }

    mutating func connectionLost() {
        staleUntil = nil
        current?.machine.connectionLost()
    }

    private mutating func succeeded() {
        refusals = 0
        backoff.reset()
        retryAt = nil
    }

    /// A pause after a refused try may be over.
    mutating func tick(now: MonotonicTime) {
        if let retryAt, retryAt <= now { self.retryAt = nil }
    }

    /// The next step, where one can be taken.
    mutating func pump(chunkBytes: Int64, now: MonotonicTime) -> [Action] {
        tick(now: now)
        guard staleUntil == nil, retryAt == nil, unnoted == nil else { return [] }
        if current == nil {
            guard let crop = nextCrop(),
                let geometry = ChunkGeometry(totalSize: crop.size, chunkSize: chunkBytes)
            else { return [] }
            current = Current(crop: crop, machine: UploadMachine(geometry: geometry, everSent: crop.everSent))
        }
        guard let crop = current?.crop else { return [] }
        let steps = current?.machine.connected(now: now) ?? []
        return steps.map { .machine(crop, $0) }
    }

    private mutating func nextCrop() -> Crop? {
        while head < order.count {
            if let crop = waiting[order[head]] { return crop }
            head += 1
        }
        order = []
        head = 0
        return nil
    }

    mutating func read(_ id: CropID, seq: Int64, bytes: [UInt8], now: MonotonicTime) -> [Action] {
        guard let crop = current?.crop, crop.id == id else { return [] }
        return (current?.machine.read(seq: seq, bytes: bytes, now: now) ?? []).map { .machine(crop, $0) }
    }

    mutating func replied(error code: Int, name: ExactString?, md5: String?, seq: Int64?) -> [Action] {
        if staleUntil != nil {
            staleUntil = nil
            return []
        }
        guard let crop = current?.crop, name == nil || name == crop.name.exact,
            md5 == nil || md5?.lowercased() == crop.md5.hex
        else { return [.stray("an upload of \(name.map { String($0.string.prefix(80)) } ?? "nothing")")] }
        return (current?.machine.replied(error: code, seq: seq) ?? []).map { .machine(crop, $0) }
    }

    mutating func progress(name: ExactString?, _ progress: UploadMachine.Progress, now: MonotonicTime) -> [Action] {
        if staleUntil != nil {
            staleUntil = nil
            return []
        }
        guard let crop = current?.crop else { return [.stray("the progress of nothing")] }
        // The seed keeps 1005's progress by digest alone: another name's is not this crop's.
        let own = name == nil || name == crop.name.exact
        let steps = current?.machine.progress(own ? progress : .error(ClassicError.fileNotExists.rawValue), now: now)
        return (steps ?? []).map { .machine(crop, $0) }
    }

    /// The server has all of the head's bytes.
    mutating func done() {
        guard let crop = current?.crop else { return }
        takeOut(crop.id)
        finishing[crop.id] = crop
        unnoted = crop.id
        current = nil
        succeeded()
    }

    /// The catalog knows of it.
    mutating func noted(_ id: CropID) { if unnoted == id { unnoted = nil } }

    /// The server refused; whether the crop is to be set aside now.
    mutating func refused(now: MonotonicTime, random: inout SeededRandom) -> Bool {
        refusals += 1
        retryAt = now + backoff.next(using: &random)
        return refusals >= Limits.Upload.refusalsMax
    }
}

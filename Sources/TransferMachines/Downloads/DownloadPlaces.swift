internal import AvatarCore

/// Which pictures have a place on the connection, which wait for one, and which wait for a turn alone.
struct DownloadPlaces: Sendable {
    typealias Place = Downloads.Place

    /// The places, in the order in which they were given; a download that was stopped keeps its place until nothing is in flight.
    private(set) var held: [Place] = []
    private var queue = DownloadQueue()
    /// Names over which the server hung up, each waiting for its turn alone; what was received of one is kept.
    private var suspects: [AvatarName] = []
    /// Whether a name that has a place may be a suspect.
    private var mayHaveSuspects = false
    /// Names of which every byte came and the disk has not taken all; they have no place any more, and how much there is of them.
    private var unwritten: [AvatarName: Int64] = [:]
    private var unwrittenBytes: Int64 = 0

    // MARK: Places

    var holders: [AvatarName] { held.map(\.name) }
    func isHeld(by name: AvatarName) -> Bool { held.contains { $0.name == name } }
    /// Everybody with a place, or who waits for a turn or for the disk.
    var concerned: [AvatarName] { holders + suspects + unwritten.keys.sorted() }
    /// Whether somebody else than the suspects has work for the server.
    var hasWork: Bool { !held.isEmpty || queue.count > 0 }
    /// Whether the disk has so much to write that no other picture should come.
    var isDiskBehind: Bool { unwrittenBytes >= Limits.Download.unwrittenBytesMax }

    mutating func take(_ name: AvatarName, _ entry: Downloads.Entry?, isByAge: Bool) {
        if entry?.hangUps ?? 0 > 0 { mayHaveSuspects = true }
        held.append(Place(name: name, priority: entry?.urgency ?? .hidden, isByAge: isByAge))
    }

    mutating func prioritize(_ name: AvatarName, _ urgency: Visibility) {
        if let index = held.firstIndex(where: { $0.name == name }) { held[index].priority = urgency }
    }

    mutating func leave(_ name: AvatarName) {
        held.removeAll { $0.name == name }
        if !suspects.isEmpty { suspects.removeAll { $0 == name } }
        if let bytes = unwritten.removeValue(forKey: name) { unwrittenBytes -= bytes }
    }

    /// The server has nothing more to send of the name: its place is another's.
    mutating func waitForDisk(_ name: AvatarName, _ size: Int64) {
        held.removeAll { $0.name == name }
        guard unwritten.updateValue(size, forKey: name) == nil else { return }
        unwrittenBytes += size
    }

    // MARK: Who waits for a place

    /// Names that wait for a place or a turn.
    var waiting: Int { queue.count + suspects.count }
    /// Places that the queue keeps, those of names that left it included.
    var queuePlaces: Int { queue.entryCount }
    func isQueued(_ name: AvatarName) -> Bool { queue.contains(name) }
    /// How many names in the queue are more urgent than that.
    mutating func waiting(above priority: Visibility) -> Int { queue.count(above: priority) }
    mutating func bestWaiting() -> Visibility? { queue.bestVisibility() }
    mutating func next() -> (name: AvatarName, isByAge: Bool)? { queue.take().map { ($0.name, $0.isByAge) } }

    mutating func enqueue(_ name: AvatarName, _ entry: Downloads.Entry) {
        guard let urgency = entry.urgency else { return }
        if entry.hangUps > 0 {
            if !suspects.contains(name) { suspects.append(name) }
        } else {
            queue.put(name, visibility: urgency, queuedAt: entry.queuedAt, size: entry.part?.plan.totalSize)
        }
    }

    mutating func dequeue(_ name: AvatarName) {
        queue.remove(name)
        suspects.removeAll { $0 == name }
    }

    // MARK: Who waits for a turn alone

    func isSuspect(_ name: AvatarName) -> Bool { suspects.contains(name) }

    /// The suspect with the fewest hang-ups, and how many they are.
    func suspect(in known: KnownPictures) -> (name: AvatarName, hangUps: Int)? {
        guard !suspects.isEmpty else { return nil }
        return suspects.map { ($0, known[$0]?.hangUps ?? 0) }.min { $0.1 < $1.1 }
    }

    /// Suspects that have a place and are asked for.
    mutating func suspectsAmongHolders(in known: KnownPictures) -> [AvatarName] {
        guard mayHaveSuspects else { return [] }
        let suspects = holders.filter { known[$0]?.hangUps ?? 0 > 0 }
        mayHaveSuspects = !suspects.isEmpty
        return suspects.filter { known[$0]?.status == .active }
    }

    /// The name gives its place back, and waits for its turn alone.
    mutating func setApart(_ name: AvatarName) {
        held.removeAll { $0.name == name }
        suspects.append(name)
    }
}

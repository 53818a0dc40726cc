internal import AvatarCore

/// What is known of each name that somebody cares for, and when pictures that were refused are asked for again.
struct KnownPictures: Sendable {
    typealias Entry = Downloads.Entry
    typealias Status = Downloads.Status

    /// Why a name's time has come.
    enum Due: Sendable {
        /// The refusal is over.
        case lifted(AvatarName)
        /// The picture is there, and the server was left alone for long enough.
        case pauseOver(AvatarName)
    }

    private var entries: [AvatarName: Entry] = [:]
    private var again = AskingAgain()

    subscript(name: AvatarName) -> Entry? {
        get { entries[name] }
        set { entries[name] = newValue }
    }

    subscript(name: AvatarName, default entry: @autoclosure () -> Entry) -> Entry {
        get { entries[name, default: entry()] }
        set { entries[name] = newValue }
    }

    /// Cares for a name from now on; whether it is a new one.
    mutating func add(_ name: AvatarName) -> Bool {
        guard entries[name] == nil else { return false }
        entries[name] = Entry()
        return true
    }

    /// Nothing that came of any picture is gone on with.
    mutating func forgetParts() { for name in entries.keys { entries[name]?.part = nil } }

    // MARK: What is known

    var count: Int { entries.count }
    func isKnown(_ name: AvatarName) -> Bool { entries[name] != nil }
    /// Whether the catalog has not answered yet.
    func isUnknown(_ name: AvatarName) -> Bool { entries[name]?.status == .unknown }
    func status(of name: AvatarName) -> Status? { entries[name]?.status }
    func record(of name: AvatarName) -> AvatarRecord? { entries[name]?.record }
    func priority(of name: AvatarName) -> Visibility? { entries[name]?.priority }
    /// The names whose pictures are there.
    var present: [AvatarName] { names { $1.record != nil } }
    /// The users whose pictures are there and wanted.
    var owners: Set<UserID> {
        Set(entries.values.lazy.filter { $0.priority != nil }.compactMap { $0.record?.owner })
    }
    /// The names of these users' pictures that are there and wanted.
    func names(of users: Set<UserID>) -> [AvatarName] {
        entries.lazy.filter { entry in
            entry.value.priority != nil && entry.value.record?.owner.map { users.contains($0) } ?? false
        }.map(\.key).sorted()
    }

    /// Whether a label, a fetch or a transfer is for the name.
    func isWanted(_ name: AvatarName) -> Bool {
        guard let entry = entries[name] else { return false }
        return entry.priority != nil || entry.status == .committing
    }

    /// Whether nothing but the name is known: nobody wants it, and nothing of it is there.
    func isUnheardOf(_ name: AvatarName) -> Bool {
        guard let entry = entries[name] else { return true }
        return entry.priority == nil && entry.status == .idle && entry.part == nil
    }

    /// Whether the picture is neither there nor known to be not to be had.
    func isMissing(_ name: AvatarName) -> Bool {
        switch entries[name]?.status {
        case .ready, .failed, nil: false
        default: entries[name]?.record == nil
        }
    }

    /// What eviction and trimming must leave: whatever somebody wants now.
    var kept: Set<AvatarName> {
        Set(entries.lazy.filter { $0.value.priority != nil || $0.value.status == .committing }.map(\.key))
    }

    /// Names whose pictures failed.
    var failed: [AvatarName] {
        entries.lazy.filter { if case .failed = $0.value.status { true } else { false } }.map(\.key).sorted()
    }

    /// Pictures that are on their way or wait for it.
    var underWay: Int {
        entries.values.count { entry in
            switch entry.status {
            case .queued, .active, .stalled, .committing: true
            default: false
            }
        }
    }

    /// Names of which this holds, in their order.
    func names(where holds: (AvatarName, Entry) -> Bool) -> [AvatarName] {
        entries.filter { holds($0.key, $0.value) }.keys.sorted()
    }

    /// Names that something in the cache folder kept from their place.
    var taken: [AvatarName] {
        entries.lazy.filter { if case .failed(.nameTaken, _, _) = $0.value.status { true } else { false } }
            .map(\.key).sorted()
    }

    // MARK: Refusals

    /// The picture is not to be had for now; how often in a row that was said.
    mutating func refuse(_ name: AvatarName, _ reason: AbsenceReason, detail: String, now: MonotonicTime) -> Int {
        let before = entries[name]?.refusal
        let attempts = before?.reason == reason ? (before?.attempts ?? 0) + 1 : 1
        let refusal = Negative(reason: reason, of: name, attempts: attempts, learned: now)
        entries[name]?.status = .failed(reason, detail: detail, until: refusal.until)
        entries[name]?.refusal = refusal
        entries[name]?.part = nil
        entries[name]?.hangUps = 0
        return attempts
    }

    /// Somebody new wants these names, or what was in their way may be gone: refusals that are worth it end at once, or as soon as the
    /// pace of all allows. Names whose refusals have ended.
    mutating func askAnew(_ names: [AvatarName], besides news: PictureNews, now: MonotonicTime) -> [AvatarName] {
        names.compactMap { name in
            guard case .failed(let reason, let detail, let until) = entries[name]?.status,
                let refusal = entries[name]?.refusal, entries[name]?.priority != nil,
                until <= now || refusal.isWorthAsking(now: now)
            else { return nil }
            entries[name]?.refusal = Negative(
                reason: reason, of: name, attempts: refusal.attemptsForSomebodyNew(now: now), learned: refusal.learned)
            if again.isOpen(now: now) {
                again.asked(now: now)
                lift(name)
                return name
            }
            if until > now {
                entries[name]?.status = .failed(reason, detail: detail, until: now)
                retryLater(name, at: now, besides: news)
            }
            return nil
        }
    }

    /// A refused picture is worth another try.
    mutating func lift(_ name: AvatarName) { entries[name]?.status = .idle }

    /// Outdated times are swept out once they outnumber the names; what is known of changes has pauses of its own, which stay.
    mutating func retryLater(_ name: AvatarName, at time: MonotonicTime, besides news: PictureNews) {
        again.add(name, at: time)
        sweepRetries(besides: news)
    }

    mutating func sweepRetries(besides news: PictureNews) {
        guard again.isOvergrown(names: entries.count) else { return }
        again.replace(
            with: entries.compactMap { name, entry in
                guard entry.priority != nil, case .failed(_, _, let until) = entry.status else { return nil }
                return (name, until)
            } + news.pauses)
    }

    var retryCount: Int { again.count }
    var deadline: MonotonicTime { again.deadline }

    /// The next name whose time is over, as far as the pace of all allows.
    mutating func nextDue(_ news: PictureNews, now: MonotonicTime) -> Due? {
        while let name = again.next(now: now) {
            if entries[name]?.status == .ready, news.isPauseOver(name, now: now) {
                again.asked(now: now)
                return .pauseOver(name)
            }
            guard case .failed(_, _, let until) = entries[name]?.status, until <= now, entries[name]?.priority != nil
            else { continue }
            again.asked(now: now)
            lift(name)
            return .lifted(name)
        }
        return nil
    }
}

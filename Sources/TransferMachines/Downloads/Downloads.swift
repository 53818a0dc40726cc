internal import AvatarCore

/// Every picture that somebody asked for, and the pictures on their way down.
///
/// What is known of each, the places on the connection, the way to the server and the news of changes have owners of their own, with private
/// state. This struct carries what one of them says to the others: in this file what the catalog says and who wants what, beside it
/// the places, the pictures that are asked for again, and what server and disk say.
struct Downloads: Sendable {
    /// A picture that is there is asked for again when it was last so long ago; nil for never, but on a person's word.
    let recheckAfter: Duration?
    /// What is known of each name.
    var known = KnownPictures()
    /// Who has a place on the connection, and who waits for one.
    var places = DownloadPlaces()
    /// How the server is spoken to.
    var way: any DownloadWay = ClassicDownloads()
    /// What the server's stream of changes said.
    var news = PictureNews()
    /// When parts of abandoned transfers were last looked for; the start looks for them too.
    var partsTrimmedAt: MonotonicTime

    init(now: MonotonicTime, recheckAfter: Duration?) {
        self.recheckAfter = recheckAfter
        partsTrimmedAt = now
    }

    // MARK: What is known

    /// How far the picture is: its size, where that is known, and the bytes that came.
    func progress(of name: AvatarName) -> (size: Int64?, transferred: Int64?) {
        let (progress, part) = (way.progress(of: name), known[name]?.part)
        return (progress?.totalSize ?? part?.plan.totalSize, progress?.transferred ?? part?.held)
    }

    // MARK: The catalog

    /// Cares for names, and asks the catalog about those that it was not asked about yet.
    mutating func lookUp(_ names: [AvatarName], touch: Bool) -> [Action] {
        var unknown: [AvatarName] = []
        for name in names where known.add(name) { unknown.append(name) }
        return unknown.isEmpty ? [] : [.disk(.lookUp(unknown, touch: touch))]
    }

    /// What the catalog says of a name; the status before, or nil when nobody waits for the answer.
    mutating func lookedUp(_ row: CatalogRow, now: MonotonicTime) -> Status? {
        guard let before = known[row.name]?.status, before == .unknown || before == .stalled else { return nil }
        known[row.name]?.record = row.avatar
        known[row.name]?.checkedAt = row.checked
        known[row.name]?.recheck = nil
        known[row.name]?.part = row.part
        if row.avatar != nil {
            known[row.name]?.status = .ready
        } else if let negative = row.negative, negative.until > now || known[row.name]?.priority != nil {
            // One whose time is over has its turn among all that are asked for again.
            known[row.name]?.status = .failed(
                negative.reason, detail: negative.reason.rawValue, until: negative.until)
        } else {
            known[row.name]?.status = .idle
        }
        if row.avatar == nil {
            known[row.name]?.refusal = row.negative
            news.notThere(row.name)
        }
        if let avatar = row.avatar {
            let isDoubted = row.checked.map { now - $0 >= Limits.Download.longAgo / 2 } ?? false
            news.lookedUp(
                row.name, avatar.sha256, isDoubted: isDoubted && avatar.owner != nil, isFetched: row.checked != nil)
        }
        return before
    }

    /// Labels that have had their first states show this picture from now on: they are told when the catalog has answered.
    mutating func newlyNamed(_ name: AvatarName) {
        if known[name]?.status == .unknown || known[name]?.status == .stalled { known[name]?.isNewlyNamed = true }
    }

    /// Whether the catalog's answer is news to labels.
    mutating func takeNewlyNamed(_ name: AvatarName) -> Bool {
        defer { known[name]?.isNewlyNamed = false }
        return known[name]?.isNewlyNamed ?? false
    }

    /// The catalog could not be read: it is asked again when the disk is well. Whether the name was waited for.
    mutating func lookUpFailed(_ name: AvatarName) -> Bool {
        guard known[name]?.status == .unknown else { return false }
        known[name]?.status = .stalled
        return true
    }

    /// Asks the catalog again about what the disk had interrupted.
    mutating func storageIsFine() -> [Action] {
        let stalled = known.names { $1.status == .stalled && !way.isUnderWay($0) }
        return stalled.isEmpty ? [] : [.disk(.lookUp(stalled, touch: false))]
    }

    /// Forgets what nobody wants and no answer is owed for; a part stays, to go on from. `isAwaited` when somebody waits for word of it.
    mutating func drop(_ name: AvatarName, isAwaited: Bool) {
        guard let entry = known[name], entry.priority == nil, !isAwaited, way.isQuiet(name) else { return }
        // One that is active still has come whole, and waits for the disk.
        if entry.status == .unknown || entry.status == .committing || entry.status == .active { return }
        leave(name)
        places.dequeue(name)
        known[name] = nil
        news.forget(name)
        known.sweepRetries(besides: news)
    }

    // MARK: Priorities

    /// How much the name is wanted now.
    mutating func setPriority(
        _ name: AvatarName, _ priority: Visibility?, _ conditions: Conditions, now: MonotonicTime
    ) -> [Action] {
        guard let old = known[name] else { return [] }
        if priority != old.priority {
            known[name]?.priority = priority
            known[name]?.queuedAt = now
            if let urgency = known[name]?.urgency { places.prioritize(name, urgency) }
        }
        guard let priority else { return giveUp(name, old.status, conditions.isStorageFine) + [.unneeded(name)] }
        if old.status == .ready, old.priority == nil { news.askAgain(name) }
        switch old.status {
        case .idle: want(name, conditions)
        case .queued where old.priority != priority: enqueue(name)
        case .failed(_, _, let until):
            // One whose time is over waits for its turn like all others, at the next tick.
            known.retryLater(name, at: until, besides: news)
        case .ready where priority != old.priority: recheckIfOld(name, conditions, now: now)
        default: break
        }
        return []
    }

    /// Nobody wants it fetched any more.
    private mutating func giveUp(_ name: AvatarName, _ status: Status, _ isStorageFine: Bool) -> [Action] {
        if known[name]?.recheck != nil, status == .queued || isOnItsWay(name) {
            return keep(name, reason: nil, isStorageFine: isStorageFine)
        }
        places.dequeue(name)
        if status == .queued { known[name]?.status = .idle }
        guard status == .active, !way.isReceived(name) else { return [] }
        known[name]?.part = way.part(of: name)
        known[name]?.status = .idle
        way.stop(name)
        return releaseIfQuiet(name, isStorageFine: isStorageFine)
    }

    /// Gets a wanted picture onto its way.
    mutating func want(_ name: AvatarName, _ conditions: Conditions) {
        guard let entry = known[name], entry.priority != nil else { return }
        if entry.record != nil {
            known[name]?.status = .ready
            known[name]?.recheck = nil
            news.askAgain(name)
        } else if conditions.isOutgoing {
            known[name]?.status = .idle
        } else if !conditions.isStorageFine {
            known[name]?.status = .stalled
        } else {
            known[name]?.status = .queued
            enqueue(name)
        }
    }

    mutating func enqueue(_ name: AvatarName) {
        if let entry = known[name] { places.enqueue(name, entry) }
    }

    /// Failed pictures are worth a try: a person asked, or somebody logged in.
    mutating func liftFailures(_ names: [AvatarName]) -> [Action] {
        names.compactMap { name in
            guard case .failed = known[name]?.status else { return nil }
            known[name]?.refusal = nil
            known.lift(name)
            return .due(name)
        }
    }

    // MARK: Ends

    /// The crop takes the name: its copy goes into the very part that a download would write to.
    mutating func makeWay(for name: AvatarName) -> [Action] {
        guard known[name]?.status == .active || known[name]?.status == .queued else { return [] }
        places.dequeue(name)
        if known[name]?.recheck != nil { return keep(name, reason: nil, isStorageFine: false) }
        known[name]?.part = nil
        known[name]?.status = .idle
        way.stop(name)
        return releaseIfQuiet(name, isStorageFine: false)
    }

    /// The picture is not to be had for now; everybody who waits is told. One that is there stays.
    mutating func fail(_ name: AvatarName, _ reason: AbsenceReason, detail: String, now: MonotonicTime) -> [Action] {
        if known[name]?.recheck != nil { return notReplaced(name, reason, detail: detail, now: now) }
        news.forget(name)
        places.dequeue(name)
        let attempts = known.refuse(name, reason, detail: detail, now: now)
        way.stop(name)
        if way.isQuiet(name) { leave(name) }
        let level: Note.Level = reason == .absent ? .debug : .warning
        let note = Note(level, "not to be had: \(reason.rawValue)", name: name.string, detail: detail)
        return [
            .log(.note(note)), .disk(.discardPart(name)), .disk(.setNegative(name, reason, attempts: attempts)),
            .concluded(name),
        ]
    }

    /// Somebody new wants these names, or what was in their way may be gone.
    mutating func askAnew(_ names: [AvatarName], now: MonotonicTime) -> [Action] {
        known.askAnew(names, besides: news, now: now).map { .due($0) }
    }

    // MARK: Time

    /// When the machine wants to be woken for a download. `turn` says who may send requests; nil when no download may.
    func deadline(_ turn: TurnRule.Turn?) -> MonotonicTime {
        var earliest = known.deadline
        for place in places.held {
            let mayAsk = turn == .everybodyElse || turn == .alone(.download(place.name))
            earliest = min(earliest, way.deadline(of: place.name, mayAsk: mayAsk))
        }
        return earliest
    }

    func isSilent(now: MonotonicTime) -> Bool { way.isSilent(now: now) }

    /// Failed pictures whose time is over are tried again.
    mutating func tick(now: MonotonicTime) -> [Action] {
        var actions: [Action] = []
        while let due = known.nextDue(news, now: now) {
            switch due {
            case .lifted(let name): actions.append(.due(name))
            case .pauseOver(let name): news.askAgain(name)
            }
        }
        return actions
    }

    // MARK: Figures

    /// Names with a place on the connection.
    var active: Int { places.held.count }
    var inFlight: Int { way.inFlight }
    var queued: Int { places.waiting }
    /// Places that the queue keeps, those of names that left it included.
    var queuePlaces: Int { places.queuePlaces }
}

internal import AvatarCore

/// What is known of every picture that somebody asked for, and the pictures on their way down.
struct Downloads: Sendable {
    /// A picture that is there is asked for again when it was last so long ago; nil for never, but on a person's word.
    let recheckAfter: Duration?
    /// What is known of each name.
    private(set) var known = KnownPictures()
    private var places = DownloadPlaces()
    private var way: any DownloadWay = ClassicDownloads()
    private var news = PictureNews()
    /// When parts of abandoned transfers were last looked for; the start looks for them too.
    private var partsTrimmedAt: MonotonicTime

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

    private mutating func enqueue(_ name: AvatarName) {
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

    // MARK: Places on the connection

    /// Whether somebody else than the suspects has work for the server.
    var hasWork: Bool { places.hasWork }
    /// Whether no answer is owed.
    var isQuiet: Bool { way.isQuiet }

    /// The suspect with the fewest hang-ups, and how many they are.
    var suspect: (name: AvatarName, hangUps: Int)? { places.suspect(in: known) }

    /// Whether the name has a place, and is asked for.
    func isActive(_ name: AvatarName) -> Bool {
        known[name]?.status == .active && places.isHeld(by: name)
    }

    /// Gives places to those that wait for one, and asks for what has one.
    mutating func pump(now: MonotonicTime) -> [Action] {
        // A suspect whose turn ended without an answer waits for another one.
        for name in places.suspectsAmongHolders(in: known) where way.isQuiet(name) { places.setApart(name) }
        var actions = fillPlaces()
        for request in way.ask(places.held, now: now) { actions.append(.send(request)) }
        return actions
    }

    /// Asks for nothing but one name, over which the server hung up before.
    mutating func pump(alone name: AvatarName, now: MonotonicTime) -> [Action] {
        var actions: [Action] = []
        if places.isSuspect(name) {
            if places.held.count >= Limits.Download.activeMax {
                // One that was stopped keeps its place until nothing is in flight; the suspect's turn comes when there is a place.
                guard let last = places.held.last(where: { known[$0.name]?.status == .active }) else { return [] }
                actions += yield(last.name)
            }
            places.dequeue(name)
            if known[name]?.status == .active {
                takePlace(name, isByAge: false)
            } else {
                actions += begin(name, isByAge: false)
            }
        }
        for request in way.ask(places.held.filter { $0.name == name }, now: now) { actions.append(.send(request)) }
        return actions
    }

    private mutating func fillPlaces() -> [Action] {
        var actions = fillFreePlaces()
        // Each more urgent name that waits makes one less urgent download give up its place, which is free once that download's last
        // answer has come.
        guard !way.takesAnother(places: places.held.count), let best = places.bestWaiting(),
            let last = places.held.last(where: { isYielding($0, to: best) }),
            places.held.count(where: { known[$0.name]?.status != .active }) < places.waiting(above: last.priority)
        else { return actions }
        actions += yield(last.name)
        return actions + fillFreePlaces()
    }

    private mutating func fillFreePlaces() -> [Action] {
        var actions: [Action] = []
        // A disk that is slower than the server holds the next pictures back.
        while way.takesAnother(places: places.held.count), !places.isDiskBehind, let next = places.next() {
            actions += begin(next.name, isByAge: next.isByAge)
        }
        return actions
    }

    private func isYielding(_ place: Place, to visibility: Visibility) -> Bool {
        // What got its place by age keeps it: bulk would starve otherwise.
        !place.isByAge && place.priority < visibility && known[place.name]?.status == .active
            && !way.isReceived(place.name)
    }

    /// The name gives its place to another once it is quiet, and waits for the next one.
    private mutating func yield(_ name: AvatarName) -> [Action] {
        known[name]?.part = way.part(of: name)
        way.stop(name)
        known[name]?.status = .queued
        enqueue(name)
        return releaseIfQuiet(name, isStorageFine: false)
    }

    private mutating func begin(_ name: AvatarName, isByAge: Bool) -> [Action] {
        // Where its old requests still run out, it comes back when they have.
        guard let entry = known[name], !way.isUnderWay(name) else { return [] }
        // Where the stream told of another picture, "not modified" would be no answer.
        way.begin(name, from: entry.part, known: news.digest(of: name) == nil ? entry.record?.sha256 : nil)
        news.asked(name)
        known[name]?.status = .active
        takePlace(name, isByAge: isByAge)
        let detail = entry.part.map { "from byte \($0.held)" }
        return [.log(.step(name: name.string, what: "fetching", detail: detail))]
    }

    private mutating func takePlace(_ name: AvatarName, isByAge: Bool) {
        places.take(name, known[name], isByAge: isByAge)
    }

    private mutating func leave(_ name: AvatarName) {
        places.leave(name)
        way.remove(name)
    }

    /// A download that was stopped gives its place back when its last request is answered.
    mutating func releaseIfQuiet(_ name: AvatarName, isStorageFine: Bool) -> [Action] {
        guard let entry = known[name], entry.status != .active, way.isQuiet(name) else { return [] }
        leave(name)
        if entry.status == .queued, !places.isQueued(name) { enqueue(name) }
        guard entry.status == .stalled, isStorageFine else { return [.unneeded(name)] }
        return [.disk(.lookUp([name], touch: false)), .unneeded(name)]
    }

    // MARK: Pictures that are there, and perhaps old

    /// Whether the picture is there, and asked for again.
    func isRechecked(_ name: AvatarName) -> Bool { known[name]?.recheck != nil }

    /// Whether the picture is there, and the server may have another by now.
    func mayBeOld(_ name: AvatarName) -> Bool {
        known[name]?.status == .ready && known[name]?.checkedAt != nil
    }

    /// Asks the server again for a picture that is there. It stays until another one has come whole.
    mutating func recheck(_ name: AvatarName, _ why: Recheck, _ conditions: Conditions) {
        guard mayBeOld(name), known[name]?.priority != nil, conditions.isStorageFine, !conditions.isOutgoing
        else { return }
        known[name]?.recheck = why
        known[name]?.part = nil
        known[name]?.status = .queued
        enqueue(name)
    }

    /// A label shows the picture: it is asked for again when the server last told of it too long ago.
    mutating func recheckIfOld(_ name: AvatarName, _ conditions: Conditions, now: MonotonicTime) {
        guard conditions.isShown, let recheckAfter, let checkedAt = known[name]?.checkedAt else { return }
        // Of one that is followed the server tells by itself.
        guard !conditions.isFollowed, now - checkedAt >= recheckAfter else { return }
        recheck(name, .old, conditions)
    }

    /// The server said what it has to say of the picture, or cannot be understood: the one that is there stays.
    private mutating func notReplaced(
        _ name: AvatarName, _ reason: AbsenceReason, detail: String, now: MonotonicTime
    ) -> [Action] {
        known[name]?.hangUps = 0
        let note = Note(.info, "asked for again, and not replaced", name: name.string, detail: detail)
        var actions: [Action] = [.log(.note(note))]
        if !reason.mayPass { news.refused(name) }
        actions += checked(name, now: now)
        actions += keep(name, reason: detail, isStorageFine: false)
        // The stream of changes will not say it again.
        if reason.mayPass, let until = news.failed(name, reason, now: now) {
            known.retryLater(name, at: until, besides: news)
        }
        return actions
    }

    /// The server has told of the picture that is there, unless its stream of changes told more since.
    private mutating func checked(_ name: AvatarName, now: MonotonicTime) -> [Action] {
        guard !news.isThere(of: name) else { return [] }
        known[name]?.checkedAt = now
        return [.disk(.noteChecked(name))]
    }

    /// The picture is not asked for any more, and what came of another one goes.
    private mutating func keep(_ name: AvatarName, reason: String?, isStorageFine: Bool) -> [Action] {
        places.dequeue(name)
        way.stop(name)
        // One that still waited for a place has nothing on the disk, unless it had given its place to another.
        let hasPart = known[name]?.status != .queued || known[name]?.part != nil
        known[name]?.recheck = nil
        known[name]?.status = .ready
        known[name]?.part = nil
        news.askAgain(name)
        return (hasPart ? [.disk(.discardPart(name))] : []) + releaseIfQuiet(name, isStorageFine: isStorageFine)
            + [.kept(name, reason: reason)]
    }

    /// Nobody can be asked now: pictures that are there stay as they are, until the next reason to ask.
    mutating func giveUpRechecks(_ reason: String) -> [Action] {
        known.names { $1.recheck != nil && ($1.status == .queued || isOnItsWay($0)) }
            .flatMap { keep($0, reason: reason, isStorageFine: false) }
    }

    /// The stream of changes said that the picture of this name is another, of this digest where that is told.
    mutating func changed(_ name: AvatarName, _ digest: SHA256Digest?) {
        guard let entry = known[name] else { return }
        if let record = entry.record, record.isOwn || entry.checkedAt == nil, record.sha256 != digest { return }
        news.heard(name, digest, current: entry.record?.sha256)
    }

    /// The server once told that the picture of this name is this one. One that is there with other bytes is asked for again: it may have come
    /// later, or from another server.
    mutating func expect(_ name: AvatarName, _ digest: SHA256Digest) {
        guard let entry = known[name] else { return }
        switch entry.status {
        case .unknown, .stalled: news.expect(name, digest)
        default: if mayBeOld(name), entry.record?.sha256 != digest { news.heard(name, nil, current: nil) }
        }
    }

    /// What the stream of changes told of a picture that has just come down, and that is not it: the catalog is to note that once more.
    func newsAfterCommit(of name: AvatarName) -> ChangeNotes? {
        guard news.isThere(of: name) else { return nil }
        var notes = ChangeNotes()
        if let digest = news.digest(of: name) {
            notes.changes[name] = digest
        } else if let owner = known[name]?.record?.owner {
            notes.mayBeOld = [owner]
        }
        return notes
    }

    /// Pictures that the server is to be asked for again because of what its stream of changes said.
    var withNews: [AvatarName] { news.due.isEmpty ? [] : news.due.sorted() }

    /// Asks for what the stream of changes told of, where that may be now. Otherwise whoever wants the picture next asks, or the end of what is on
    /// its way.
    mutating func takeUpNews(of name: AvatarName, _ conditions: Conditions) {
        guard let entry = known[name], entry.status == .ready, entry.priority != nil else {
            return news.putOff(name)
        }
        recheck(name, news.digest(of: name) == nil ? .old : .changed, conditions)
    }

    private func isOnItsWay(_ name: AvatarName) -> Bool {
        known[name]?.status == .active && !way.isReceived(name)
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

// MARK: - What the server and the disk say

extension Downloads {
    /// A reply came.
    mutating func replied(
        _ reply: ServerReply.Kind, isStorageFine: Bool, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        switch way.replied(reply, places: places.held, now: now, random: &random) {
        case .of(let name, let events):
            var actions: [Action] = []
            for event in events { handle(event, of: name, now: now, &actions) }
            return actions + releaseIfQuiet(name, isStorageFine: isStorageFine)
        case .stale: return []
        case .stray(let detail): return [.stray(detail)]
        }
    }

    /// Requests that are to be given up now, whether anything may be asked or not.
    mutating func takeCancelled() -> [Action] { way.takeCancelled().map { .send($0) } }

    /// Nothing is to be fetched for a while.
    mutating func pause() { way.pause() }

    /// Requests take this way from now on. No picture is under way where it is another one than before.
    mutating func take(_ way: Login.Way) {
        switch (way, self.way) {
        case (.classic, is ClassicDownloads), (.http, is HTTPDownloads): break
        case (.classic, _): self.way = ClassicDownloads()
        case (.http, _): self.way = HTTPDownloads()
        }
    }

    private mutating func handle(
        _ event: DownloadEvent, of name: AvatarName, now: MonotonicTime, _ actions: inout [Action]
    ) {
        switch event {
        case .began(let plan):
            // What nobody came back for goes when new parts come, once in the time that a part is good for.
            if now - partsTrimmedAt >= Limits.Download.partAge {
                partsTrimmedAt = now
                actions.append(.disk(.trimParts(keep: known.kept.sorted())))
            }
            actions.append(.disk(.beginPart(name, plan)))
        case .received(let offset, let bytes):
            known[name]?.hangUps = 0
            actions += [
                .answered(name), .disk(.append(name, offset: offset, bytes: bytes)),
                .received(name, bytes: bytes.count),
            ]
            if way.isReceived(name) { places.waitForDisk(name, offset + Int64(bytes.count)) }
        case .startedOver(let times):
            actions += [
                .startedOver, .log(.step(name: name.string, what: "starting over", detail: "start \(times + 1)")),
            ]
        case .unchanged:
            actions.append(.answered(name))
            guard known[name]?.recheck != nil else {
                actions += fail(
                    name, .serverError, detail: "it has not changed, says the server, and it is not there", now: now)
                return
            }
            if let digest = known[name]?.record?.sha256 { news.answered(name, digest) }
            actions += checked(name, now: now)
            actions += keep(name, reason: nil, isStorageFine: false)
        case .failed(let reason, let detail):
            actions.append(.answered(name))
            actions += fail(name, reason, detail: detail, now: now)
            if reason == .absent { actions.append(.notThere(name)) }
        case .loginRefused(let refusal):
            leave(name)
            known[name]?.status = .idle
            actions += [.due(name), .loginRefused(refusal)]
        }
    }

    /// The disk has the bytes of a part up to `offset`; the commit to make, when that is all of it.
    mutating func wrote(_ name: AvatarName, through offset: Int64) -> [Action] {
        guard known[name]?.status == .active, way.wrote(name, through: offset) else { return [] }
        let owner = way.owner(of: name)
        leave(name)
        known[name]?.status = .committing
        return [.disk(.commit([CommitMachine.Item(name: name, origin: .download(owner: owner))]))]
    }

    /// A copy of the user's own crop is committed under this name.
    mutating func commitsCrop(_ name: AvatarName) { known[name, default: Entry()].status = .committing }

    /// The picture is there.
    mutating func recorded(_ record: AvatarRecord, now: MonotonicTime) {
        known[record.name, default: Entry()].record = record
        known[record.name]?.checkedAt = record.isOwn ? nil : now
        known[record.name]?.recheck = nil
        known[record.name]?.part = nil
        known[record.name]?.status = .ready
        known[record.name]?.refusal = nil
        known[record.name]?.diskFailures = 0
        if record.isOwn { news.forget(record.name) } else { news.answered(record.name, record.sha256) }
    }

    /// The commit of a crop's copy failed for good.
    mutating func cropNotPlaced(_ name: AvatarName) { known[name]?.status = .idle }

    /// Whether the disk failed over this one picture so often, with room on it, that the picture makes way for the others; the reason.
    mutating func failsTooOften(_ name: AvatarName, _ fault: StorageFault) -> String? {
        guard case .failed(let detail) = fault else { return nil }
        known[name]?.diskFailures += 1
        return known[name]?.diskFailures ?? 0 > Limits.Storage.triesMax ? detail : nil
    }

    /// The commit waits for the disk.
    mutating func commitStalled(_ name: AvatarName) { known[name]?.status = .stalled }

    /// Its bytes did not get to the disk: once nothing is in flight, the catalog says what is there.
    mutating func stall(_ name: AvatarName, isStorageFine: Bool) -> [Action] {
        guard known[name]?.status == .active || known[name]?.status == .queued else { return [] }
        way.stop(name)
        places.dequeue(name)
        known[name]?.status = .stalled
        return releaseIfQuiet(name, isStorageFine: isStorageFine)
    }

    /// The file system takes no file of that name.
    mutating func partRefused(_ name: AvatarName, reason: String, now: MonotonicTime) -> [Action] {
        known[name]?.status == .active ? fail(name, .unsupported, detail: reason, now: now) : []
    }

    /// A cache file went, by a person's hand or by eviction; whether it was taken for there.
    mutating func vanished(_ name: AvatarName) -> Bool {
        guard let entry = known[name], entry.status == .ready || entry.recheck != nil else { return false }
        known[name]?.record = nil
        known[name]?.checkedAt = nil
        // What is on its way already is a picture that is missing from now on.
        known[name]?.recheck = nil
        news.forget(name)
        if entry.status == .ready { known[name]?.status = .idle }
        return true
    }

    /// A picture has come to lie under its name by another hand than a commit's.
    mutating func adopted(_ record: AvatarRecord) {
        switch known[record.name]?.status {
        case .idle, .failed, .unknown, .ready, .stalled:
            known[record.name]?.record = record
            known[record.name]?.checkedAt = nil
            known[record.name]?.status = .ready
            news.forget(record.name)
        // A transfer under way comes to its end by itself, and finds the same bytes or another's.
        case .queued, .active, .committing, nil: break
        }
    }

    // MARK: The connection

    /// Nothing that was asked will be answered.
    mutating func connectionLost(isStorageFine: Bool) -> [Action] {
        way.connectionLost()
        return places.holders.flatMap { releaseIfQuiet($0, isStorageFine: isStorageFine) }
    }

    /// The server hung up. Names for which it owed an answer are suspects from now on, and wait for their turn alone; those over which it
    /// hung up too often while they were `alone` fail.
    mutating func hungUp(alone: Transfer?, now: MonotonicTime) -> [Action] {
        var actions: [Action] = []
        for name in places.holders where known[name]?.status == .active && !way.isQuiet(name) {
            let count = known[name]?.hangUps ?? 0
            known[name]?.hangUps = alone == .download(name) ? count + 1 : max(count, 1)
            guard let count = known[name]?.hangUps, count < Limits.Connection.hangUpsMax else {
                actions += fail(
                    name, .serverError, detail: "the server hung up \(Limits.Connection.hangUpsMax) times over it",
                    now: now)
                continue
            }
            places.setApart(name)
        }
        return actions
    }

    /// What was fetched from another server, or for another user, may be another file's bytes. The connection is closed: no answer is owed.
    mutating func forgetParts(isStorageFine: Bool) -> [Action] {
        known.forgetParts()
        way.accountChanged()
        news.accountChanged()
        var actions: [Action] = []
        for name in places.concerned {
            way.remove(name)
            if known[name]?.status == .active { known[name]?.status = .queued }
            actions += releaseIfQuiet(name, isStorageFine: isStorageFine)
        }
        return actions
    }
}

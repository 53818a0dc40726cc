internal import AvatarCore

// What the server and the disk say of pictures on their way, and what becomes of those when the connection ends.
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

    /// The server answered the greeting of a connection.
    mutating func greeted(_ head: HTTPHead) { way.greeted(head) }

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
    /// `owner` is whose picture it is where the server does not say.
    mutating func wrote(_ name: AvatarName, through offset: Int64, owner: UserID?) -> [Action] {
        guard known[name]?.status == .active, way.wrote(name, through: offset) else { return [] }
        let owner = way.owner(of: name) ?? owner
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

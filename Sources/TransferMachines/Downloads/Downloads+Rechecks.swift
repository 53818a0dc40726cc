internal import AvatarCore

// Pictures that are there, and perhaps old: what has the server asked for them again, and what comes of that.
extension Downloads {
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
    mutating func notReplaced(
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
    mutating func checked(_ name: AvatarName, now: MonotonicTime) -> [Action] {
        guard !news.isThere(of: name) else { return [] }
        known[name]?.checkedAt = now
        return [.disk(.noteChecked(name))]
    }

    /// The picture is not asked for any more, and what came of another one goes.
    mutating func keep(_ name: AvatarName, reason: String?, isStorageFine: Bool) -> [Action] {
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

    func isOnItsWay(_ name: AvatarName) -> Bool {
        known[name]?.status == .active && !way.isReceived(name)
    }
}

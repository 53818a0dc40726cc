internal import AvatarCache
internal import AvatarCore
internal import Logging
internal import PosixFiles
internal import TransferMachines

// What the catalog knows, for the machine and for subscribers.
extension DiskWorker {
    func lookUp(_ names: [AvatarName], touch: Bool) throws(CacheError) {
        results.append(.lookedUp(try rows(names)))
        guard touch else { return }
        // A note of use that failed says nothing of the files.
        do throws(CacheError) {
            try catalog.touch(names, at: now())
        } catch {
            logger.warning("what is wanted cannot be noted", metadata: ["detail": "\(error)"])
            results.append(.failed(.touch(names), fault(of: error)))
        }
    }

    /// What the catalog knows of names, and whether the folder agrees: a file that was taken away unnoticed is gone.
    func rows(_ names: [AvatarName]) throws(CacheError) -> [CatalogRow] {
        let avatars = try catalog.avatars(named: names)
        return try rows(names.map { ($0, avatars[$0]) })
    }

    private func rows(_ found: [(name: AvatarName, avatar: AvatarRow?)]) throws(CacheError) -> [CatalogRow] {
        let negatives = try catalog.negatives(named: found.filter { $0.avatar == nil }.map(\.name))
        let moment = clock.now
        let wall = now()
        var rows: [CatalogRow] = []
        var gone: [AvatarName] = []
        rows.reserveCapacity(found.count)
        for (name, avatar) in found {
            var row = CatalogRow(name: name)
            if let avatar {
                if try isIntact(avatar) ? true : isKept(avatar) {
                    row.avatar = AvatarRecord(avatar)
                    if avatar.origin == .downloaded { row.checked = checked(avatar, wall: wall, moment) }
                } else {
                    gone.append(name)
                }
            }
            if row.avatar == nil {
                row.part = try cache.resumablePart(name, serverKey: accountKey ?? "", now: moment)?.machinePart
                row.negative = try standing(negatives[name]).map {
                    Negative(
                        reason: $0.reason, of: name, attempts: Int(clamping: $0.attempts), keptUntil: $0.until,
                        wall: wall,
                        now: moment)
                }
            }
            rows.append(row)
        }
        for event in try removed(gone) { results.append(.vanished(event.name, [event])) }
        return rows
    }

    /// The refusal, unless what lay in the picture's place went while nobody looked.
    private func standing(_ negative: NegativeRow?) throws(CacheError) -> NegativeRow? {
        guard let negative, negative.reason == .nameTaken else { return negative }
        return try cache.facts(of: negative.name) == nil ? nil : negative
    }

    /// When the server last told of a picture, on the agent's clock. A time that nobody noted, or that is still to come on the wall clock,
    /// says nothing, and counts as long ago.
    private func checked(_ row: AvatarRow, wall: UnixTime, _ moment: MonotonicTime) -> MonotonicTime {
        guard let checked = row.checked, checked <= wall else { return moment + (.zero - Limits.Download.longAgo) }
        return moment + .milliseconds(checked.milliseconds - wall.milliseconds)
    }

    func setNegative(_ name: AvatarName, _ reason: AbsenceReason, attempts: Int) throws(CacheError) {
        let wall = now()
        let row = NegativeRow(
            name: name, owner: nil, reason: reason,
            until: Negative.keptUntil(reason, of: name, attempts: attempts, wall: wall), tokenEpoch: tokenEpoch,
            generation: nil, attempts: Int64(attempts))
        results.append(.logged([AvatarEvent(try catalog.setNegative(row, at: wall))]))
    }

    // MARK: What subscribers ask

    func readEvents(_ stream: StreamID, since: Int64?, epoch: String?) throws(CacheError) {
        let last = try catalog.lastCursor()
        let current = catalog.opening.epoch
        var page = TransferMachines.EventPage(epoch: current, cursor: last, reset: false, events: [], rows: [])
        if let since {
            switch try catalog.events(
                after: since, epoch: epoch ?? current, limit: Limits.Labels.changesPerReplyMax)
            {
            case .reset: page.reset = true
            case .events(let events): page.events = events.map { AvatarEvent($0) }
            }
        }
        page.rows = try rows(Array(Set(page.events.map(\.name))).sorted())
        results.append(.events(stream, page))
    }

    func list(_ stream: StreamID, state: AvatarView.State?, after: AvatarName?, limit: Int) throws(CacheError) {
        let page = try catalog.list(filter(for: state), after: after, limit: limit)
        // Crops that wait for another account are not on their way while this one is logged in.
        let own = state == .outgoing ? page.filter { $0.crop?.account == accountKey } : page
        let rows = try rows(own.map { ($0.name, $0.avatar) })
        results.append(.listed(stream, rows, next: page.count == limit ? page.last?.name : nil))
    }

    private func filter(for state: AvatarView.State?) -> ListFilter {
        switch state {
        case nil: .all
        case .ready: .ready
        case .outgoing: .outgoing
        case .pending, .paused: .pending
        case .absent: .absent
        case .failed, .builtin: .failed
        }
    }

    func forget(_ stream: StreamID, _ name: AvatarName) throws(CacheError) {
        try cache.discardParts([name])
        try catalog.clearNegatives([name])
        if let event = try cache.forget(name, at: now()) { results.append(.vanished(name, [AvatarEvent(event)])) }
        results.append(.forgotten(stream))
    }
}

internal import AvatarCore
internal import HeapModule

extension AgentMachine {
    // MARK: Wishes

    /// Makes the machine care for names, and asks the catalog about those it does not know yet.
    mutating func lookUp(_ names: [AvatarName], touch: Bool) {
        var unknown: [AvatarName] = []
        for name in names where entries[name] == nil {
            entries[name] = Entry()
            unknown.append(name)
        }
        if !unknown.isEmpty { actions.append(.disk(.lookUp(unknown, touch: touch))) }
    }

    /// A label, a Fetch or the icon came or went: how much is the name wanted now?
    mutating func refreshWish(_ name: AvatarName) {
        guard let old = entries[name] else { return }
        let rank = [labels.visibility(of: name), old.fetchWish, old.followWish, name == icon ? Visibility.near : nil]
            .compactMap(\.self).max()
        if rank != old.rank {
            entries[name]?.rank = rank
            entries[name]?.wishedAt = now
        }
        guard let rank else {
            queue.remove(name)
            if old.status == .queued { entries[name]?.status = .idle }
            if old.status == .active, let download = downloads[name], download.transferred != download.totalSize {
                entries[name]?.part = download.part
                entries[name]?.status = .idle
                downloads[name]?.stop()
                releaseIfQuiet(name)
            }
            dropIfUnwanted(name)
            return
        }
        switch old.status {
        case .idle: want(name)
        case .queued where old.rank != rank: enqueue(name, rank)
        case .failed(_, _, let until):
            if until <= now { want(name) } else { retryLater(name, at: until) }
        default: break
        }
    }

    /// Gets a wanted picture onto its way.
    mutating func want(_ name: AvatarName) {
        guard let entry = entries[name], let rank = entry.rank else { return }
        if entry.record != nil {
            entries[name]?.status = .ready
        } else if uploads.pending(name) != nil {
            entries[name]?.status = .idle
        } else if !storage.isFine {
            entries[name]?.status = .stalled
        } else {
            entries[name]?.status = .queued
            enqueue(name, rank)
        }
    }

    private mutating func enqueue(_ name: AvatarName, _ rank: Visibility) {
        guard let entry = entries[name] else { return }
        queue.put(name, visibility: rank, wishedAt: entry.wishedAt, size: entry.part?.geometry.totalSize)
    }

    /// Forgets what nobody wants and nothing owes an answer for; its part stays, to go on from.
    mutating func dropIfUnwanted(_ name: AvatarName) {
        guard let entry = entries[name], entry.rank == nil, entry.questions.isEmpty, entry.snapshotWaiters.isEmpty,
            !uploadCalls.values.contains(name)
        else { return }
        if let download = downloads[name], !download.isQuiet { return }
        switch entry.status {
        case .unknown, .committing: return
        default: break
        }
        active.removeAll { $0 == name }
        queue.remove(name)
        downloads[name] = nil
        entries[name] = nil
    }

    // MARK: Places on the connection

    mutating func pumpDownloads() {
        guard canDownload else { return }
        fillPlaces()
        var budget = Limits.Download.inFlightMax
        var asking: [AvatarName] = []
        for name in active {
            guard let download = downloads[name] else { continue }
            budget -= download.inFlight
            if download.wantsToAsk(now: now) { asking.append(name) }
        }
        // Each place moves, however full the windows of more urgent ones are; the rest goes by urgency.
        // One whose pause is over hears of it even when there is no room: its deadline would stay in the past, and wake for nothing.
        for name in asking where downloads[name]?.isQuiet == true { ask(name, atMost: min(1, budget), of: &budget) }
        guard budget > 0, !asking.isEmpty else { return }
        let ranks = asking.map { entries[$0]?.rank ?? .hidden }
        for visibility in Visibility.allCases.reversed() {
            for (name, rank) in zip(asking, ranks) where budget > 0 && rank == visibility {
                ask(name, atMost: budget, of: &budget)
            }
        }
    }

    private mutating func ask(_ name: AvatarName, atMost count: Int, of budget: inout Int) {
        for seq in downloads[name]?.ask(budget: count, now: now) ?? [] {
            budget -= 1
            actions.append(.send(.download(name: name, seq: seq)))
        }
    }

    private mutating func fillPlaces() {
        fillFreePlaces()
        // Somebody who is seen waits while somebody who is not has a place: that one hands it over once it is quiet, one for each.
        guard active.count >= Limits.Download.activeMax, let best = queue.bestVisibility(),
            let last = active.last(where: { isYielding($0, to: best) }),
            let download = downloads[last],
            active.count(where: { entries[$0]?.status != .active })
                < queue.count(above: entries[last]?.rank ?? .hidden)
        else { return }
        let part = download.part
        downloads[last]?.stop()
        entries[last]?.part = part
        entries[last]?.status = .queued
        enqueue(last, entries[last]?.rank ?? .hidden)
        releaseIfQuiet(last)
        fillFreePlaces()
    }

    private mutating func fillFreePlaces() {
        while active.count < Limits.Download.activeMax, let next = queue.take() {
            begin(next.name, isByAge: next.isByAge)
        }
    }

    private func isYielding(_ name: AvatarName, to visibility: Visibility) -> Bool {
        // What got its place by age keeps it: bulk would starve otherwise.
        guard let entry = entries[name], entry.status == .active, !entry.isByAge, let download = downloads[name]
        else { return false }
        return (entry.rank ?? .hidden) < visibility && download.transferred != download.totalSize
    }

    private mutating func begin(_ name: AvatarName, isByAge: Bool) {
        guard let entry = entries[name], downloads[name] == nil else {
            // Its old requests still run out; it comes back when they have.
            return
        }
        downloads[name] = ClassicDownload(part: entry.part)
        entries[name]?.isByAge = isByAge
        entries[name]?.status = .active
        active.append(name)
        activity.step(name: name.string, what: "fetching", detail: entry.part.map { "from byte \($0.held)" }, now: now)
    }

    /// A download that was stopped gives its place back when its last request is answered.
    mutating func releaseIfQuiet(_ name: AvatarName) {
        guard let entry = entries[name], entry.status != .active, downloads[name]?.isQuiet != false else { return }
        active.removeAll { $0 == name }
        downloads[name] = nil
        if let rank = entry.rank, entry.status == .queued, !queue.contains(name) { enqueue(name, rank) }
        if entry.status == .stalled, storage.isFine { actions.append(.disk(.lookUp([name], touch: false))) }
        dropIfUnwanted(name)
    }

    // MARK: Replies

    mutating func downloadReplied(_ answered: String?, _ reply: ClassicDownload.Reply) {
        guard let name = answered.map({ try? AvatarName($0) }) ?? oldestAsked(), downloads[name] != nil else {
            return stray("a picture named \(answered.map { String($0.prefix(80)) } ?? "nothing")")
        }
        let restarts = downloads[name]?.restarts ?? 0
        let steps = downloads[name]?.replied(reply, now: now, random: &random) ?? []
        if let count = downloads[name]?.restarts, count > restarts {
            activity.restarts += 1
            activity.step(name: name.string, what: "starting over", detail: "start \(count + 1)", now: now)
        }
        for step in steps { downloadStep(name, step) }
        releaseIfQuiet(name)
    }

    /// The name that an error reply without a name must mean: the oldest request for a first chunk, which goes alone, since only the
    /// answers to those may hold nothing but the error; the oldest of the others where there is none.
    private func oldestAsked() -> AvatarName? {
        func age(_ name: AvatarName) -> (isLater: Int, owedUntil: MonotonicTime) {
            let download = downloads[name]
            return (download?.oldestAsked == 1 ? 0 : 1, download?.silentAt ?? .zero)
        }
        return active.filter { (downloads[$0]?.inFlight ?? 0) > 0 }.min { age($0) < age($1) }
    }

    private mutating func downloadStep(_ name: AvatarName, _ step: ClassicDownload.Action) {
        switch step {
        case .begin(let totalSize, let chunkSize):
            trimParts()
            actions.append(.disk(.beginPart(name, totalSize: totalSize, chunkSize: chunkSize)))
        case .append(let offset, let bytes):
            connection.proven()
            entries[name]?.interruptions = 0
            activity.bytesDown += Int64(bytes.count)
            actions.append(.disk(.append(name, offset: offset, bytes: bytes)))
            tellProgress(name)
        case .commit(let totalSize):
            finishedReceiving(name, totalSize: totalSize)
        case .tokenRefused(let error):
            downloads[name] = nil
            active.removeAll { $0 == name }
            entries[name]?.status = .idle
            want(name)
            tokenRefused(error)
        case .failed(let reason, let detail):
            connection.proven()
            fail(name, reason, detail: detail)
        case .stray:
            stray("one more chunk of \(name)")
        }
    }

    /// What nobody came back for goes when new parts come, once in the time that a part is good for.
    private mutating func trimParts() {
        guard now - partsTrimmedAt >= Limits.Download.partAge else { return }
        partsTrimmedAt = now
        actions.append(.disk(.trimParts(keep: kept())))
    }

    // MARK: Ends

    /// It is not to be had for now; everybody who waits is told.
    mutating func fail(_ name: AvatarName, _ reason: AbsenceReason, detail: String) {
        let until = now + Negative.timeToLive(reason)
        entries[name]?.status = .failed(reason, detail: detail, until: until)
        entries[name]?.part = nil
        downloads[name]?.stop()
        entries[name]?.interruptions = 0
        note(
            reason == .absent ? .debug : .warning, "not to be had: \(reason.rawValue)", name: name.string,
            detail: detail)
        actions.append(.disk(.discardPart(name)))
        actions.append(.disk(.setNegative(name, reason)))
        if downloads[name]?.isQuiet == true {
            downloads[name] = nil
            active.removeAll { $0 == name }
        }
        concluded(name)
    }

    /// Tells labels and calls of a state that counts as an end, and forgets the name when nobody is left.
    mutating func concluded(_ name: AvatarName) {
        tellLabels(name)
        callsConcluded(name)
    }

    /// The same for calls alone, where the labels know it.
    mutating func callsConcluded(_ name: AvatarName) {
        tellFetches(name)
        tellUploadCalls(name)
        entries[name]?.fetchWish = nil
        entries[name]?.followWish = nil
        refreshWish(name)
    }

    /// A person asked, or the server has something new: what failed is worth a try.
    mutating func liftNegatives(_ names: [AvatarName]) {
        actions.append(.disk(.clearNegatives(names)))
        liftFailures(names)
    }

    mutating func liftFailures(_ names: [AvatarName]) {
        for name in names {
            guard case .failed = entries[name]?.status else { continue }
            entries[name]?.status = .idle
            want(name)
        }
    }

    /// Once for each call; what is not needed any more is swept out when it is the greater part.
    private mutating func retryLater(_ name: AvatarName, at time: MonotonicTime) {
        retries.insert(Retry(at: time, name: name))
        guard retries.count > 2 * entries.count + 64 else { return }
        retries = Heap()
        for (name, entry) in entries where entry.rank != nil {
            if case .failed(_, _, let until) = entry.status { retries.insert(Retry(at: until, name: name)) }
        }
    }

    mutating func retryFailed() {
        while let retry = retries.min, retry.at <= now {
            retries.removeMin()
            guard case .failed(_, _, let until) = entries[retry.name]?.status, until <= now,
                entries[retry.name]?.rank != nil
            else { continue }
            entries[retry.name]?.status = .idle
            want(retry.name)
        }
    }
}

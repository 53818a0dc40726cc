internal import AvatarCore

// Places on the connection: who gets one, who gives one up, and who goes alone.
extension Downloads {
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

    mutating func leave(_ name: AvatarName) {
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
}

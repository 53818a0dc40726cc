internal import AvatarCore

/// Which of the paths of the configuration lead elsewhere than to what is held of them, when they are compared again, and what is tried to
/// hold the new ones.
///
/// Folders are opened and watched anew, the socket is made anew, and the state folder is made anew from the open catalog. Where somebody
/// else has the state, the agent ends: two agents must not work on one state, and a start takes what lies there.
struct PathHealth: Sendable {
    /// What the rest of the machine, or the driver, has to do.
    enum Action: Hashable, Sendable {
        case disk(DiskCommand)
        case attach(WatchedFolder)
        case bindBus
        /// The folder is to be looked through.
        case rescan(WatchedFolder)
        /// What is known of the folder's files is not true of its path now.
        case away(WatchedFolder)
        case log(ActivityLog.Entry)
        case end(reason: String)
    }

    private struct Loss: Sendable {
        /// When it is tried again; nil while a try is under way.
        var retryAt: MonotonicTime?
        var isTried = false
        var triesLocked = 0
        var backoff = Backoff(first: Limits.Storage.retryFirst, longest: Limits.Storage.retryMax)
    }

    private let places: PlaceNames
    private var losses: [HeldPath: Loss] = [:]
    private var isComparing = false
    /// Whether something came while the paths were being compared.
    private var isDueAgain = false
    private var compareAt = MonotonicTime.never

    init(places: PlaceNames) { self.places = places }

    var deadline: MonotonicTime { losses.values.reduce(compareAt) { min($0, $1.retryAt ?? .never) } }

    func isLost(_ path: HeldPath) -> Bool { losses[path] != nil }

    // MARK: Comparing

    /// From now on the paths are compared now and then without a reason.
    mutating func started(now: MonotonicTime) { compareAt = now + Limits.Paths.compareInterval }

    /// There is a reason to compare the paths with what is held. Reasons that come while they are compared are taken together.
    mutating func compare() -> [Action] {
        guard !isComparing else {
            isDueAgain = true
            return []
        }
        isComparing = true
        return [.disk(.comparePaths)]
    }

    /// Where the paths lead; nothing is known of those that were not found out.
    mutating func compared(
        _ findings: [PathFinding], now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        isComparing = false
        if compareAt != .never { compareAt = now + Limits.Paths.compareInterval }
        var actions = findings.flatMap { found($0, now: now, random: &random) }
        if isDueAgain {
            isDueAgain = false
            actions += compare()
        }
        return actions
    }

    private mutating func found(
        _ finding: PathFinding, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        let path = finding.path
        let isKnown = isLost(path)
        switch (finding.standing, path) {
        case (.held, .folder):
            // It lies at its path, but it was said to be gone: it is watched anew.
            return isKnown ? attempt(path) : []
        case (.held, _): return isKnown ? solved(path) : []
        case (.another, _), (.missing, _):
            var actions: [Action] = []
            if !isKnown {
                let reason = finding.standing == .another ? "something else lies at its path now" : "it is gone"
                actions = lose(path, reason: reason, remedy: nil, now: now, random: &random)
            }
            if case .folder(let folder) = path { actions.append(.away(folder)) }
            guard finding.standing == .missing else { return actions + attempt(path) }
            // Where crops were, nothing is made: an empty folder in their place would be taken for theirs when they come back.
            if path != .folder(.crops) { makeSoon(path, now: now) }
            return actions
        }
    }

    /// What is missing is made after a moment: whoever has removed it may be about to make it, and must not find it made.
    private mutating func makeSoon(_ path: HeldPath, now: MonotonicTime) {
        guard let loss = losses[path], !loss.isTried else { return }
        losses[path]?.retryAt = min(loss.retryAt ?? .never, now + Limits.Paths.makeDelay)
    }

    /// Tries to hold what lies at the path now, unless a try is under way.
    private mutating func attempt(_ path: HeldPath) -> [Action] {
        guard let loss = losses[path], !loss.isTried else { return [] }
        losses[path]?.isTried = true
        losses[path]?.retryAt = nil
        switch path {
        case .folder(let folder): return [.attach(folder)]
        case .state: return [.disk(.restoreState)]
        case .bus: return [.bindBus]
        }
    }

    // MARK: What came of it

    /// The folder is gone, or could not be opened or watched.
    mutating func lost(
        _ folder: WatchedFolder, reason: String, remedy: String?, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        let isNew = !isLost(.folder(folder))
        let actions = lose(.folder(folder), reason: reason, remedy: remedy, now: now, random: &random)
        // Another folder may lie at the path already. When a try has failed, only an event or the next try tells.
        return isNew ? actions + compare() : actions
    }

    /// The folder could not be opened, nor made.
    mutating func unopened(
        _ folder: WatchedFolder, reason: String, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        lost(folder, reason: reason, remedy: nil, now: now, random: &random) + [.away(folder)]
    }

    mutating func back(_ folder: WatchedFolder) -> [Action] {
        let note = Note(.info, "a folder is watched again", detail: folder.rawValue)
        return solved(.folder(folder)) + [.log(.note(note)), .rescan(folder)]
    }

    mutating func busBound(failure: String?, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        guard let failure else {
            return solved(.bus) + [.log(.note(Note(.warning, "the bus's socket was gone and is made anew")))]
        }
        return lose(.bus, reason: failure, remedy: nil, now: now, random: &random)
    }

    mutating func stateRestored() -> [Action] {
        guard isLost(.state) else { return [] }
        return solved(.state) + [
            .log(
                .note(
                    Note(
                        .warning, "the state was gone and is made anew; nothing of it is lost", detail: places.state)))
        ]
    }

    mutating func stateNotRestored(
        _ fault: StateFault, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        switch fault {
        case .foreign:
            return [
                .end(
                    reason:
                        "another catalog lies in the state folder \(places.state) now: a new start works with that one")
            ]
        case .locked:
            losses[.state, default: Loss()].triesLocked += 1
            guard losses[.state]?.triesLocked ?? 0 < Limits.Paths.lockTriesMax else {
                return [
                    .end(
                        reason:
                            "another agent runs on the state folder \(places.state), which was taken from under this one"
                    )
                ]
            }
            return lose(.state, reason: "another agent has locked it", remedy: nil, now: now, random: &random)
        case .failed(let fault):
            return lose(.state, reason: "\(fault)", remedy: nil, now: now, random: &random)
        }
    }

    mutating func tick(now: MonotonicTime) -> [Action] {
        var actions: [Action] = []
        for path in [HeldPath.folder(.crops), .folder(.cache), .state, .bus] {
            guard let retryAt = losses[path]?.retryAt, retryAt <= now else { continue }
            actions += attempt(path)
            // What cannot be watched is looked through meanwhile.
            if case .folder(let folder) = path { actions.append(.rescan(folder)) }
        }
        if compareAt <= now {
            compareAt = now + Limits.Paths.compareInterval
            actions += compare()
        }
        return actions
    }

    // MARK: Words

    private mutating func lose(
        _ path: HeldPath, reason: String, remedy: String?, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        var loss = losses[path] ?? Loss()
        loss.retryAt = now + loss.backoff.next(using: &random)
        loss.isTried = false
        losses[path] = loss
        let name = Self.name(of: path)
        let place = places.path(of: path)
        let what =
            switch path {
            case .folder: "the \(name) folder is not watched: \(reason)"
            case .state: "the state folder is not where the configuration says: \(reason)"
            case .bus: "the bus's socket is not where the configuration says: \(reason)"
            }
        let title =
            switch path {
            case .folder: "a folder is not watched"
            case .state: "the state is gone"
            case .bus: "the bus's socket is gone"
            }
        let note = Note(.warning, title, detail: "\(name)\(place.isEmpty ? "" : " \(place)"): \(reason)")
        return [
            .log(
                .problem(
                    key: Self.key(path), what: place.isEmpty ? what : "\(what) (\(place))",
                    remedy: remedy ?? Self.remedy(path, place), note: note))
        ]
    }

    private mutating func solved(_ path: HeldPath) -> [Action] {
        losses[path] = nil
        return [.log(.solved(key: Self.key(path)))]
    }

    private static func remedy(_ path: HeldPath, _ place: String) -> String {
        switch path {
        case .folder: "put it back where the configuration says" + (place.isEmpty ? "" : ": \(place)")
        case .state: "see that the agent may write there, or start it anew"
        case .bus: "see what lies there, or start the agent anew"
        }
    }

    private static func name(of path: HeldPath) -> String {
        switch path {
        case .folder(.crops): "upload"
        case .folder(.cache): "cache"
        case .state: "state"
        case .bus: "bus"
        }
    }

    private static func key(_ path: HeldPath) -> ExactString {
        switch path {
        case .folder(let folder): "folder \(folder.rawValue)"
        case .state: "state folder"
        case .bus: "bus socket"
        }
    }
}

package import AvatarCore

/// Every decision of the agent between the server, the two folders, the catalog and the subscribers.
///
/// Inputs go in one at a time, with the time; what is to be done comes out in order. The machine reads no clock and draws no randomness but
/// what it is handed. Its state has owners, each in a file of its own. This file hands inputs to them and decides whose turn the server
/// is; `AgentMachine+Routing.swift` carries what one owner says to the others.
package struct AgentMachine: Sendable {
    var random: SeededRandom
    var now: MonotonicTime
    var actions: [AgentAction] = []
    var hasStarted = false
    /// Files and bytes in the cache, as the disk counted them last.
    var totals: (files: Int, bytes: Int64) = (0, 0)

    var session: Session
    var turns = TurnRule()
    var downloads: Downloads
    var uploads = Uploads()
    var discovery: CropDiscovery
    var storage: StorageHealth
    var paths: PathHealth
    var cachePlace = CachePlace.held
    var subscribers = Subscribers()
    var follower = ChangeFollower()
    /// When it is looked at whose avatars are to be followed; nil while that is known.
    var followAt: MonotonicTime?
    /// A picture that was saved again while it was the icon as far as was known; the server is asked.
    var savedAgain: AvatarName?
    /// Persons who wait for what the folders and the catalog differ in, until every file that was heard of has been examined.
    var checks: [StreamID] = []
    /// Those that asked before the catalog was open, and whether they want a look.
    var earlyChecks: [(stream: StreamID, look: Bool)] = []
    /// What `Status` and `Explain` tell.
    package internal(set) var activity = ActivityLog()

    /// An agent that has not opened its catalog yet. `isShared` when one folder is cache and upload folder at once.
    /// `recheckAfter` says how long a picture that is there is shown before the server is asked for it again; nil for ever.
    package init(
        now: MonotonicTime, seed: UInt64, isShared: Bool = false, places: PlaceNames = .unnamed,
        recheckAfter: Duration? = Limits.Download.recheckAfter
    ) {
        self.now = now
        random = SeededRandom(seed: seed)
        session = Session(now: now)
        downloads = Downloads(now: now, recheckAfter: recheckAfter)
        discovery = CropDiscovery(isShared: isShared)
        storage = StorageHealth(places: places)
        paths = PathHealth(places: places)
    }

    /// Takes one input; what is to be done, in order.
    package mutating func handle(_ input: AgentInput, now: MonotonicTime) -> [AgentAction] {
        handle(CollectionOfOne(input), now: now)
    }

    /// Takes inputs that came together, in order. What the server is asked next is decided once for all of them.
    package mutating func handle(_ inputs: some Sequence<AgentInput>, now: MonotonicTime) -> [AgentAction] {
        self.now = max(now, self.now)
        for input in inputs { take(input) }
        pump()
        answerChecks()
        // A new array: emptying the one that goes out would copy it first, at the size of the largest answer ever.
        defer { actions = [] }
        return actions
    }

    private mutating func take(_ input: AgentInput) {
        switch input {
        case .login(let login): logIn(login)
        case .logout: logOut()
        case .loginUnusable(let reason):
            log(.problem(key: "token", what: reason, remedy: "avatarctl login makes a new one"))
        case .configurationRead(let facts): configurationRead(facts)
        case .tokenUnusable(let reason): perform(session.tokenUnusable(reason))
        case .connection(.opened(let number)): opened(number)
        case .connection(.closed(let number, let cause)):
            perform(session.closed(number, cause: cause, hasWork: hasWork, now: self.now, random: &random))
        case .replies(let replies): for reply in replies { replied(reply) }
        case .disk(let result): handle(result)
        case .folder(let change): handle(change)
        case .pathsMayDiffer: perform(paths.compare())
        case .busBound(let failure): perform(paths.busBound(failure: failure, now: self.now, random: &random))
        case .bus(let stream, let call): handle(call, stream)
        case .hungUp(let stream):
            checks.removeAll { $0 == stream }
            earlyChecks.removeAll { $0.stream == stream }
            session.hungUp(stream)
            perform(subscribers.hungUp(stream))
        case .networkChanged: perform(session.networkChanged(now: self.now))
        case .tick: tick()
        }
    }

    // MARK: Time

    /// When `tick` wants to come, if nothing else does before.
    package var deadline: MonotonicTime? {
        // Asked after every input: no array is made for it.
        var earliest = min(session.deadline, uploads.deadline, storage.deadline)
        earliest = min(earliest, paths.deadline, subscribers.deadline, discovery.deadline)
        earliest = min(earliest, downloads.deadline(canDownload ? turns.current : nil))
        earliest = min(earliest, followAt ?? .never)
        if session.isOnline { earliest = min(earliest, follower.deadline) }
        return earliest == .never ? nil : earliest
    }

    private mutating func tick() {
        perform(session.tick(now: now))
        uploads.tick(now: now)
        if uploads.isSilent(now: now) || downloads.isSilent(now: now) || session.isSilent(now: now)
            || follower.isSilent(now: now)
        {
            // A reply that never comes leaves the connection out of step.
            giveUpConnection(
                "the server has owed an answer for \(Limits.Connection.replyTimeout.components.seconds) seconds")
        }
        perform(downloads.tick(now: now))
        perform(storage.tick(now: now))
        perform(paths.tick(now: now))
        perform(discovery.tick(now: now, isScanDue: isCropScanDue))
        perform(subscribers.heartbeats(now: now))
        lookWhomToFollow()
    }

    private mutating func configurationRead(_ facts: ConfigurationFacts) {
        if let fault = facts.fault {
            return log(
                .problem(
                    key: "configuration", what: "the configuration was not taken over: \(fault)",
                    remedy: "put it right, then: systemctl --user reload avatard"))
        }
        log(.solved(key: "configuration"))
        if facts.waiting.isEmpty {
            log(.solved(key: "restart"))
        } else {
            log(
                .problem(
                    key: "restart",
                    what: "configured anew, and not in force yet: \(facts.waiting.joined(separator: ", "))",
                    remedy: "systemctl --user restart avatard"))
        }
        if facts.mayTakeLargerCrops { rescan(.crops) }
    }

    // MARK: The server's turn

    /// Whether something waits for the server.
    private var hasWork: Bool {
        follower.hasWork || (!session.paused.contains(.up) && uploads.hasWork)
            || (!session.paused.contains(.down) && storage.isFine && (downloads.hasWork || downloads.suspect != nil))
    }

    /// Whether requests for pictures may go out now.
    private var canDownload: Bool { session.isOnline && !session.paused.contains(.down) && storage.isFine }

    private mutating func pump() {
        guard hasStarted else { return }
        if session.isOnline {
            if canDownload { takeUpNews() }
            takeTurns()
            perform(follower.pump(now: now))
            perform(downloads.takeCancelled())
            perform(uploads.takeCancelled())
            perform(follower.takeCancelled())
        }
        let sendsCrops = session.isOnline && !session.paused.contains(.up) && !uploads.isSettled
        perform(uploads.copy(othersCome: sendsCrops || discovery.isExamining, now: now))
        perform(session.questions(isQuiet: isQuiet, now: now))
        if hasWork { perform(session.work(now: now)) }
    }

    private mutating func takeTurns() {
        takeTurn()
        // A suspect that held a place of the others gave it back and asked for nothing: nobody else may be left who could.
        let canUpload = !session.paused.contains(.up)
        guard turns.current == .everybodyElse, isQuiet, !othersHaveWork(canUpload: canUpload),
            suspect(canUpload: canUpload) != nil
        else { return }
        takeTurn()
    }

    /// Whether the server owes no answer.
    private var isQuiet: Bool { downloads.isQuiet && uploads.isQuiet }

    /// Whether anything but suspects could ask the server.
    private func othersHaveWork(canUpload: Bool) -> Bool {
        (canDownload && downloads.hasWork) || (canUpload && uploads.hasWork && uploads.suspect == nil)
    }

    private mutating func takeTurn() {
        let canUpload = !session.paused.contains(.up)
        let turn = turns.next(
            suspect: suspect(canUpload: canUpload), isAloneUnderWay: isAloneUnderWay(canUpload: canUpload),
            othersHaveWork: othersHaveWork(canUpload: canUpload), isQuiet: isQuiet)
        switch turn {
        case .everybodyElse:
            if canUpload { perform(uploads.pump(alone: nil, now: now, random: &random)) }
            if canDownload { perform(downloads.pump(now: now)) }
        case .nobody: break
        case .alone(.upload(let id)):
            if canUpload { perform(uploads.pump(alone: id, now: now, random: &random)) }
        case .alone(.download(let name)):
            if canDownload { perform(downloads.pump(alone: name, now: now)) }
        }
    }

    /// The suspect with the fewest hang-ups that could ask now.
    private func suspect(canUpload: Bool) -> Transfer? {
        let download = canDownload ? downloads.suspect : nil
        let upload = canUpload ? uploads.suspect : nil
        if let upload, upload.hangUps <= download?.hangUps ?? .max { return .upload(upload.id) }
        return download.map { .download($0.name) }
    }

    /// Whether the suspect that has its turn still uses it; one whose direction was paused gives its turn back.
    private func isAloneUnderWay(canUpload: Bool) -> Bool {
        switch turns.alone {
        case .download(let name): canDownload && downloads.isActive(name)
        case .upload(let id): canUpload && uploads.suspect?.id == id
        case nil: false
        }
    }

    // MARK: The session

    private mutating func logIn(_ login: Login) {
        let isAnother = login.account != session.login?.account
        let steps = session.logIn(login, now: now)
        storage.accountChanged(isAnother: isAnother)
        if isAnother { perform(uploads.accountChanged()) } else { uploads.loggedInAgain() }
        openAccount()
        // Of what is on somebody's mind now, one more try costs little.
        perform(downloads.liftFailures(downloads.known.failed))
        perform(steps)
        if isAnother { perform(downloads.forgetParts(isStorageFine: storage.isFine)) }
        downloads.take(login.way)
        uploads.take(login.way)
        if isAnother { forgetFollowed() }
    }

    private mutating func logOut() {
        perform(session.logOut(now: now))
        forgetFollowed()
        storage.accountChanged(isAnother: true)
        perform(uploads.accountChanged())
        openAccount()
    }

    /// Before the start there is no catalog to ask; the start asks it.
    mutating func openAccount() { if hasStarted { actions.append(.disk(.openAccount)) } }

    private mutating func opened(_ number: Int) {
        perform(session.opened(number, now: now))
        guard session.isCurrent(number) else { return }
        uploads.connected(now: now)
        askForIcon()
    }

    /// A person asks for something: waits for the server end, and so do pauses after its refusals.
    mutating func hurry(isForToken: Bool = false) {
        perform(session.hurry(isForToken: isForToken, now: now))
        perform(uploads.hurry())
    }

    private mutating func giveUpConnection(_ cause: String) {
        perform(session.giveUp(cause, now: now, random: &random))
    }

    private mutating func replied(_ reply: ServerReply) {
        guard session.isCurrent(reply.connection) else { return }
        session.heard(reply.kind, now: now)
        switch reply.kind {
        case .download(_, let answer) where session.isVerification(reply.kind, isQuiet: downloads.isQuiet):
            perform(session.verificationAnswered(answer, now: now))
        case .greeting(let head):
            downloads.greeted(head)
            uploads.greeted(head)
            perform(session.greeted(head, now: now))
        case .http(let id, _) where id.purpose == .picture:
            perform(downloads.replied(reply.kind, isStorageFine: storage.isFine, now: now, random: &random))
        case .download:
            perform(downloads.replied(reply.kind, isStorageFine: storage.isFine, now: now, random: &random))
        case .http(let id, let answer) where id.purpose == .changes:
            if case .change(let change) = answer, change.kind == .ready { session.proven() }
            perform(follower.replied(id.number, answer, now: now))
        case .upload, .progress, .http: perform(uploads.replied(reply.kind, now: now, random: &random))
        case .other: break
        case .unreadable(let detail): giveUpConnection(detail)
        }
    }

    // MARK: The folders

    mutating func handle(_ change: FolderChange) {
        switch change {
        case .settled(.crops, let name): perform(discovery.settled(name, isScanDue: isCropScanDue))
        // The start finds out what is gone.
        case .gone(.crops, let name): if hasStarted { perform(discovery.gone(name, isScanDue: isCropScanDue)) }
        // Before the start the look through the folder finds all this.
        case .appeared(.crops, let name): if hasStarted { actions.append(.disk(.look(name))) }
        case .touched(.crops, let name): if hasStarted { perform(discovery.touched(name, isScanDue: isCropScanDue)) }
        case .renamed(.crops, let name): perform(discovery.renamed(name, isScanDue: isCropScanDue))
        case .appeared(.cache, _), .touched(.cache, _): break
        case .renamed(.cache, let name): handle(.settled(.cache, name))
        case .settled(.cache, let name):
            actions.append(.disk(.inspect(name)))
            // The name was another's file; now that file may be the very picture.
            if discovery.isShared, case .failed(.nameTaken, _, _) = downloads.known.status(of: name) {
                actions.append(.disk(.adopt(name)))
            }
        case .gone(.cache, let name):
            actions.append(.disk(.inspect(name)))
            // What was in the way of the picture is gone.
            if case .failed(.nameTaken, _, _) = downloads.known.status(of: name) {
                perform(downloads.liftFailures([name]))
            }
        case .unnameable(.crops, let name): perform(discovery.unnameable(name))
        case .unnameableGone(.crops, let name): perform(discovery.unnameableGone(name))
        case .unnameable(.cache, _), .unnameableGone(.cache, _): break
        case .overflow:
            activity.overflows += 1
            log(.note(Note(.info, "the kernel dropped events; both folders are read again")))
            rescan(.cache)
            rescan(.crops)
        case .lost(let folder, let reason, let remedy):
            perform(paths.lost(folder, reason: reason, remedy: remedy, now: now, random: &random))
        case .unopened(let folder, let reason):
            perform(paths.unopened(folder, reason: reason, now: now, random: &random))
            // Downloads have nowhere to go until there is a cache folder.
            if folder == .cache { storageFailed(.failed("the cache folder cannot be used: \(reason)")) }
        case .back(let folder):
            perform(paths.back(folder))
            if folder == .cache {
                cacheIsBack()
                perform(storage.hurry(now: now))
            }
        }
    }

    /// Whoever asked for a look through the folders is answered when all that it found has been dealt with.
    private mutating func answerChecks() {
        guard !checks.isEmpty, hasStarted, discovery.isIdle else { return }
        for stream in checks { actions.append(.disk(.check(stream))) }
        checks = []
    }

    /// Compares the folders with the catalog for a person; `look` to examine first what differs and what was refused.
    mutating func check(_ stream: StreamID, look: Bool) {
        // Right after a start the answer takes a moment; a catalog that cannot be opened has none.
        guard hasStarted else { return earlyChecks.append((stream, look)) }
        guard look else { return actions.append(.disk(.check(stream))) }
        // First, so that they are being examined when the look through the folder is over.
        actions.append(.disk(.findRefused))
        rescan(.cache)
        rescan(.crops)
        checks.append(stream)
    }

    /// Whether crops that were closed before what settles now may still be found by a look through the folder.
    var isCropScanDue: Bool { !hasStarted || storage.isRescanDue(.crops) }

    mutating func rescan(_ folder: WatchedFolder) {
        // The start looks through both.
        guard hasStarted else { return }
        if folder == .crops { discovery.scanBegan() }
        actions.append(.disk(.rescan(folder)))
    }
}

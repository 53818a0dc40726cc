package import AvatarCore
internal import HeapModule

/// The agent's mind: every decision between the server, the two folders, the catalog and the subscribers.
///
/// Inputs go in one at a time, with the time; what is to be done comes out in order. The driver in AgentRuntime and the simulation
/// carry the same actions out. There is no clock and no randomness in here but what is handed in.
package struct AgentMachine: Sendable {
    var random: SeededRandom
    var now: MonotonicTime
    var actions: [AgentAction] = []

    var login: Login?
    var connection: ConnectionMachine
    /// Why the server refuses whoever is logged in, if it does.
    var refusal: ClassicError?
    var strayReplies = 0
    var paused: Set<Direction> = []
    var storage = StorageState()
    var hasStarted = false
    /// Looks through the upload folder that have not come back, and what settled in it meanwhile.
    var pendingScans = 0
    var deferredCrops: [AvatarName] = []
    /// Files of the upload folder that are to be looked at.
    var looks = ExaminationQueue()
    /// Whether one folder is cache and upload folder at once, and how often its files were closed.
    let isShared: Bool
    var closes = SharedFolderCloses()
    var lostFolders: [WatchedFolder: LostFolder] = [:]

    var entries: [AvatarName: Entry] = [:]
    /// Names whose download has a place on the connection, in the order in which they got it.
    var active: [AvatarName] = []
    /// Their transfers; beside the entries, since they are looked at with every input and an entry is large.
    var downloads: [AvatarName: ClassicDownload] = [:]
    var queue = DownloadQueue()
    var retries = Heap<Retry>()
    /// How many retries are kept, those that are not needed any more included.
    package var retryCount: Int { retries.count }
    var commits: CommitMachine
    /// When parts of abandoned transfers were last looked for; the start looks for them too.
    var partsTrimmedAt: MonotonicTime

    var uploads = UploadQueue()
    var icon: AvatarName?

    var labels = LabelRegistry()
    var awaitingSnapshot: [StreamID: SnapshotWait] = [:]
    var fetches: [StreamID: FetchCall] = [:]
    /// Uploads that a stream follows; nil until the file is in the crops folder.
    var uploadCalls: [StreamID: AvatarName?] = [:]
    var watchers: [StreamID: Watcher] = [:]
    var watcherOrder: [StreamID] = []
    /// The event log's epoch, once a page of it was read.
    var epoch: String?

    /// What `Status` and `Explain` tell.
    package internal(set) var activity = ActivityLog()

    /// An agent that has not opened its catalog yet. `durable` is `storage.sync: full`; `isShared` when one folder is both.
    package init(now: MonotonicTime, seed: UInt64, durable: Bool, isShared: Bool = false) {
        self.now = now
        self.isShared = isShared
        partsTrimmedAt = now
        random = SeededRandom(seed: seed)
        connection = ConnectionMachine(now: now)
        commits = CommitMachine(durable: durable)
    }

    /// Takes one input; what is to be done, in order.
    package mutating func handle(_ input: AgentInput, now: MonotonicTime) -> [AgentAction] {
        self.now = max(now, self.now)
        switch input {
        case .login(let login): logIn(login)
        case .logout: logOut()
        case .loginUnusable(let reason):
            activity.problem(key: "token", what: reason, remedy: "avatarctl login makes a new one", now: self.now)
        case .connection(let event): connectionEvent(event)
        case .reply(let reply): replied(reply)
        case .disk(let result): diskResult(result)
        case .folder(let event): folderEvent(event)
        case .bus(let stream, let call): busCall(call, stream)
        case .hungUp(let stream): hungUp(stream)
        case .networkChanged: perform(connection.networkChanged(now: self.now))
        case .tick: tick()
        }
        pump()
        // A new array: emptying the one that goes out would copy it first, at the size of the largest answer ever.
        defer { actions = [] }
        return actions
    }

    /// When `tick` wants to come, if nothing else does before.
    package var deadline: MonotonicTime? {
        // Asked after every input: no array is made for it.
        var earliest = MonotonicTime.never
        func consider(_ time: MonotonicTime?) { if let time, time < earliest { earliest = time } }
        consider(connection.deadline)
        consider(uploads.deadline)
        consider(labels.deadline)
        consider(storage.deadline)
        consider(retries.min?.at)
        consider(watchDeadline)
        for lost in lostFolders.values { consider(lost.retryAt) }
        let canDownload = canDownload
        for name in active {
            guard let download = downloads[name] else { continue }
            consider(canDownload ? download.deadline : download.silentAt)
        }
        return earliest == .never ? nil : earliest
    }

    private mutating func tick() {
        perform(connection.tick(now: now))
        uploads.tick(now: now)
        if uploads.isSilent(now: now) || active.contains(where: { downloads[$0]?.isSilent(now: now) == true }) {
            connectionSilent()
        }
        retryFailed()
        storageTick()
        retryFolders()
        for output in labels.heartbeats(now: now) { actions.append(.bus(.labels(output))) }
        watchHeartbeats()
    }

    mutating func start(_ facts: StartFacts) {
        guard !hasStarted else { return }
        hasStarted = true
        if facts.isBaseline {
            activity.problem(
                key: "catalog",
                what: "the catalog was lost and made anew from the folders; nothing in them was uploaded",
                remedy: "avatarctl upload FILE sends what should be sent", now: now)
        }
        for crop in facts.crops { uploads.add(crop) }
        if let icon = facts.icon {
            self.icon = icon
            lookUp([icon], touch: false)
        }
        rescan(.cache)
        rescan(.crops)
        for name in facts.doubtful { lookInOrder(name) }
        if facts.needsAudit {
            note(.info, "the machine went down under the last run; every picture is read again")
            actions.append(.disk(.audit(after: nil)))
        }
    }

    private mutating func pump() {
        guard hasStarted else { return }
        pumpUploads()
        pumpDownloads()
        if hasWork { perform(connection.work(now: now)) }
    }

    /// Whether something waits for the server.
    var hasWork: Bool {
        (!paused.contains(.up) && uploads.hasWork)
            || (!paused.contains(.down) && storage.isFine && (!active.isEmpty || queue.count > 0))
    }

    /// Whether requests for pictures may go out now.
    var canDownload: Bool { connection.online != nil && !paused.contains(.down) && storage.isFine }

    mutating func perform(_ steps: [ConnectionMachine.Action]) {
        for step in steps {
            switch step {
            case .connect(let number): actions.append(.connect(number))
            case .close(let number):
                actions.append(.disconnect(number))
                allConnectionsLost()
            }
        }
    }

    mutating func note(_ level: Note.Level, _ what: String, name: String? = nil, detail: String? = nil) {
        actions.append(.note(Note(level: level, what: what, name: name, detail: detail)))
        if let name { activity.step(name: name, what: what, detail: detail, now: now) }
    }
}

extension AgentMachine {
    /// A failed picture that somebody still wants is tried again at this time.
    struct Retry: Comparable, Sendable {
        let at: MonotonicTime
        let name: AvatarName

        static func < (left: Retry, right: Retry) -> Bool {
            left.at == right.at ? left.name < right.name : left.at < right.at
        }
    }

    /// A folder that is gone or cannot be watched, and when it is tried again.
    struct LostFolder: Sendable {
        var retryAt: MonotonicTime?
        var backoff: Backoff
    }

    /// A Register that waits until the catalog has told of all its names.
    struct SnapshotWait: Sendable {
        var missing: Int
        /// Without `more`: one reply, and what is missing is fetched once.
        let once: Bool
    }

    /// A call about one picture, which is an error where nobody here knows the name.
    enum Question: Sendable {
        case get
        case explain
        case forget
    }

    /// A Fetch that is answered until all its pictures are final.
    struct FetchCall: Sendable {
        let accepted: Int
        var open: Set<AvatarName>
    }

    /// What is known of one name that somebody asked for.
    struct Entry: Sendable {
        /// Where a name's picture is on its way.
        enum Status: Hashable, Sendable {
            /// The catalog has been asked.
            case unknown
            /// Nobody wants it fetched.
            case idle
            case ready
            /// Waits for a place on the connection.
            case queued
            case active
            /// Interrupted by the disk; the catalog is asked again when that is well.
            case stalled
            case committing
            case failed(AbsenceReason, detail: String, until: MonotonicTime)
        }

        var status = Status.unknown
        var record: AvatarRecord?
        var part: ClassicDownload.Part?
        /// Whether it got its place because it had waited longest.
        var isByAge = false
        /// How many times the server went silent over it, or hung up on it, in a row.
        var interruptions = 0
        /// An unfinished Fetch that nobody follows, and how urgent it is.
        var fetchWish: Visibility?
        /// An unfinished Fetch that goes when nobody follows it any more.
        var followWish: Visibility?
        /// How much it is wanted; nil when it is not.
        var rank: Visibility?
        /// Since when it is wanted as much as that: who gave its place to another keeps its turn.
        var wishedAt = MonotonicTime.zero
        /// Calls that wait for the catalog.
        var snapshotWaiters: [StreamID] = []
        var questions: [(StreamID, Question, LabelRequest.Target)] = []
        var toldProgress: MonotonicTime?
    }
}

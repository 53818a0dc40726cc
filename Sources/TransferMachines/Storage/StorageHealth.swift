internal import AvatarCore

/// Whether the disk and the catalog take writes, when to ask again, and what is to be done once more when they do. Which command is done
/// again is decided in `AgentMachine.failed(_:_:)`.
struct StorageHealth: Sendable {
    /// What the rest of the machine, or the driver, has to do.
    enum Action: Hashable, Sendable {
        case disk(DiskCommand)
        case log(ActivityLog.Entry)
        /// The disk takes writes again.
        case recovered
    }

    private let places: PlaceNames
    private var fault: StorageFault?
    private var retryAt: MonotonicTime?
    private var backoff = Backoff(first: Limits.Storage.retryFirst, longest: Limits.Storage.retryMax)
    /// Commands that failed and that nobody else asks for again, in their order.
    private var redo: [DiskCommand] = []
    /// How often each of them was tried since a picture was last placed.
    private var tries: [DiskCommand: Int] = [:]
    /// Folders that are to be looked through when the disk is well again.
    private var rescans: [WatchedFolder] = []

    init(places: PlaceNames) { self.places = places }

    var isFine: Bool { fault == nil }
    var deadline: MonotonicTime { retryAt ?? .never }
    /// How many commands wait for the disk.
    var redoCount: Int { redo.count }

    func isRescanDue(_ folder: WatchedFolder) -> Bool { rescans.contains(folder) }

    /// The disk or the catalog failed.
    mutating func failed(_ fault: StorageFault, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        guard self.fault == nil else { return [] }
        self.fault = fault
        retryAt = now + backoff.next(using: &random)
        return [said(fault), .log(.note(Note(.warning, "transfers wait for the disk", detail: words(for: fault))))]
    }

    /// The fault as a person reads it: which file system it is, and what is needed there.
    private func said(_ fault: StorageFault) -> Action {
        let remedy =
            switch fault {
            case .full: "make room on the file system of the cache\(place(places.cache)), for the pictures that wait"
            case .stateFull:
                "make room on the file system of the state folder\(place(places.state)): the catalog needs "
                    + "\(Limits.Storage.catalogRoom / 1_048_576) MiB"
            case .failed: "see the log"
            }
        let what =
            switch fault {
            case .full, .stateFull: "\(words(for: fault)); transfers wait"
            case .failed(let detail): "the disk or the catalog failed: \(detail)"
            }
        return .log(.problem(key: "storage", what: what, remedy: remedy))
    }

    private func words(for fault: StorageFault) -> String {
        switch fault {
        case .full: "the disk is full" + (places.cache.isEmpty ? "" : ": that of the cache\(place(places.cache))")
        case .stateFull: "the disk is full: that of the state folder\(place(places.state))"
        case .failed(let detail): detail
        }
    }

    private func place(_ path: String) -> String { path.isEmpty ? "" : " \(path)" }

    /// There is a reason to ask the disk again before the wait is over.
    mutating func hurry(now: MonotonicTime) -> [Action] {
        guard fault != nil, retryAt != nil else { return [] }
        retryAt = nil
        return [.disk(.probe)]
    }

    /// The command is to be carried out once more when the disk is well. Past the bound, and after too many tries, the command is given up.
    mutating func again(_ command: DiskCommand) -> [Action] {
        guard !redo.contains(command) else { return [] }
        let count = tries[command, default: 0] + 1
        guard Self.isVital(command) || (count <= Limits.Storage.triesMax && redo.count < Limits.Storage.redoMax) else {
            tries[command] = nil
            // A look through the cache finds what looking at single names would have found.
            if case .inspect = command, redo.count >= Limits.Storage.redoMax { rescanLater(.cache) }
            return [.log(.note(Note(.warning, "given up after the disk failed", detail: Self.words(for: command))))]
        }
        tries[command] = count
        redo.append(command)
        return []
    }

    /// Somebody logged in or out. What a server refused was refused to another token; and where the account is another (`isAnother`), what
    /// was to be noted of its crops must not be noted of the new one's: the catalog keeps those crops as crops that wait.
    mutating func accountChanged(isAnother: Bool) {
        redo.removeAll { command in
            switch command {
            case .setNegative: true
            case .finishCrops, .judge: isAnother
            default: false
            }
        }
    }

    /// Whether the command is tried for as long as it takes: without its account no crop of the user's would ever go, and without the note of
    /// the last crop no later one.
    private static func isVital(_ command: DiskCommand) -> Bool {
        switch command {
        case .openAccount, .finishCrops: true
        default: false
        }
    }

    /// The folder is to be looked through when the disk is well.
    mutating func rescanLater(_ folder: WatchedFolder) { if !rescans.contains(folder) { rescans.append(folder) } }

    mutating func tick(now: MonotonicTime) -> [Action] {
        guard let retryAt, retryAt <= now else { return [] }
        self.retryAt = nil
        return [.disk(.probe)]
    }

    /// Whether the disk takes writes again.
    mutating func probed(_ fault: StorageFault?, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        guard self.fault != nil else { return [] }
        self.fault = fault
        if let fault {
            retryAt = now + backoff.next(using: &random)
            // Another file system may be the one that is full now.
            return [said(fault)]
        }
        // The waits begin anew only with a picture that is there: a probe says little of a disk that has room for a probe.
        retryAt = nil
        return [
            .log(.solved(key: "storage")), .log(.note(Note(.info, "the disk takes writes again"))), .recovered,
        ]
    }

    /// What is to be done now that the disk is well: the commands that failed, and the folders to look through.
    mutating func takeWork() -> (commands: [DiskCommand], rescans: [WatchedFolder]) {
        defer { (redo, rescans) = ([], []) }
        return (redo, rescans)
    }

    /// A picture is there: what failed before counts no longer.
    mutating func proven() {
        backoff.reset()
        tries = [:]
    }

    /// The command in a few words; never a whole picture, nor a thousand names.
    private static func words(for command: DiskCommand) -> String { String("\(command)".prefix(120)) }
}

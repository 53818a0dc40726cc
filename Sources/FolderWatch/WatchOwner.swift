internal import AvatarCore
internal import CInotifyTools
internal import PosixFiles

/// What the owning thread knows: which watch is which folder, and how an event of the kernel reads as a value.
struct WatchOwner {
    private struct Attached {
        let path: String
        let modifications: Bool
        var watch: Int32
    }

    /// Nil before the first ``renew(but:)`` and after ``lose()``.
    private(set) var library: InotifyLibrary?
    /// False without a library, and after a read failed: then it must be begun anew.
    private(set) var isWorking = false
    /// There is none, or the kernel took a watch away that it cannot forget.
    private(set) var needsNewLibrary = true
    private var folders: [FolderID: Attached] = [:]
    private var followed: [FollowedPath] = []
    /// The watched folders on the ways to the paths that are followed, and which entries of each matter.
    private var guards: [Int32: Set<[UInt8]>] = [:]
    /// Files whose writers are waited for, the first the one that was waited for longest.
    private var awaited: [(watch: Int32, folder: FolderID, name: WatchedName)] = []
    /// The first half of a rename: its second half, if the file stayed in the folder, has the same cookie.
    private var lastMovedOut: (cookie: UInt32, watch: Int32, name: WatchedName)?

    mutating func attach(_ folder: FolderID, path: String, modifications: Bool) throws(WatchError) {
        detach(folder)
        guard folders.count < Limits.Watch.foldersMax else { throw WatchError(.tooManyFolders, path: path) }
        guard let library else { throw WatchError(.stopped, path: path) }
        let mask = Self.mask(modifications: modifications)
        // The library knows a path by one watch. Where another folder has the same path, and the path leads elsewhere now, it would go on
        // to tell the old one.
        let others = folders.filter { $0.value.path == path }
        if let old = others.values.first?.watch, let now = try library.guardFolder(path, mask: mask), now != old {
            library.unwatch(old)
        }
        let watch = try library.watch(path, mask: mask)
        for other in others.keys { folders[other]?.watch = watch }
        folders[folder] = Attached(path: path, modifications: modifications, watch: watch)
    }

    mutating func detach(_ folder: FolderID) {
        guard let old = folders.removeValue(forKey: folder) else { return }
        if !folders.values.contains(where: { $0.watch == old.watch }) { library?.unwatch(old.watch) }
    }

    /// Watches what could lead these paths elsewhere, and no longer what could lead others elsewhere.
    mutating func follow(_ paths: [FollowedPath]) throws(WatchError) {
        followed = paths
        guard let library else { throw WatchError(.stopped) }
        let before = guards
        var steps = Self.steps(to: paths)
        for _ in 0..<Limits.Watch.trailRoundsMax {
            guards = [:]
            for step in steps {
                guard let watch = try library.guardFolder(step.folder, mask: Self.mask(of: step)) else { continue }
                guards[watch, default: []].formUnion(step.names)
            }
            // A folder that came or went before it was watched shows when the ways are gone once more.
            let again = Self.steps(to: paths)
            if again == steps { break }
            steps = again
        }
        for watch in before.keys where guards[watch] == nil && !folders.values.contains(where: { $0.watch == watch }) {
            library.unguard(watch)
        }
    }

    private static func steps(to paths: [FollowedPath]) -> [PathTrail.Step] {
        paths.flatMap { PathTrail(to: $0).steps }
    }

    private static func mask(of step: PathTrail.Step) -> UInt32 {
        let own = IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR | IN_MASK_ADD
        let entries = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
        return UInt32(step.names.isEmpty ? own : own | entries)
    }

    /// Waits for the next close of a writer of this file; see ``FolderWatch/awaitClose(_:_:)``.
    mutating func awaitClose(_ folder: FolderID, _ name: String) throws(WatchError) {
        guard let library, let attached = folders[folder] else { throw WatchError(.stopped, path: name) }
        let watch = try library.watchClose(of: attached.path + "/" + name)
        awaited.removeAll { $0.watch == watch }
        if awaited.count >= Limits.Watch.writersMax { library.unwatchClose(awaited.removeFirst().watch) }
        awaited.append((watch, folder, WatchedName(bytes: Array(name.utf8))))
    }

    /// Begins the library anew with every folder but `folder`; each of them has missed events, or is gone.
    mutating func renew(but folder: FolderID) throws(WatchError) -> [FolderEvent] {
        let before = folders.sorted { $0.key.value < $1.key.value }
        end()
        (folders, isWorking, needsNewLibrary) = ([:], false, true)
        library = try InotifyLibrary.begin()
        (isWorking, needsNewLibrary) = (true, false)
        let now = SystemClock().now
        let isFollowing = !guards.isEmpty || !followed.isEmpty
        guards = [:]
        let events = before.compactMap { id, attached -> FolderEvent? in
            guard id != folder else { return nil }
            do throws(WatchError) {
                try attach(id, path: attached.path, modifications: attached.modifications)
                return FolderEvent(folder: id, kind: .overflow, file: nil, at: now)
            } catch {
                return FolderEvent(folder: id, kind: .folderGone(.unwatchable), file: nil, at: now)
            }
        }
        // Whoever hears of it has the paths followed again.
        return isFollowing ? events + [Self.pathChanged(at: now)] : events
    }

    /// Gives up: every folder is told to be no longer watched, until it is attached again.
    mutating func lose() -> [FolderEvent] {
        end()
        defer { (folders, guards, isWorking, needsNewLibrary) = ([:], [:], false, true) }
        let now = SystemClock().now
        return folders.keys.sorted { $0.value < $1.value }.map {
            FolderEvent(folder: $0, kind: .folderGone(.unwatchable), file: nil, at: now)
        }
    }

    mutating func end() {
        library?.end(watches: folders.values.map(\.watch) + awaited.map(\.watch))
        (library, awaited, lastMovedOut) = (nil, [], nil)
    }

    /// Waits for an event (or not), and takes those that are there with it; whether the wake watch was removed.
    mutating func nextBatch(wakeWatch: Int32?, wait: Bool = true) -> (events: [FolderEvent], woken: Bool) {
        var events: [FolderEvent] = []
        var woken = false
        var now = MonotonicTime.zero
        while events.count < Limits.Watch.eventsPerBatchMax {
            switch library?.next(wait: wait && events.isEmpty && !woken) {
            case .nothing, nil:
                return (events, woken)
            case .failure:
                isWorking = false
                return (events, woken)
            case .event(let event):
                if now == .zero { now = SystemClock().now }
                if event.watch == wakeWatch {
                    woken = true
                } else {
                    append(event, at: now, to: &events)
                }
            }
        }
        return (events, woken)
    }

    private mutating func append(_ event: InotifyLibrary.Event, at now: MonotonicTime, to events: inout [FolderEvent]) {
        if event.mask & UInt32(IN_Q_OVERFLOW) != 0 {
            for folder in folders.keys.sorted(by: { $0.value < $1.value }) {
                events.append(FolderEvent(folder: folder, kind: .overflow, file: nil, at: now))
            }
            if !guards.isEmpty { events.append(Self.pathChanged(at: now)) }
            return
        }
        if isTurn(event), events.last != Self.pathChanged(at: now) { events.append(Self.pathChanged(at: now)) }
        if let index = awaited.firstIndex(where: { $0.watch == event.watch }) {
            let (_, folder, name) = awaited.remove(at: index)
            guard event.mask & UInt32(IN_CLOSE_WRITE) != 0 else { return }
            return events.append(FolderEvent(folder: folder, kind: .writerGone, file: name, at: now))
        }
        let concerned = folders.filter { $0.value.watch == event.watch }.keys.sorted { $0.value < $1.value }
        guard !concerned.isEmpty else { return }
        if let loss = Self.loss(event.mask) {
            // A folder that was moved away is still watched, at a path that nobody meant.
            if loss == .moved { library?.unwatch(event.watch) } else { needsNewLibrary = true }
            for folder in concerned {
                folders[folder] = nil
                events.append(FolderEvent(folder: folder, kind: .folderGone(loss), file: nil, at: now))
            }
            return
        }
        // Attributes of the folder itself come without a name.
        guard var kind = Self.kind(event.mask), !event.name.isEmpty, !event.name.starts(with: WorkFile.prefix.utf8)
        else { return }
        let name = WatchedName(bytes: event.name)
        switch kind {
        case .movedOut: lastMovedOut = (event.cookie, event.watch, name)
        case .movedIn:
            if let from = lastMovedOut, from.cookie == event.cookie, from.watch == event.watch {
                kind = .renamed(from: from.name)
            }
            lastMovedOut = nil
        case .closedAfterWriting: forgetAwaited(name, in: concerned)
        default: break
        }
        for folder in concerned {
            let value = FolderEvent(folder: folder, kind: kind, file: name, at: now)
            if events.last != value { events.append(value) }
        }
    }

    /// Whether the event may lead a path that is followed elsewhere. A watch that the kernel took away is forgotten.
    private mutating func isTurn(_ event: InotifyLibrary.Event) -> Bool {
        guard let names = guards[event.watch] else { return false }
        if event.mask & UInt32(IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF) != 0 {
            guards[event.watch] = nil
            return true
        }
        if event.mask & UInt32(IN_MOVE_SELF) != 0 { return true }
        let entries = UInt32(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
        return event.mask & entries != 0 && names.contains(event.name)
    }

    private static func pathChanged(at now: MonotonicTime) -> FolderEvent {
        FolderEvent(folder: .followed, kind: .pathChanged, file: nil, at: now)
    }

    /// The folder's own watch has heard of the close: the file's watch, which stands behind it in the queue, is to say nothing.
    private mutating func forgetAwaited(_ name: WatchedName, in concerned: [FolderID]) {
        awaited.removeAll { waiting in
            guard waiting.name == name, concerned.contains(waiting.folder) else { return false }
            library?.unwatchClose(waiting.watch)
            return true
        }
    }

    private static func mask(modifications: Bool) -> UInt32 {
        let always =
            IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF
            | IN_MOVE_SELF
            | IN_ONLYDIR
            | IN_MASK_ADD
        return UInt32(always) | (modifications ? UInt32(IN_MODIFY) : 0)
    }

    private static func loss(_ mask: UInt32) -> FolderLoss? {
        if mask & UInt32(IN_UNMOUNT) != 0 { return .unmounted }
        if mask & UInt32(IN_DELETE_SELF) != 0 { return .deleted }
        if mask & UInt32(IN_MOVE_SELF) != 0 { return .moved }
        // The kernel ended a watch without another word.
        if mask & UInt32(IN_IGNORED) != 0 { return .deleted }
        return nil
    }

    private static func kind(_ mask: UInt32) -> FolderEvent.Kind? {
        // Of folders inside a watched folder only their coming and going means something: a person put one where pictures belong.
        let isFolder = mask & UInt32(IN_ISDIR) != 0
        if isFolder, mask & UInt32(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) == 0 { return nil }
        if mask & UInt32(IN_CLOSE_WRITE) != 0 { return .closedAfterWriting }
        if mask & UInt32(IN_MOVED_TO) != 0 { return .movedIn }
        if mask & UInt32(IN_MOVED_FROM) != 0 { return .movedOut }
        if mask & UInt32(IN_DELETE) != 0 { return .deleted }
        if mask & UInt32(IN_CREATE) != 0 { return .created }
        if mask & UInt32(IN_MODIFY) != 0 { return .modified }
        if mask & UInt32(IN_ATTRIB) != 0 { return .attributesChanged }
        return nil
    }
}

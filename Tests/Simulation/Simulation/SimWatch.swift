internal import AvatarCore
internal import TransferMachines

/// The kernel's queue of folder events and the watch that reads it: late, merged, out of order where the kernel may be, or lost.
final class SimWatch {
    /// What happened to a file.
    enum Kind {
        /// It was closed, or moved in.
        case settled
        /// It appeared without a close.
        case appeared
        /// Its attributes were changed.
        case touched
        case gone
    }

    private struct Event: Equatable {
        let folder: WatchedFolder
        let name: AvatarName
        let kind: Kind

        /// The order in which crops are closed is what the kernel's one queue keeps.
        var isClose: Bool { folder == .crops && kind != .gone }

        var change: FolderChange {
            switch kind {
            case .settled: .settled(folder, name)
            case .appeared: .appeared(folder, name)
            case .touched: .touched(folder, name)
            case .gone: .gone(folder, name)
            }
        }
    }

    private let world: World
    private let delayMax: Duration
    private let ignoresOverflow: Bool
    private var random: SeededRandom
    private var pending: [Event] = []
    private var incarnation = 0
    private var lastDelivery = MonotonicTime.zero
    var overflowRate: Double
    var reorderRate: Double
    /// Whether somebody reads; events of a watch that is not there are nobody's.
    var isAttached = false
    /// Folders at whose paths others lie than those that are watched.
    var isAway: Set<WatchedFolder> = []
    var deliver: (FolderChange) -> Void = { _ in }

    init(world: World, options: LifeOptions, ignoresOverflow: Bool) {
        self.world = world
        delayMax = options.watchDelayMax
        overflowRate = options.overflowRate
        reorderRate = options.reorderRate
        self.ignoresOverflow = ignoresOverflow
        random = world.random(41)
    }

    /// Something happened to a file.
    func happened(_ folder: WatchedFolder, _ name: AvatarName, _ kind: Kind = .settled) {
        guard isAttached, !isAway.contains(folder) else { return }
        let event = Event(folder: folder, name: name, kind: kind)
        // The kernel keeps one of two that are the same and next to each other (inotify(7)).
        if pending.last == event { return world.log("two events become one", name.string) }
        if random.happens(overflowRate) { return overflow() }
        pending.append(event)
        lastDelivery = max(lastDelivery, world.now + random.upTo(delayMax))
        let current = incarnation
        world.schedule(at: lastDelivery) { [self] in if incarnation == current { deliverNext() } }
    }

    /// Whether it was not told yet that a file of this name was closed.
    func isToTell(ofCrop name: AvatarName) -> Bool { pending.contains { $0.name == name && $0.isClose } }

    private func deliverNext() {
        guard !pending.isEmpty else { return }
        let event = pending.remove(at: next())
        deliver(event.change)
    }

    /// Any may come first, but no close of a crop before another's.
    private func next() -> Int {
        guard pending.count > 1, random.happens(reorderRate) else { return 0 }
        let index = random.pick(0...pending.count - 1)
        return pending[index].isClose ? pending.firstIndex { $0.isClose } ?? 0 : index
    }

    private func overflow() {
        world.log("inotify overflows")
        forget()
        let current = incarnation
        // The kernel's word of it stands in the queue where the events were lost: before those that come later.
        lastDelivery = max(lastDelivery, world.now + random.upTo(delayMax))
        world.schedule(at: lastDelivery) { [self] in
            if incarnation == current, !ignoresOverflow { deliver(.overflow) }
        }
    }

    /// The agent died, and its queue with it; or the queue ran over.
    func forget() {
        pending = []
        incarnation += 1
    }
}

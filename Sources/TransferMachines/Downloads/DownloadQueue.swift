package import AvatarCore
internal import DequeModule
internal import HeapModule

/// The pictures that wait for a place on the connection, in the order in which they get one.
///
/// What is seen goes before what is near, that before what is hidden; within a class the newest first (a list that scrolls wants
/// what just came into view); of those that came at the same time small before large, where the size is known. One place of
/// every ``oldestEvery`` goes to whoever has waited longest, so that bulk never starves.
package struct DownloadQueue: Sendable {
    /// Every how many places the one that has waited longest gets one.
    package static let oldestEvery = 8

    private struct Entry: Comparable, Sendable {
        let visibility: Visibility
        let queuedAt: MonotonicTime
        let size: Int64
        let number: UInt64
        let name: AvatarName

        static func < (left: Entry, right: Entry) -> Bool {
            if left.visibility != right.visibility { return left.visibility < right.visibility }
            if left.queuedAt != right.queuedAt { return left.queuedAt < right.queuedAt }
            if left.size != right.size { return left.size > right.size }
            return left.number < right.number
        }
    }

    private var best = Heap<Entry>()
    private var oldest = Deque<(number: UInt64, name: AvatarName)>()
    private var current: [AvatarName: Entry] = [:]
    private var countOf: [Visibility: Int] = [:]
    private var lastNumber: UInt64 = 0
    private var given = 0

    /// Nobody waits.
    package init() {}

    /// How many wait.
    package var count: Int { current.count }
    /// How many entries are kept for them, those that were overtaken included.
    var entryCount: Int { max(best.count, oldest.count) }

    /// How many wait that are more urgent than this.
    package func count(above visibility: Visibility) -> Int {
        Visibility.allCases.lazy.filter { $0 > visibility }.map { countOf[$0] ?? 0 }.reduce(0, +)
    }

    /// The class of the first in the queue.
    package mutating func bestVisibility() -> Visibility? {
        dropStale()
        return best.max?.visibility
    }

    /// Whether this name waits.
    package func contains(_ name: AvatarName) -> Bool { current[name] != nil }

    /// Queues a name, or gives it another place. The names of one call are queued at one time.
    package mutating func put(_ name: AvatarName, visibility: Visibility, queuedAt: MonotonicTime, size: Int64?) {
        lastNumber += 1
        let entry = Entry(visibility: visibility, queuedAt: queuedAt, size: size ?? 0, number: lastNumber, name: name)
        replace(name, with: entry)
        best.insert(entry)
        oldest.append((lastNumber, name))
        compact()
    }

    /// Takes a name out, if it waits.
    package mutating func remove(_ name: AvatarName) {
        replace(name, with: nil)
        compact()
    }

    /// The next to get a place, out of the queue; `isByAge` when it has waited longest, and not because it is the most urgent.
    package mutating func take() -> (name: AvatarName, isByAge: Bool)? {
        dropStale()
        guard !current.isEmpty else { return nil }
        given += 1
        let isByAge = given.isMultiple(of: Self.oldestEvery)
        guard let name = isByAge ? oldest.first?.name : best.max?.name else { return nil }
        replace(name, with: nil)
        compact()
        return (name, isByAge)
    }

    private mutating func replace(_ name: AvatarName, with entry: Entry?) {
        if let old = current[name] { countOf[old.visibility, default: 0] -= 1 }
        if let entry { countOf[entry.visibility, default: 0] += 1 }
        current[name] = entry
    }

    private mutating func dropStale() {
        while let top = best.max, current[top.name]?.number != top.number { best.removeMax() }
        while let front = oldest.first, current[front.name]?.number != front.number { oldest.removeFirst() }
    }

    /// Entries that were overtaken are only marked by `current`; once they are the greater part they are swept out.
    private mutating func compact() {
        guard entryCount > 2 * current.count + 64 else { return }
        var entries = Heap<Entry>()
        for entry in best.unordered where current[entry.name]?.number == entry.number { entries.insert(entry) }
        best = entries
        oldest.removeAll { current[$0.name]?.number != $0.number }
    }
}

package import AvatarCore
internal import DequeModule
internal import HeapModule

/// The pictures that wait for a place on the connection, in the order in which they get one.
///
/// What is seen goes before what is near, that before what is hidden; within a class small before large where the size is known, then
/// the newest wish first (a list that scrolls wants what just came into view). One place of every ``oldestEvery`` goes to whoever has waited longest,
/// so that bulk never starves.
package struct DownloadQueue: Sendable {
    /// Every how many places the oldest wish gets one.
    package static let oldestEvery = 8

    private struct Wish: Comparable, Sendable {
        let visibility: Visibility
        let size: Int64
        let number: UInt64
        let name: AvatarName

        static func < (left: Wish, right: Wish) -> Bool {
            if left.visibility != right.visibility { return left.visibility < right.visibility }
            if left.size != right.size { return left.size > right.size }
            return left.number < right.number
        }
    }

    private var best = Heap<Wish>()
    private var oldest = Deque<(number: UInt64, name: AvatarName)>()
    private var current: [AvatarName: Wish] = [:]
    private var lastNumber: UInt64 = 0
    private var given = 0

    /// Nobody waits.
    package init() {}

    /// How many wait.
    package var count: Int { current.count }

    /// The class of the first in the queue.
    package mutating func bestVisibility() -> Visibility? {
        dropStale()
        return best.max?.visibility
    }

    /// Whether this name waits.
    package func contains(_ name: AvatarName) -> Bool { current[name] != nil }

    /// Queues a name, or gives it another place.
    package mutating func put(_ name: AvatarName, visibility: Visibility, size: Int64?) {
        lastNumber += 1
        let wish = Wish(visibility: visibility, size: size ?? 0, number: lastNumber, name: name)
        current[name] = wish
        best.insert(wish)
        oldest.append((lastNumber, name))
        compact()
    }

    /// Takes a name out, if it waits.
    package mutating func remove(_ name: AvatarName) {
        current[name] = nil
        compact()
    }

    /// The next to get a place, out of the queue.
    package mutating func take() -> AvatarName? {
        dropStale()
        guard !current.isEmpty else { return nil }
        given += 1
        let name = given.isMultiple(of: Self.oldestEvery) ? oldest.first?.name : best.max?.name
        guard let name else { return nil }
        current[name] = nil
        return name
    }

    private mutating func dropStale() {
        while let top = best.max, current[top.name]?.number != top.number { best.removeMax() }
        while let front = oldest.first, current[front.name]?.number != front.number { oldest.removeFirst() }
    }

    /// Entries that were overtaken are only marked by `current`; once they are the greater part they are swept out.
    private mutating func compact() {
        guard best.count > 2 * current.count + 64 else { return }
        var wishes = Heap<Wish>()
        for wish in best.unordered where current[wish.name]?.number == wish.number { wishes.insert(wish) }
        best = wishes
        oldest.removeAll { current[$0.name]?.number != $0.number }
    }
}

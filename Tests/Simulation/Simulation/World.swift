package import AvatarCore
package import TransferMachines

/// Virtual time: one heap of events by (time, number), one log, and a random stream for each part of the world.
///
/// Two runs with one seed do the same in the same order; nothing here asks a clock.
package final class World {
    /// One line of the log.
    package struct Line: Sendable {
        package let at: MonotonicTime
        package let what: StaticString
        package let name: String
        package let number: Int64
        package let detail: String

        package var description: String {
            "\(at.nanoseconds / 1_000) us  \(what) \(name) \(detail) \(number == 0 ? "" : "\(number)")"
        }
    }

    package private(set) var now = MonotonicTime.zero
    /// Events that were run.
    package private(set) var events = 0
    /// FNV-1a over every line: two runs did the same exactly when it is the same.
    package private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325

    private var heap = EventHeap()
    private let seed: UInt64
    private let tailMax: Int
    /// The last lines, the oldest at `lines % tailMax` once there are as many.
    private var ring: [Line] = []
    private var lines = 0

    package init(seed: UInt64, tailMax: Int = 50) {
        self.seed = seed
        self.tailMax = max(1, tailMax)
    }

    /// A random stream of its own for a part of the world.
    package func random(_ part: UInt64) -> SeededRandom {
        var mixer = SeededRandom(seed: seed &* 0x2545_F491_4F6C_DD1D &+ part)
        return SeededRandom(seed: mixer.next())
    }

    package func schedule(in delay: Duration, _ run: @escaping () -> Void) { schedule(at: now + delay, run) }

    package func schedule(at time: MonotonicTime, _ run: @escaping () -> Void) {
        heap.insert(at: max(time, now), run)
    }

    /// Runs events up to `end`, until there are none or `stop` says so; at most `eventsMax` of them.
    package func run(until end: MonotonicTime, eventsMax: Int, stop: () -> Bool) {
        while let at = heap.nextAt, at <= end, events < eventsMax, !stop(), let run = heap.popFirst() {
            now = max(now, at)
            events += 1
            run()
        }
        if now < end, events < eventsMax, !stop() { now = end }
    }

    /// Lets go of everything that was still to come: its closures hold the whole world.
    package func end() { heap = EventHeap() }

    /// Nothing runs for so long; what was due meanwhile is due at once afterwards.
    package func sleep(_ duration: Duration) { now = now + duration }

    package func log(_ what: StaticString, _ name: String = "", _ number: Int64 = 0, detail: String = "") {
        let line = Line(at: now, what: what, name: name, number: number, detail: detail)
        if ring.count < tailMax { ring.append(line) } else { ring[lines % tailMax] = line }
        lines += 1
        what.withUTF8Buffer { for byte in $0 { mix(UInt64(byte)) } }
        for byte in name.utf8 { mix(UInt64(byte)) }
        for byte in detail.utf8 { mix(UInt64(byte)) }
        mix(UInt64(bitPattern: number))
        mix(UInt64(bitPattern: now.nanoseconds))
    }

    /// The last lines, the newest last.
    package var tail: [Line] {
        guard ring.count == tailMax else { return ring }
        return Array(ring[(lines % tailMax)...] + ring[..<(lines % tailMax)])
    }

    private func mix(_ value: UInt64) { digest = (digest ^ value) &* 0x0000_0100_0000_01b3 }
}

/// A binary heap by (time, number); what is to run lies beside it, so that only small values move.
private struct EventHeap {
    private struct Key {
        let at: MonotonicTime
        let number: UInt64
        let slot: Int

        func isBefore(_ other: Key) -> Bool { at == other.at ? number < other.number : at < other.at }
    }

    private var keys: [Key] = []
    /// In a struct, which is stored as it is; a closure alone would be wrapped in another.
    private struct Body {
        let run: () -> Void
    }

    private var bodies: [Body?] = []
    private var free: [Int] = []
    private var lastNumber: UInt64 = 0

    var nextAt: MonotonicTime? { keys.first?.at }

    mutating func insert(at time: MonotonicTime, _ run: @escaping () -> Void) {
        lastNumber += 1
        let slot = free.popLast() ?? bodies.count
        if slot == bodies.count { bodies.append(Body(run: run)) } else { bodies[slot] = Body(run: run) }
        let key = Key(at: time, number: lastNumber, slot: slot)
        var index = keys.count
        keys.append(key)
        while index > 0, key.isBefore(keys[(index - 1) / 2]) {
            keys[index] = keys[(index - 1) / 2]
            index = (index - 1) / 2
        }
        keys[index] = key
    }

    mutating func popFirst() -> (() -> Void)? {
        guard let first = keys.first, let last = keys.popLast() else { return nil }
        let run = bodies[first.slot]?.run
        bodies[first.slot] = nil
        free.append(first.slot)
        guard !keys.isEmpty else { return run }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < keys.count else { break }
            if child + 1 < keys.count, keys[child + 1].isBefore(keys[child]) { child += 1 }
            guard keys[child].isBefore(last) else { break }
            keys[index] = keys[child]
            index = child
        }
        keys[index] = last
        return run
    }
}

extension SeededRandom {
    /// Whether something of this probability happens.
    mutating func happens(_ probability: Double) -> Bool {
        probability > 0 && Double(next() >> 11) * 0x1p-53 < probability
    }

    mutating func upTo(_ duration: Duration) -> Duration {
        .nanoseconds(Int64(next() % UInt64(max(1, duration.wholeNanoseconds))))
    }

    mutating func pick(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }
}

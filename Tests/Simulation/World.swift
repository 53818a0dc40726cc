package import AvatarCore
internal import HeapModule
package import TransferMachines

/// Virtual time: one heap of events by (time, number), one log, and a random stream for each part of the world.
///
/// Two runs with one seed do the same in the same order; nothing here asks a clock.
package final class World {
    private struct Event: Comparable {
        let at: MonotonicTime
        let number: UInt64
        let run: () -> Void

        static func < (left: Event, right: Event) -> Bool {
            left.at == right.at ? left.number < right.number : left.at < right.at
        }
        static func == (left: Event, right: Event) -> Bool { left.number == right.number }
    }

    /// One line of the log.
    package struct Line: Sendable {
        package let at: MonotonicTime
        package let what: StaticString
        package let name: String
        package let number: Int64

        package var description: String { "\(at.nanoseconds / 1_000) us  \(what) \(name) \(number)" }
    }

    package private(set) var now = MonotonicTime.zero
    /// Events that were run.
    package private(set) var events = 0
    /// The last lines, the newest last.
    package private(set) var tail: [Line] = []
    /// FNV-1a over every line: two runs did the same exactly when it is the same.
    package private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325

    private var heap = Heap<Event>()
    private var lastNumber: UInt64 = 0
    private let seed: UInt64
    private let tailMax: Int

    package init(seed: UInt64, tailMax: Int = 50) {
        self.seed = seed
        self.tailMax = tailMax
    }

    /// A random stream of its own for a part of the world.
    package func random(_ part: UInt64) -> SeededRandom {
        var mixer = SeededRandom(seed: seed &* 0x2545_F491_4F6C_DD1D &+ part)
        return SeededRandom(seed: mixer.next())
    }

    package func schedule(in delay: Duration, _ run: @escaping () -> Void) { schedule(at: now + delay, run) }

    package func schedule(at time: MonotonicTime, _ run: @escaping () -> Void) {
        lastNumber += 1
        heap.insert(Event(at: max(time, now), number: lastNumber, run: run))
    }

    /// Runs events up to `end`, until there are none or `stop` says so; at most `eventsMax` of them.
    package func run(until end: MonotonicTime, eventsMax: Int, stop: () -> Bool) {
        while let next = heap.min, next.at <= end, events < eventsMax, !stop() {
            heap.removeMin()
            now = max(now, next.at)
            events += 1
            next.run()
        }
        if now < end, events < eventsMax, !stop() { now = end }
    }

    /// Lets go of everything that was still to come: its closures hold the whole world.
    package func end() { heap = Heap<Event>() }

    /// Nothing runs for so long; what was due meanwhile is due at once afterwards.
    package func sleep(_ duration: Duration) { now = now + duration }

    package func log(_ what: StaticString, _ name: String = "", _ number: Int64 = 0) {
        if tail.count >= tailMax { tail.removeFirst() }
        tail.append(Line(at: now, what: what, name: name, number: number))
        what.withUTF8Buffer { for byte in $0 { mix(UInt64(byte)) } }
        for byte in name.utf8 { mix(UInt64(byte)) }
        mix(UInt64(bitPattern: number))
        mix(UInt64(bitPattern: now.nanoseconds))
    }

    private func mix(_ value: UInt64) { digest = (digest ^ value) &* 0x0000_0100_0000_01b3 }
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

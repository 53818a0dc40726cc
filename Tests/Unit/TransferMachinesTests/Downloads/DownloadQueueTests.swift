import AvatarCore
import Testing

@testable import TransferMachines

/// Who gets the next place on the connection.
@Suite struct DownloadQueueTests {
    private func drained(_ queue: DownloadQueue) -> [String] {
        var queue = queue
        var names: [String] = []
        while let next = queue.take() { names.append(next.name.string) }
        return names
    }

    @Test func whatIsSeenGoesBeforeWhatIsNearAndThatBeforeWhatIsHidden() {
        var queue = DownloadQueue()
        queue.wish(name("hidden"), visibility: .hidden, size: nil)
        queue.wish(name("visible"), visibility: .visible, size: nil)
        queue.wish(name("near"), visibility: .near, size: nil)
        #expect(drained(queue) == ["visible", "near", "hidden"])
    }

    @Test func withinAClassTheNewestWishGoesFirst() {
        var queue = DownloadQueue()
        for (time, text) in ["first", "second", "third"].enumerated() {
            queue.wish(name(text), visibility: .visible, at: time, size: nil)
        }
        #expect(drained(queue) == ["third", "second", "first"])
    }

    @Test func ofWishesThatCameTogetherSmallGoesBeforeLarge() {
        var queue = DownloadQueue()
        queue.wish(name("small"), visibility: .near, size: 1000)
        queue.wish(name("large"), visibility: .near, size: 1_000_000)
        queue.wish(name("seen"), visibility: .visible, size: 9_000_000)
        #expect(drained(queue) == ["seen", "small", "large"])
    }

    @Test func withinAClassWhatIsNewGoesBeforeWhatIsSmall() {
        var queue = DownloadQueue()
        queue.wish(name("small"), visibility: .near, at: 1, size: 1000)
        queue.wish(name("large"), visibility: .near, at: 2, size: 1_000_000)
        queue.wish(name("seen"), visibility: .visible, at: 0, size: 9_000_000)
        #expect(drained(queue) == ["seen", "large", "small"])
    }

    @Test func everyEighthPlaceGoesToWhoeverHasWaitedLongest() {
        var queue = DownloadQueue()
        for number in 1...20 {
            queue.wish(name("\(number)"), visibility: number <= 2 ? .hidden : .visible, size: nil)
        }
        let names = drained(queue)
        #expect(Array(names[0..<8]) == ["20", "19", "18", "17", "16", "15", "14", "1"])
        #expect(names[15] == "2")
        #expect(names.count == 20)
    }

    @Test func aPlaceGivenByAgeIsToldApart() {
        var queue = DownloadQueue()
        for number in 1...8 { queue.wish(name("\(number)"), visibility: .near, size: nil) }
        let places = (1...8).map { _ in queue.take()?.isByAge }
        #expect(places == Array(repeating: false, count: 7) + [true])
    }

    @Test func aWishThatChangesItsClassKeepsOnePlace() {
        var queue = DownloadQueue()
        queue.wish(name("a"), visibility: .hidden, size: nil)
        queue.wish(name("b"), visibility: .near, size: nil)
        queue.wish(name("a"), visibility: .visible, size: nil)
        #expect(queue.count == 2)
        #expect(queue.bestVisibility() == .visible)
        #expect(drained(queue) == ["a", "b"])
    }

    @Test func whatIsTakenOutIsNotGiven() {
        var queue = DownloadQueue()
        queue.wish(name("a"), visibility: .visible, size: nil)
        queue.wish(name("b"), visibility: .hidden, size: nil)
        queue.remove(name("a"))
        queue.remove(name("unknown"))
        #expect(!queue.contains(name("a")))
        #expect(queue.bestVisibility() == .hidden)
        #expect(drained(queue) == ["b"])
        queue.remove(name("b"))
        #expect(queue.bestVisibility() == nil)
    }

    @Test func itCountsWhoWaitsAboveAClass() {
        var queue = DownloadQueue()
        queue.wish(name("a"), visibility: .visible, size: nil)
        queue.wish(name("b"), visibility: .visible, size: nil)
        queue.wish(name("b"), visibility: .near, size: nil)
        queue.wish(name("c"), visibility: .hidden, size: nil)
        #expect(queue.count(above: .hidden) == 2)
        #expect(queue.count(above: .near) == 1)
        #expect(queue.count(above: .visible) == 0)
        _ = queue.take()
        queue.remove(name("b"))
        #expect(queue.count(above: .hidden) == 0)
    }

    /// A list that is scrolled for hours while one hidden picture waits for a place.
    @Test func wishesThatComeAndGoLeaveNothingBehind() {
        var queue = DownloadQueue()
        queue.wish(name("waiting"), visibility: .hidden, size: nil)
        for number in 0..<50_000 {
            queue.wish(name("\(number % 50)"), visibility: .visible, size: nil)
            _ = queue.bestVisibility()
            queue.remove(name("\(number % 50)"))
            _ = queue.bestVisibility()
        }
        #expect(queue.count == 1)
        #expect(queue.entryCount <= 300)
        #expect(drained(queue) == ["waiting"])
    }

    @Test func theSameWishesGiveTheSameOrder() {
        var random = SeededRandom(seed: 11)
        var queue = DownloadQueue()
        for number in 0..<1000 {
            queue.wish(
                name("\(number)"), visibility: Visibility.allCases[Int.random(in: 0..<3, using: &random)],
                size: Int64.random(in: 0..<4, using: &random))
        }
        let names = drained(queue)
        #expect(Set(names).count == 1000)
        #expect(names == drained(queue))
    }
}

extension DownloadQueue {
    /// A wish at a time; one time for all where the test does not care.
    fileprivate mutating func wish(
        _ name: AvatarName, visibility: Visibility, at nanoseconds: Int = 0, size: Int64?
    ) {
        put(
            name, visibility: visibility, queuedAt: MonotonicTime(nanoseconds: Int64(nanoseconds)), size: size)
    }
}

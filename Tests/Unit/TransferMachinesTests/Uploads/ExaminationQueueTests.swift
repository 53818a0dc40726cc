import AvatarCore
import Testing

@testable import TransferMachines

/// Which file is examined next, and how strictly.
@Suite struct ExaminationQueueTests {
    private func drained(_ queue: ExaminationQueue) -> [(String, CropRule.Mode)] {
        var queue = queue
        var all: [(String, CropRule.Mode)] = []
        while let next = queue.next() {
            all.append((next.string, queue.mode))
            _ = queue.finished()
        }
        return all
    }

    /// Modes in which one file is added, and those in which it is examined.
    @Test(
        arguments: [
            ([.normal], [.normal]),
            ([.normal, .normal, .normal], [.normal, .normal]),
            ([.normal, .forced], [.normal, .forced]),
            ([.normal, .forced, .normal], [.normal, .forced]),
            ([.normal, .normal, .forced], [.normal, .forced]),
            ([.forced, .normal], [.forced, .normal]),
            ([.normal, .confirming], [.normal]),
            ([.confirming, .confirming], [.confirming]),
            ([.confirming, .normal], [.confirming, .normal]),
        ] as [([CropRule.Mode], [CropRule.Mode])])
    func aFileIsExaminedAtMostOnceMore(added: [CropRule.Mode], examined: [CropRule.Mode]) {
        var queue = ExaminationQueue()
        for mode in added { queue.add(name("a.png"), mode) }
        #expect(drained(queue).map(\.1) == examined)
    }

    @Test func aFileThatIsClosedAgainGoesToTheEnd() {
        var queue = ExaminationQueue()
        for string in ["a", "b", "a", "c", "a"] { queue.add(name(string), .normal) }
        #expect(drained(queue).map(\.0) == ["a", "b", "c", "a"])
    }

    @Test func oneIsUnderWayAtATime() {
        var queue = ExaminationQueue()
        queue.add(name("a"), .normal)
        queue.add(name("b"), .normal)
        #expect(queue.next() == name("a"))
        #expect(queue.next() == nil)
        #expect(queue.finished() == false)
        #expect(queue.next() == name("b"))
    }

    @Test func whoFinishesHearsWhetherAPersonAskedForOneMore() {
        var queue = ExaminationQueue()
        queue.add(name("a"), .normal)
        _ = queue.next()
        queue.add(name("a"), .forced)
        queue.add(name("a"), .normal)
        #expect(queue.finished() == true)
        #expect(queue.next() == name("a"))
        #expect(queue.mode == .forced)
    }

    @Test func whatIsGivenUpIsToldAndGone() {
        var queue = ExaminationQueue()
        for string in ["a", "b", "c", "b"] { queue.add(name(string), .normal) }
        _ = queue.next()
        #expect(queue.giveUp() == [name("b"), name("c"), name("b")])
        #expect(queue.next() == nil, "the one under way has not come back")
        _ = queue.finished()
        #expect(queue.next() == nil)
        queue.add(name("b"), .normal)
        #expect(queue.next() == name("b"))
    }
}

import AvatarCore
import Testing

@testable import TransferMachines

@Suite struct AskingAgainTests {
    @Test func aBurstGoesAtOnceAndTheRestInItsPace() {
        var again = AskingAgain()
        for number in 0..<100 { again.add(name("\(number).png"), at: .zero) }
        func granted(at now: MonotonicTime) -> Int {
            var count = 0
            while again.next(now: now) != nil {
                again.asked(now: now)
                count += 1
            }
            return count
        }
        #expect(granted(at: .zero) == Limits.Negative.againBurst)
        for turn in 1...10 {
            let now = MonotonicTime.zero + Limits.Negative.againInterval * turn
            #expect(again.deadline == now)
            #expect(granted(at: now) == 1)
        }
        let later = MonotonicTime.zero + .seconds(3600)
        #expect(granted(at: later) == Limits.Negative.againBurst, "a quiet time gives one burst, not an hour's worth")
    }

    @Test func whatIsNotAskedAfterAllTakesNothingFromOthers() {
        var again = AskingAgain()
        for number in 0..<10_000 { again.add(name("\(number).png"), at: .zero) }
        while again.next(now: .zero) != nil {}
        #expect(again.count == 0)
        #expect(again.isOpen(now: .zero))
    }

    @Test func nothingIsDueBeforeItsTime() {
        var again = AskingAgain()
        again.add(name("a.png"), at: .zero + .seconds(2))
        #expect(again.next(now: .zero + .seconds(1)) == nil)
        #expect(again.deadline == .zero + .seconds(2))
        #expect(again.next(now: .zero + .seconds(2)) == name("a.png"))
        #expect(again.deadline == .never)
    }
}

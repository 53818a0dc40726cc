import AvatarCore
import Testing

@testable import TransferMachines

/// How much is asked for ahead of its coming: twice what the network carries in a round trip.
@Suite struct FlightWindowTests {
    /// A connection that always has as much in flight as the window allows, over a network of this round trip and rate, for so many round
    /// trips; the window after each.
    private func windows(roundTrip: Duration, bytesPerSecond: Int64, rounds: Int) -> [Int64] {
        var window = FlightWindow()
        var now = MonotonicTime.zero
        var result: [Int64] = []
        for _ in 0..<rounds {
            // What is asked for at once comes after a round trip, and in the time that the network takes for it.
            let begun = now
            let bytes = window.bytes
            now = now + roundTrip
            for piece in 1...16 {
                let due = begun + roundTrip + .nanoseconds(bytes / 16 * Int64(piece) * 1_000_000_000 / bytesPerSecond)
                now = max(now, due)
                window.filled()
                window.delivered(bytes / 16, sentAt: begun, now: now)
            }
            result.append(window.bytes)
        }
        return result
    }

    @Test func theWindowGrowsWithEachRoundTripUntilItIsAheadOfTheNetwork() {
        // 20 MB/s at 100 ms: 2 MB are on their way at once.
        let windows = windows(roundTrip: .milliseconds(100), bytesPerSecond: 20_000_000, rounds: 20)
        #expect(windows.first.map { $0 >= 256 * 1024 } == true)
        #expect(windows.contains { $0 > 1_700_000 })
        #expect((windows.last ?? 0) <= 4_000_000)
    }

    @Test func aNearServerKeepsTheLeastWindow() {
        let windows = windows(roundTrip: .microseconds(200), bytesPerSecond: 50_000_000, rounds: 100)
        #expect(windows.last == Limits.Flight.bytes.lowerBound)
    }

    @Test func theWindowIsBounded() {
        let windows = windows(roundTrip: .seconds(1), bytesPerSecond: 1_000_000_000, rounds: 30)
        #expect(windows.last == Limits.Flight.bytes.upperBound)
    }

    @Test func aConnectionThatHasLittleToFetchTeachesNothing() {
        var window = FlightWindow()
        for round in 0..<50 {
            let sentAt = MonotonicTime.zero + .milliseconds(100 * round)
            window.delivered(2048, sentAt: sentAt, now: sentAt + .milliseconds(100))
        }
        #expect(window.bytes == Limits.Flight.bytes.lowerBound)
    }

    @Test func theNextConnectionBeginsAnew() {
        var window = FlightWindow()
        for round in 0..<50 {
            let sentAt = MonotonicTime.zero + .milliseconds(100 * round)
            window.filled()
            window.delivered(window.bytes, sentAt: sentAt, now: sentAt + .milliseconds(100))
        }
        #expect(window.bytes > Limits.Flight.bytes.lowerBound)
        window.connectionLost()
        #expect(window.bytes == Limits.Flight.bytes.lowerBound)
    }
}

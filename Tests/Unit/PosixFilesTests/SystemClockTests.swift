import AvatarCore
import PosixFiles
import Testing

@Suite struct SystemClockTests {
    @Test func theForwardClockNeverGoesBackAndTheWallIsNear() {
        let clock = SystemClock()
        let first = clock.now
        let second = clock.now
        #expect(first <= second)
        let hourAgo = MonotonicTime(nanoseconds: second.nanoseconds - 3_600_000_000_000)
        #expect(abs(clock.wall.milliseconds - clock.wall(of: hourAgo).milliseconds - 3_600_000) < 5_000)
    }

    @Test func aMomentThatIsPastIsNotInTheFutureOfTheWall() {
        let clock = SystemClock()
        for _ in 0..<10_000 {
            let moment = clock.wall(of: clock.now)
            let wall = clock.wall
            #expect(moment <= wall && wall.milliseconds - moment.milliseconds < 5_000)
        }
    }

    @Test func aMomentIsWrittenAsRFC3339InUTC() throws {
        let text = SystemClock().rfc3339(SystemClock().now)
        #expect(text.wholeMatch(of: /20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\dZ/) != nil, "\(text)")
    }
}

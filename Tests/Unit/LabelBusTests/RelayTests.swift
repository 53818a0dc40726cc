import AgentRuntime
import Synchronization
import Testing

@Suite("The way from the disk thread to the mind", .timeLimit(.minutes(1)))
struct RelayTests {
    /// It grew by two calls with every use once: after a day's work it would have used up the thread's stack.
    @Test("stays as short as it was, however much goes over it")
    func length() {
        let relay = Relay()
        let count = Mutex(0)
        relay.feed([])
        relay.connect { _ in count.withLock { $0 += 1 } }
        for _ in 0..<500_000 { relay.feed([]) }
        #expect(count.withLock { $0 } == 500_000)
    }
}

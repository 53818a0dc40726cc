import AgentRuntime
import Synchronization
import Testing

@Suite("The way from the disk thread to the driver", .timeLimit(.minutes(1)))
struct AgentInboxTests {
    /// It grew by two calls with every use once: after a day's work it would have used up the thread's stack.
    @Test("stays as short as it was, however much goes over it")
    func length() {
        let inbox = AgentInbox()
        let count = Mutex(0)
        inbox.feed([])
        inbox.connect { _ in count.withLock { $0 += 1 } }
        for _ in 0..<500_000 { inbox.feed([]) }
        #expect(count.withLock { $0 } == 500_000)
    }
}

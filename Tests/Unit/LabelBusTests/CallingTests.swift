import AvatarAgentClient
import BusTestSupport
import LabelBus
import Testing

@Suite("Calling", .timeLimit(.minutes(1)))
struct CallingTests {
    @Test("a label is told its state now, and again when its picture completes; then the stream ends")
    func oneShotLabel() async throws {
        try await withBus { bus in
            let client = AgentClient(socketPath: bus.path)
            var replies = try await client.register([LabelRequest(label: "peer", name: "a.png")]).makeAsyncIterator()
            let first = try await replies.next()
            #expect(first?.labels.first?.avatar.state == .pending)
            #expect(first?.labels.first?.avatar.fallback == ScriptedAgent.fallback)
            #expect(first?.synced == true)
            bus.agent.complete("a.png", path: "/tmp/a.png")
            let second = try await replies.next()
            #expect(second?.labels.first?.avatar.path == "/tmp/a.png")
            #expect(try await replies.next() == nil)
        }
    }

    @Test("an error of the agent is thrown as it is")
    func errorsAreTyped() async throws {
        try await withBus { bus in
            let client = AgentClient(socketPath: bus.path)
            await #expect(throws: AgentError.unknownAvatar(name: "nobody.png")) {
                try await client.get("nobody.png")
            }
            await #expect(throws: AgentError.notLoggedIn) { try await client.logout() }
        }
    }

    @Test("pipelined calls are answered in their order")
    func pipelining() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            for index in 0..<100 { bus.agent.want("\(index).png") }
            var bytes: [UInt8] = []
            for index in 0..<100 {
                bytes += Array(#"{"method":"org.avatard.Agent.Get","parameters":{"name":"\#(index).png"}}"#.utf8) + [0]
            }
            try await client.send(bytes)
            for index in 0..<100 { #expect(try await client.next()?.contains("\"\(index).png\"") == true) }
        }
    }
}

import AvatarCore
import BusTestSupport
import LabelBus
import NIOCore
import NIOEmbedded
import Testing

@Suite("What all clients share")
struct BudgetTests {
    private func connect(_ agent: ScriptedAgent, _ number: UInt64, _ budget: BusBudget) throws -> EmbeddedChannel {
        let dispatcher = CallDispatcher(service: agent, info: ServiceInfo(version: "1"))
        let channel = EmbeddedChannel(
            handler: LabelBusHandler(
                connection: number, dispatcher: dispatcher, budget: budget, batches: FlushBatches()))
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/none")).wait()
        return channel
    }

    private func replies(_ channel: EmbeddedChannel) throws -> [String] {
        channel.embeddedEventLoop.run()
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        return text.split(separator: "\0").map(String.init)
    }

    @Test("a client that does not read uses up the budget, and another one is served all the same")
    func laggardAndOther() throws {
        let agent = ScriptedAgent()
        let budget = BusBudget(limit: 10_000)
        let watch = ByteBuffer(string: #"{"method":"org.avatard.Agent.Watch","more":true}"# + "\0")
        let laggard = try connect(agent, 1, budget)
        let other = try connect(agent, 2, budget)
        for channel in [laggard, other] { try channel.writeInbound(watch) }
        #expect(try replies(laggard).count == 1)
        laggard.isWritable = false
        let path = "/" + String(repeating: "x", count: 1000)
        while agent.hungUpStreams.isEmpty {
            agent.complete("a.png", path: path)
            #expect(try replies(other).last?.contains("\"a.png\"") == true)
            laggard.embeddedEventLoop.run()
            #expect(budget.usedBytes <= 10_000)
        }
        #expect(try replies(laggard).last?.contains("org.avatard.Agent.Lagging") == true)
        #expect(agent.hungUpStreams == [ReplyStream.ID(connection: 1, call: 1)])
        #expect(budget.usedBytes == 0)
        _ = try? other.finish()
    }

    @Test("a call that never ends is closed when there is no room for it; a small one always is")
    func unfinishedCall() throws {
        let budget = BusBudget(limit: 1000)
        let channel = try connect(ScriptedAgent(), 1, budget)
        try channel.writeInbound(ByteBuffer(repeating: 0x20, count: Limits.Bus.ownBytes + 1000))
        #expect(budget.usedBytes == 1000)
        #expect(throws: BusMessageError.self) { try channel.writeInbound(ByteBuffer(string: " ")) }
        #expect(!channel.isActive)
        #expect(budget.usedBytes == 0)
        let small = try connect(ScriptedAgent(), 2, BusBudget(limit: 0))
        try small.writeInbound(ByteBuffer(string: #"{"method":"org.avatard.Agent.Status"}"# + "\0"))
        #expect(try replies(small).count == 1)
        _ = try? small.finish()
    }
}

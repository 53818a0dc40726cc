import AvatarCore
import LabelBus
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@Suite("Many clients told at once")
struct FlushTests {
    /// Tells everybody who registered two things whenever somebody calls `Pause`.
    private final class Teller: AgentService {
        private struct State {
            var streams: [ReplyStream] = []
            var isTelling = false
            var hungUp = 0
            var hungUpWhileTelling = 0
        }

        private let state = Mutex(State())
        var hungUp: Int { state.withLock { $0.hungUp } }
        var hungUpWhileTelling: Int { state.withLock { $0.hungUpWhileTelling } }

        func handle(_ call: AgentCall, more: Bool, oneway: Bool, reply: ReplyStream) {
            guard case .pause = call else { return state.withLock { $0.streams.append(reply) } }
            let streams = state.withLock { state in
                state.isTelling = true
                return state.streams
            }
            for subscription in ["first", "second"] {
                for stream in streams {
                    stream.send(
                        .register(RegisterReply(subscription: subscription, labels: [])), continues: true)
                }
            }
            state.withLock { $0.isTelling = false }
            reply.send(.done, continues: false)
        }

        func hungUp(_ stream: ReplyStream.ID) {
            state.withLock { state in
                state.hungUp += 1
                if state.isTelling { state.hungUpWhileTelling += 1 }
            }
        }
    }

    /// Closes as soon as something is flushed, as a socket does whose other end is gone.
    private final class BrokenSocket: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        func flush(context: ChannelHandlerContext) {
            context.flush()
            context.close(promise: nil)
        }
    }

    private let teller = Teller()
    private let loop = EmbeddedEventLoop()
    private let batches = FlushBatches()
    private let budget = BusBudget()

    private func connect(_ number: Int, isBroken: Bool = false) throws -> EmbeddedChannel {
        let handler = LabelBusHandler(
            connection: UInt64(number), dispatcher: CallDispatcher(service: teller, info: ServiceInfo(version: "1")),
            budget: budget, batches: batches)
        let channel = EmbeddedChannel(
            handlers: isBroken ? [BrokenSocket(), handler] : [handler], loop: loop)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/none")).wait()
        return channel
    }

    private func call(_ method: String, more: Bool = false, on channel: EmbeddedChannel) throws {
        let parameters = method == "Register" ? #","parameters":{"labels":[]}"# : ""
        let text = #"{"method":"org.avatard.Agent.\#(method)"\#(parameters)\#(more ? #","more":true"# : "")}"#
        try channel.writeInbound(ByteBuffer(string: text + "\0"))
    }

    private func subscriptions(_ channel: EmbeddedChannel) throws -> [String] {
        var text = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: buffer) }
        return text.split(separator: "\0").compactMap { reply in
            ["first", "second"].first { reply.contains("\"subscription\":\"\($0)\"") }
        }
    }

    @Test(
        "more clients than one batch holds all hear everything, each in order",
        arguments: [1, Limits.Bus.flushBatchMax, Limits.Bus.flushBatchMax + 1, 300])
    func all(count: Int) throws {
        let channels = try (1...count).map { try connect($0) }
        for channel in channels { try call("Register", more: true, on: channel) }
        try call("Pause", on: try connect(count + 1))
        loop.run()
        for channel in channels { #expect(try subscriptions(channel) == ["first", "second"]) }
        for channel in channels { _ = try? channel.finish() }
    }

    @Test("a client that is closed before its batch is flushed has heard everything")
    func closedBefore() throws {
        let channel = try connect(1)
        try call("Register", more: true, on: channel)
        try call("Pause", on: try connect(2))
        channel.close(promise: nil)
        #expect(try subscriptions(channel) == ["first", "second"])
        loop.run()
        #expect(teller.hungUp == 1)
    }

    @Test("a client that goes while a full batch is flushed: the service hears of it once it has returned")
    func goneInBetween() throws {
        let count = Limits.Bus.flushBatchMax
        let channels = try (1...count).map { try connect($0, isBroken: $0 == 1) }
        for channel in channels { try call("Register", more: true, on: channel) }
        try call("Pause", on: try connect(count + 1))
        loop.run()
        #expect(teller.hungUp == 1)
        #expect(teller.hungUpWhileTelling == 0)
        #expect(!channels[0].isActive)
        for channel in channels.dropFirst() { #expect(try subscriptions(channel) == ["first", "second"]) }
        for channel in channels { _ = try? channel.finish() }
    }
}

import AgentRuntime
import BusTestSupport
import LabelBus
import Testing

@Suite("Oneway and pipelined calls", .timeLimit(.minutes(1)))
struct OnewayTests {
    private static let parameters = [
        "Register": #"{"labels":[{"label":"a","name":"a.png"}]}"#, "Adjust": #"{"subscription":"none"}"#,
        "Get": #"{"name":"unknown.png"}"#, "Fetch": #"{"names":["a.png"]}"#, "Upload": #"{"path":"/tmp/a.png"}"#,
        "Forget": #"{"name":"unknown.png"}"#, "Dismiss": #"{"name":"unknown.png"}"#,
        "Explain": #"{"name":"unknown.png"}"#,
        "Login": #"{"server":{"host":"h","port":1},"uid":1,"token":"t"}"#,
    ]

    @Test("a oneway call is done and never answered, not even with an error", arguments: AgentCall.methods)
    func oneway(method: String) async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            let parameters = Self.parameters[method] ?? "{}"
            let getInfo = #"{"method":"org.varlink.service.GetInfo"}"#
            try await client.send(
                #"{"method":"org.avatard.Agent.\#(method)","parameters":\#(parameters),"oneway":true}"#)
            try await client.send(#"{"method":"org.avatard.Agent.\#(method)","parameters":{"no":1},"oneway":true}"#)
            try await client.send(#"{"method":"org.avatard.Agent.Nothing","oneway":true}"#)
            try await client.send(#"{"method":"org.varlink.service.GetInfo","oneway":true}"#)
            try await client.send(getInfo)
            #expect(try await client.next()?.contains("vendor") == true)
            try await client.endInput()
            #expect(try await client.next() == nil)
            #expect(bus.agent.calls.map(\.method) == ["org.avatard.Agent.\(method)"])
        }
    }

    @Test("a oneway call outlives its client, and so do the oneway calls behind it")
    func onewayOutlives() async throws {
        try await withBus(ScriptedAgent(held: ["Pause"])) { bus in
            let client = try await RawClient(bus.path)
            let calls = [
                #"{"method":"org.avatard.Agent.Pause","oneway":true}"#, #"{"method":"org.avatard.Agent.Status"}"#,
                #"{"method":"org.avatard.Agent.Fetch","parameters":{"names":["a.png"]},"oneway":true}"#,
            ]
            try await client.send(Array(calls.map { $0 + "\0" }.joined().utf8))
            await bus.agent.untilCalled("Pause")
            try await client.close()
            let held = try #require(bus.agent.held.first)
            #expect(held.isOpen)
            while bus.server.connectionCount > 0 { await Task.yield() }
            held.send(.done, continues: false)
            await bus.agent.untilCalled("Fetch")
            // Status had a client that wanted to read it; nobody would.
            #expect(bus.agent.calls.map(\.method) == ["org.avatard.Agent.Pause", "org.avatard.Agent.Fetch"])
            #expect(bus.agent.hungUpStreams.isEmpty)
        }
    }

    @Test("oneway calls behind a stream are done when its client hangs up")
    func onewayBehindAStream() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path)
            let calls = [
                #"{"method":"org.avatard.Agent.Watch","more":true}"#,
                #"{"method":"org.avatard.Agent.Pause","oneway":true}"#,
                #"{"method":"org.avatard.Agent.Fetch","parameters":{"names":["a.png"]},"oneway":true}"#,
            ]
            try await client.send(Array(calls.map { $0 + "\0" }.joined().utf8))
            await bus.agent.untilCalled("Watch")
            try await client.close()
            await bus.agent.untilCalled("Fetch")
            #expect(bus.agent.hungUpStreams.count == 1)
        }
    }

    @Test("oneway calls behind a reply that its client never read are done when it hangs up")
    func onewayBehindAnUnreadReply() async throws {
        try await withBus { bus in
            let path = "/tmp/" + String(repeating: "x", count: 1000)
            for index in 0..<500 { bus.agent.complete("\(index).png", path: path) }
            let client = try await RawClient(bus.path, autoRead: false)
            let list = #"{"method":"org.avatard.Agent.List","parameters":{"limit":500}}"#
            let fetch = #"{"method":"org.avatard.Agent.Fetch","parameters":{"names":["a.png"]},"oneway":true}"#
            try await client.send(Array("\(list)\0\(list)\0\(list)\0\(fetch)\0".utf8))
            await bus.agent.untilCalled("List")
            try await client.close()
            await bus.agent.untilCalled("Fetch")
            #expect(bus.agent.hungUpStreams.isEmpty)
        }
    }

    @Test("the next call starts when the last reply of the one before it went out")
    func oneAtATime() async throws {
        try await withBus(ScriptedAgent(held: ["Status"])) { bus in
            let client = try await RawClient(bus.path)
            let status = #"{"method":"org.avatard.Agent.Status"}"#
            let get = #"{"method":"org.avatard.Agent.Get","parameters":{"name":"a.png"}}"#
            bus.agent.want("a.png")
            try await client.send(Array("\(status)\0\(get)\0".utf8))
            await bus.agent.untilCalled("Status")
            #expect(bus.agent.calls.count == 1)
            bus.agent.held.first?.fail(.notLoggedIn)
            #expect(try await client.next() == #"{"error":"org.avatard.Agent.NotLoggedIn","parameters":{}}"#)
            #expect(try await client.next()?.contains(#""name":"a.png""#) == true)
        }
    }

    @Test("a client that has said all it will say still gets its answers")
    func halfClosed() async throws {
        try await withBus(ScriptedAgent(held: ["Status"])) { bus in
            let client = try await RawClient(bus.path)
            let info = #"{"method":"org.varlink.service.GetInfo"}"#
            try await client.send(Array("\(#"{"method":"org.avatard.Agent.Status"}"#)\0\(info)\0".utf8))
            try await client.endInput()
            await bus.agent.untilCalled("Status")
            bus.agent.held.first?.fail(.notLoggedIn)
            let replies = try await client.rest()
            #expect(replies.count == 2)
            #expect(bus.agent.hungUpStreams.isEmpty)
        }
    }

    @Test("a reply that would continue is the last one without more, and nothing follows it")
    func continuesNeedsMore() async throws {
        try await withBus(ScriptedAgent(held: ["Get"])) { bus in
            let client = try await RawClient(bus.path)
            try await client.send(#"{"method":"org.avatard.Agent.Get","parameters":{"name":"a"}}"#)
            await bus.agent.untilCalled("Get")
            let held = try #require(bus.agent.held.first)
            held.send(.done, continues: true)
            held.send(EncodedReply(.done), continues: true)
            held.fail(.notLoggedIn)
            #expect(!held.isOpen)
            try await client.endInput()
            #expect(try await client.rest() == [#"{"parameters":{}}"#])
            #expect(bus.agent.hungUpStreams.isEmpty)
        }
    }
}

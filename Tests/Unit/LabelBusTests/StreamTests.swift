import AgentRuntime
import AvatarAgentClient
import AvatarCore
import BusTestSupport
import LabelBus
import Testing

@Suite("Streams", .timeLimit(.minutes(2)))
struct StreamTests {
    @Test("ten thousand labels in one call: the snapshot in parts of 500, the last one synced, then each change")
    func manyLabels() async throws {
        try await withBus { bus in
            let labels = (0..<10_000).map {
                LabelRequest(label: "label-\($0)", name: "\($0 % 100).png", visibility: "near")
            }
            let client = AgentClient(socketPath: bus.path)
            var replies = try await client.register(labels, keep: true).makeAsyncIterator()
            var seen: [String] = []
            for part in 0..<20 {
                let reply = try await replies.next()
                #expect(reply?.labels.count == 500)
                #expect(reply?.synced == (part == 19 ? true : nil))
                seen += reply?.labels.map(\.label) ?? []
            }
            #expect(seen == labels.map(\.label))
            #expect(bus.agent.labelCount == 10_000)
            bus.agent.complete("7.png", path: "/tmp/7.png")
            #expect(try await replies.next()?.labels.count == 100)
        }
    }

    @Test("without more, the states come in one reply")
    func snapshotOnly() async throws {
        try await withBus { bus in
            let client = AgentClient(socketPath: bus.path)
            let states = try await client.snapshot((0..<500).map { LabelRequest(label: "\($0)", name: "a.png") })
            #expect(states.count == 500)
            await #expect(throws: AgentError.tooMany(what: "labels", limit: 500)) {
                try await client.snapshot((0..<501).map { LabelRequest(label: "\($0)", name: "a.png") })
            }
            #expect(bus.agent.labelCount == 0)
        }
    }

    @Test("hanging up takes the labels back")
    func hangingUp() async throws {
        try await withBus { bus in
            let client = AgentClient(socketPath: bus.path)
            do {
                var replies = try await client.register([LabelRequest(label: "a", name: "a.png")], keep: true)
                    .makeAsyncIterator()
                #expect(try await replies.next()?.synced == true)
                #expect(bus.agent.labelCount == 1)
            }
            await bus.agent.untilHungUp()
            #expect(bus.agent.labelCount == 0)
        }
    }

    @Test("cancelling the task that reads a stream hangs up")
    func cancelling() async throws {
        try await withBus { bus in
            let path = bus.path
            let reader = Task {
                for try await _ in try await AgentClient(socketPath: path).watch() {}
            }
            await bus.agent.untilCalled("Watch")
            reader.cancel()
            await bus.agent.untilHungUp()
            _ = await reader.result
        }
    }

    @Test("a running subscription is changed from another connection")
    func adjusting() async throws {
        try await withBus { bus in
            let client = AgentClient(socketPath: bus.path)
            var replies = try await client.register([LabelRequest(label: "a", name: "a.png")], keep: true)
                .makeAsyncIterator()
            let subscription = try #require(try await replies.next()?.subscription)
            try await client.adjust(subscription, add: [LabelRequest(label: "b", name: "b.png")], remove: ["a"])
            #expect(try await replies.next()?.labels.map(\.label) == ["b"])
            #expect(bus.agent.labelCount == 1)
            await #expect(throws: AgentError.unknownSubscription(subscription: "none")) {
                try await client.adjust("none")
            }
        }
    }

    @Test("watching goes on from a cursor without gaps; a cursor that is too old is told to read again")
    func watching() async throws {
        try await withBus { bus in
            for index in 1...3 { bus.agent.complete("\(index).png", path: "/tmp/x") }
            let client = AgentClient(socketPath: bus.path)
            var replies = try await client.watch(epoch: ScriptedAgent.epoch, since: 1).makeAsyncIterator()
            #expect(try await replies.next()?.changes.map(\.cursor) == [2, 3])
            bus.agent.complete("4.png", path: "/tmp/x")
            #expect(try await replies.next()?.changes.map(\.cursor) == [4])
            bus.agent.truncateLog()
            #expect(try await client.changes(epoch: ScriptedAgent.epoch, since: 1).reset == true)
            #expect(try await client.changes(epoch: "another", since: 4).reset == true)
            #expect(try await client.changes(epoch: ScriptedAgent.epoch, since: 4).reset == nil)
        }
    }

    @Test("a client that does not read its stream gets Lagging as the last reply, and is closed; others notice nothing")
    func lagging() async throws {
        try await withBus { bus in
            let laggard = try await RawClient(bus.path, autoRead: false)
            try await laggard.send(#"{"method":"org.avatard.Agent.Watch","more":true}"#)
            await bus.agent.untilCalled("Watch")
            var others = try await AgentClient(socketPath: bus.path).watch().makeAsyncIterator()
            #expect(try await others.next()?.cursor == 0)
            let path = "/tmp/" + String(repeating: "x", count: 1000)
            var count = 0
            while bus.agent.hungUpStreams.isEmpty {
                bus.agent.complete("\(count).png", path: path)
                count += 1
                // Now and then, so that this one never lags.
                if count.isMultiple(of: 64) {
                    for cursor in (count - 63)...count { #expect(try await others.next()?.cursor == cursor) }
                }
            }
            #expect(count > Limits.Bus.queuedRepliesMax)
            try await laggard.startReading()
            let replies = try await laggard.rest()
            let dropped = Limits.Bus.queuedRepliesMax + 1
            #expect(replies.last == #"{"error":"org.avatard.Agent.Lagging","parameters":{"dropped":\#(dropped)}}"#)
            // The snapshot, then every change up to the ones that were dropped.
            for (cursor, reply) in replies.dropLast().enumerated() { #expect(reply.contains(#""cursor":\#(cursor),"#)) }
            #expect(replies.count - 2 + dropped <= count)
            #expect(bus.agent.hungUpStreams.count == 1)
        }
    }

    @Test("a laggard that never reads is closed all the same")
    func silentLaggard() async throws {
        try await withBus { bus in
            let laggard = try await RawClient(bus.path, autoRead: false)
            try await laggard.send(#"{"method":"org.avatard.Agent.Watch","more":true}"#)
            await bus.agent.untilCalled("Watch")
            let path = "/tmp/" + String(repeating: "x", count: 1000)
            while bus.agent.hungUpStreams.isEmpty {
                bus.agent.complete("a.png", path: path)
                await Task.yield()
            }
            // Until the bus hangs up, this client leaves everything unread.
            _ = try await laggard.rest()
            while bus.server.connectionCount > 0 { await Task.yield() }
        }
    }

    @Test("a client that pipelines calls without reading is not read from, and loses nothing")
    func backPressure() async throws {
        try await withBus { bus in
            let client = try await RawClient(bus.path, autoRead: false)
            let call =
                Array(
                    #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.avatard.Agent"}}"#
                        .utf8) + [0]
            let sending = Task {
                for _ in 0..<60 { try await client.send(Array(repeatElement(call, count: 10).joined())) }
            }
            try await client.startReading()
            for _ in 0..<600 { #expect(try await client.next()?.contains("interface org.avatard.Agent") == true) }
            try await sending.value
        }
    }

    @Test("clients that hang up in the middle of everything leave nothing behind")
    func hangUpStorm() async throws {
        try await withBus { bus in
            for round in 0..<30 {
                let client = try await RawClient(bus.path, autoRead: round.isMultiple(of: 2))
                let watch = #"{"method":"org.avatard.Agent.Watch","parameters":{"since":0},"more":true}"#
                let call = #"{"method":"org.varlink.service.GetInfo"}"#
                try await client.send(Array("\(call)\0\(watch)\0\(call)\0{".utf8))
                await bus.agent.untilCalled("Watch")
                for index in 0..<20 { bus.agent.complete("\(index).png", path: "/tmp/x") }
                if round.isMultiple(of: 3) { try? await client.endInput() }
                try await client.close()
                await bus.agent.untilHungUp()
            }
            #expect(bus.agent.hungUpStreams.count == 30)
            #expect(Set(bus.agent.hungUpStreams).count == 30)
        }
    }
}

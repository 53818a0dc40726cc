import AgentRuntime
import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// What the label bus costs (issue "The label bus", Speed). Figures come with their peer of the same run, medians of
/// several rounds; the server is a process of its own with one event loop, so that its CPU time is one core's.
@main
struct BusBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the label bus.", subcommands: [Run.self, Serve.self], defaultSubcommand: Run.self)
}

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The process that is measured; or one to try clients on.")

    @Option var socket: String

    func run() async throws { try await serve(socket) }
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measures, and prints a table.")

    @Option(help: "Calls in each round.")
    var calls = 200_000

    @Option(help: "Rounds of calls.")
    var rounds = 5

    @Option(help: "Subscribers of one picture.")
    var subscribers = 1000

    @Option(help: "Seconds of idleness that are watched.")
    var idleSeconds = 10

    func run() async throws {
        DescriptorLimit.raise(to: subscribers + 256)
        let folder = NSTemporaryDirectory() + "/busbench-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let server = try Measured.start(socket: folder + "/agent.sock")
        defer { server.stop() }
        try await server.untilListening()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        try await measureCalls(server, group)
        try await measureFanOut(server, group, subscribers: 1, rounds: 2000)
        try await measureFanOut(server, group, subscribers: subscribers, rounds: 100)
        try await measureIdle(server, group)
        for sync in ["none", "full"] {
            try await measureAgent(folder + "/" + sync, sync: sync, group)
        }
        try await group.shutdownGracefully()
    }

    private func measureCalls(_ server: Measured, _ group: any EventLoopGroup) async throws {
        let get = #"{"method":"org.avatard.Agent.Get","parameters":{"name":"head_1234567890.png"}}"#
        let info = #"{"method":"org.varlink.service.GetInfo"}"#
        print(
            "calls               wall calls/s   calls per server-CPU-second   (median of \(rounds) rounds of \(calls))")
        var medians: [Double] = []
        for (name, message, path) in [
            ("echo (floor)", get, server.socket + ".echo"), ("Get", get, server.socket),
            ("GetInfo", info, server.socket),
        ] {
            var wall: [Double] = []
            var perCore: [Double] = []
            for _ in 0..<rounds {
                let before = server.cpuSeconds()
                let seconds = try await PipelineClient.run(message, count: calls, window: 256, path: path, on: group)
                wall.append(Double(calls) / seconds)
                perCore.append(Double(calls) / max(0.01, server.cpuSeconds() - before))
            }
            medians.append(median(perCore))
            print(pad(name, 20), pad("\(Int(median(wall)))", 14), Int(median(perCore)))
        }
        print("ratio Get / echo, per core: \((medians[1] / medians[0] * 100).rounded() / 100)\n")
    }

    private func measureFanOut(
        _ server: Measured, _ group: any EventLoopGroup, subscribers: Int, rounds: Int
    ) async throws {
        let crowd = try await Crowd.join(subscribers, path: server.socket, on: group.next())
        var all: [Int] = []
        var worst: [Double] = []
        let before = server.cpuSeconds()
        for _ in 0..<rounds {
            let latencies = try await crowd.publish()
            all += latencies
            worst.append(Double(latencies.max() ?? 0) / 1e6)
        }
        let cpu = (server.cpuSeconds() - before) * 1000 / Double(rounds)
        all.sort()
        let p50 = Double(all[all.count / 2]) / 1e6
        let p99 = Double(all[min(all.count - 1, all.count * 99 / 100)]) / 1e6
        print(
            "fan-out to \(pad("\(subscribers)", 6)) p50 \(milliseconds(p50))  p99 \(milliseconds(p99))  "
                + "median of the last subscriber \(milliseconds(median(worst)))  "
                + "server CPU \(milliseconds(cpu)) per event  (\(rounds) events)")
        try await crowd.leave()
    }

    private func measureIdle(_ server: Measured, _ group: any EventLoopGroup) async throws {
        // A first crowd, so that what is only ever allocated once is not counted against the second.
        try await Crowd.join(subscribers, path: server.socket, on: group.next()).leave()
        try await Task.sleep(for: .milliseconds(300))
        let empty = server.residentBytes()
        let alone = try await idle(server)
        let crowd = try await Crowd.join(subscribers, path: server.socket, on: group.next())
        try await Task.sleep(for: .milliseconds(300))
        let full = server.residentBytes()
        let together = try await idle(server)
        print(
            """
            \(subscribers) idle subscribers: \((full - empty) / subscribers) bytes each after a crowd came and went, \
            \((full - server.residentAtStart) / subscribers) bytes each against the empty process
            wake-ups in \(idleSeconds) s: event loop \(together.eventLoop), process \(together.process); \
            without subscribers (libdispatch's own timer) \(alone.eventLoop) and \(alone.process)
            """)
        try await crowd.leave()
    }

    /// The same with everything in between: the agent itself, from the rename on.
    private func measureAgent(_ folder: String, sync: String, _ group: any EventLoopGroup) async throws {
        let bench = try AgentBench(folder: folder, sync: sync)
        defer { bench.stop() }
        for count in [1, subscribers] {
            let measured = try await bench.latencies(
                subscribers: count, rounds: count == 1 ? 200 : 40, on: group.next())
            let all = measured.nanoseconds.sorted()
            print(
                "avatard, storage.sync \(sync), from the rename to \(count) subscribers: "
                    + "p50 \(milliseconds(Double(all[all.count / 2]) / 1e6))  "
                    + "p99 \(milliseconds(Double(all[all.count * 99 / 100]) / 1e6))  "
                    + "agent CPU \(milliseconds(measured.cpuSeconds * 1000)) per event")
        }
    }

    /// Watches for a while how often the server's threads wake up.
    private func idle(_ server: Measured) async throws -> (eventLoop: Int, process: Int) {
        let before = (server.voluntarySwitches(threads: "NIO"), server.voluntarySwitches())
        try await Task.sleep(for: .seconds(idleSeconds))
        return (server.voluntarySwitches(threads: "NIO") - before.0, server.voluntarySwitches() - before.1)
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func milliseconds(_ value: Double) -> String { "\((value * 1000).rounded() / 1000) ms" }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

import AgentRuntime
import ArgumentParser
import Foundation
import NIOCore
import NIOPosix
import ProgramSupport

/// What the label bus costs. Figures come with their peer of the same run, medians of
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

    @Option(help: "Pictures that come while one subscriber waits; a fifth of them with all subscribers.")
    var events = 200

    @Option(help: "Seconds of idleness that are watched; 0 for none.")
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
        if calls > 0 { try await measureCalls(server, group) }
        try measureFanOut(server, subscribers: 1, rounds: 2000)
        try measureFanOut(server, subscribers: subscribers, rounds: 100)
        for sync in ["none", "full"] { try measureAgent(folder + "/" + sync, sync: sync) }
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

    /// The bus alone: an agent that has nothing to do but tell them.
    private func measureFanOut(_ server: Measured, subscribers: Int, rounds: Int) throws {
        let register =
            #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[{"label":"peer","name":"a.png"}],"#
            + #""keep":true},"more":true}"#
        let audience = try Audience(subscribers, path: server.socket, call: register)
        _ = try audience.hear("pending")
        let control = try ClientSocket(path: server.socket)
        var latencies: [Int] = []
        let before = server.cpuSeconds()
        for _ in 0..<rounds {
            try control.send(#"{"method":"org.avatard.Agent.Pause"}"#)
            let heard = try audience.hear("ready")
            let sent = Self.timeInPath(heard.message)
            latencies += heard.times.map { $0 - sent }
            _ = try control.answer()
        }
        let cpu = (server.cpuSeconds() - before) / Double(rounds)
        print(
            "the bus alone, from sending to \(subscribers): \(quantiles(latencies))  CPU \(milliseconds(cpu * 1e3)) per event"
        )
    }

    /// The nanoseconds in `"path":"/<nanoseconds>"`.
    private static func timeInPath(_ message: String) -> Int {
        guard let start = message.firstRange(of: "\"path\":\"/")?.upperBound else { return 0 }
        return Int(message[start...].prefix { $0.isNumber }) ?? 0
    }

    /// With everything that comes before it: the agent as it is installed.
    private func measureAgent(_ folder: String, sync: String) throws {
        let bench = try AgentBench(folder: folder, sync: sync)
        defer { bench.stop() }
        if sync == "none", idleSeconds > 0 { try measureIdle(bench) }
        let seconds = median(try bench.bulk())
        print(
            "avatard, storage.sync \(sync), \(AgentBench.bulkCount) pictures of 20 KiB down: \(milliseconds(seconds * 1000))"
        )
        for count in [1, subscribers] {
            let measured = try bench.latencies(subscribers: count, rounds: count == 1 ? events : events / 5)
            print("avatard, storage.sync \(sync), to \(count), from the rename:    \(quantiles(measured.sinceRename))")
            print("avatard, storage.sync \(sync), to \(count), from the final row: \(quantiles(measured.sinceRecord))")
            print("avatard's CPU for one picture and \(count): \(milliseconds(measured.cpuSeconds * 1000))")
        }
    }

    private func measureIdle(_ bench: AgentBench) throws {
        let idle = try bench.idle(subscribers: subscribers, seconds: idleSeconds)
        print(
            "avatard with \(subscribers) idle subscribers: \(idle.bytesEach) bytes each, "
                + "\(idle.wakeUps) wake-ups of all its threads in \(idleSeconds) s")
    }

    private func quantiles(_ nanoseconds: [Int]) -> String {
        let sorted = nanoseconds.sorted()
        func at(_ percent: Int) -> String {
            milliseconds(Double(sorted[min(sorted.count - 1, sorted.count * percent / 100)]) / 1e6)
        }
        return "p50 \(at(50))  p99 \(at(99))  worst \(at(100))"
    }

    private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func milliseconds(_ value: Double) -> String { "\((value * 1000).rounded() / 1000) ms" }

    private func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}

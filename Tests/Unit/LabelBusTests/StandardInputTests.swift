import BusTestSupport
import Foundation
import LabelBus
import Testing

/// `avatarctl upload -`: what comes through a pipe.
@Suite("avatarctl upload -", .timeLimit(.minutes(1)))
struct StandardInputTests {
    /// Runs it by a shell, which `redirection` tells where standard input comes from; `$1` is a file with `bytes`.
    private func upload(
        _ redirection: String, _ bytes: [UInt8] = [], _ arguments: [String] = ["-"], on bus: RunningBus
    ) async throws -> ProgramResult {
        try Data(bytes).write(to: URL(fileURLWithPath: bus.folder.file("input")))
        return try await Program.run(
            "/bin/sh",
            [
                "-c", "input=$1; shift; \"$0\" upload \"$@\" \(redirection)", Program.product("avatarctl"),
                bus.folder.file("input"),
            ]
                + arguments + ["--socket", bus.path], in: bus.folder)
    }

    private func handedOver(_ bus: RunningBus) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: bus.folder.path).filter { $0.hasPrefix(".upload-") }
    }

    @Test(
        "what no picture can come from is said, and the agent is not asked",
        arguments: [
            ("</dev/null", "standard input is empty"), ("<&-", "standard input is closed"), ("</", "is a folder"),
        ])
    func nothing(_ redirection: String, _ words: String) async throws {
        try await withBus { bus in
            let result = try await upload(redirection, on: bus)
            #expect(result.status == 1)
            #expect(result.errors.hasPrefix("avatarctl: ") && result.errors.contains(words), "\(result.errors)")
            #expect(!bus.agent.calls.contains { $0.method.hasSuffix(".Upload") })
            #expect(try handedOver(bus).isEmpty)
        }
    }

    @Test("a terminal is no source of pictures")
    func terminal() async throws {
        try await withBus { bus in
            let result = try await Program.run(
                "/usr/bin/script",
                ["-qec", "\(Program.product("avatarctl")) upload - --socket \(bus.path)", "/dev/null"], in: bus.folder)
            #expect(result.status == 1)
            #expect(result.output.contains("standard input is a terminal"), "\(result.output)")
        }
    }

    @Test("standard input cannot be given twice")
    func twice() async throws {
        try await withBus { bus in
            let result = try await upload("</dev/null", [], ["-", "-"], on: bus)
            #expect(result.status == 2)
        }
    }

    @Test("the agent is given a file that only its user can read, and the file goes when the agent has it")
    func handsOver() async throws {
        try await withBus(ScriptedAgent(held: ["Upload"])) { bus in
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
            async let running = upload("<\"$input\"", bytes, on: bus)
            await bus.agent.untilCalled("Upload")
            let name = try #require(try handedOver(bus).first)
            let path = bus.folder.file(name)
            #expect(FileManager.default.contents(atPath: path) == Data(bytes))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            bus.agent.failHeld(.notAnImage(path: path, reason: "it is no picture"))
            let result = try await running
            #expect(result.status == 1)
            #expect(result.errors == "avatarctl: standard input: it is no picture\n")
            #expect(try handedOver(bus).isEmpty)
        }
    }

    @Test("whatever signal ends it, the file goes", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signalled(_ number: Int32) async throws {
        try await withBus(ScriptedAgent(held: ["Upload"])) { bus in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: Program.product("avatarctl"))
            process.arguments = ["upload", "-", "--socket", bus.path]
            let input = Pipe()
            process.standardInput = input
            let ended = AsyncStream.makeStream(of: Void.self)
            process.terminationHandler = { _ in ended.continuation.finish() }
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data([1, 2, 3]))
            try input.fileHandleForWriting.close()
            await bus.agent.untilCalled("Upload")
            #expect(try handedOver(bus).count == 1)
            kill(process.processIdentifier, number)
            for await _ in ended.stream {}
            #expect(process.terminationReason == .uncaughtSignal && process.terminationStatus == number)
            #expect(try handedOver(bus).isEmpty)
        }
    }

    @Test("what a killed one has left goes with the next, and what another one uses stays")
    func leftBehind() async throws {
        try await withBus { bus in
            let (old, new) = (bus.folder.file(".upload-1"), bus.folder.file(".upload-2"))
            for path in [old, new] { try Data([1]).write(to: URL(fileURLWithPath: path)) }
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: old)
            _ = try await upload("<\"$input\"", [1], ["--no-wait", "-"], on: bus)
            #expect(try handedOver(bus) == [".upload-2"])
        }
    }
}

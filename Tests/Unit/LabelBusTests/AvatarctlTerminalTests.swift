import BusTestSupport
import Foundation
import LabelBus
import Testing

/// The same command on a terminal, in a pipe, and for a program.
@Suite("How avatarctl shows progress", .timeLimit(.minutes(1)))
struct AvatarctlTerminalTests {
    /// Runs it on a terminal of 60 columns.
    private func onTerminal(
        _ arguments: [String], prompt: String = "", answer: String = "", _ bus: RunningBus
    ) async throws -> ProgramResult {
        try await Program.run(
            "/usr/bin/python3",
            [
                Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/terminal.py", prompt, answer,
                Program.product("avatarctl"),
            ] + arguments + ["--socket", bus.path], in: bus.folder)
    }

    /// A picture that comes in four steps as soon as it is fetched.
    private func come(_ bus: RunningBus) async {
        await bus.agent.untilCalled("Fetch", more: true)
        for transferred in [10, 15, 50] { bus.agent.progress("a.png", transferred: transferred, size: 100) }
        bus.agent.complete("a.png", path: "/tmp/a.png", size: 100)
    }

    @Test("on a terminal: a line for the picture and one for all, drawn again and again, and a sentence at the end")
    func terminal() async throws {
        try await withBus { bus in
            async let running = onTerminal(["fetch", "a.png"], bus)
            await come(bus)
            let result = try await running
            #expect(result.status == 0)
            let drawn = result.output.replacing("\u{1B}[A\u{1B}[K", with: "").components(separatedBy: "\r\u{1B}[K")
                .map { $0.components(separatedBy: "\r\n") }
            #expect(drawn.first == ["a.png  pending", "0 of 1 done, 1 under way"])
            #expect(drawn.last == ["a.png: ready, 100 bytes, /tmp/a.png", ""])
            // Rates depend on the time it takes; the table of the board's own test has them.
            let steps = drawn.dropFirst().dropLast().compactMap { lines in lines.first }
            for percent in ["10 %", "15 %", "50 %"] {
                #expect(steps.contains { $0.hasPrefix("a.png  [") && $0.contains("]  " + percent) }, "\(steps)")
            }
            #expect(steps.allSatisfy { $0.count < 60 }, "\(steps)")
        }
    }

    @Test("Ctrl-C ends the line, and says what becomes of the transfer")
    func interrupted() async throws {
        try await withBus { bus in
            async let running = Program.run(
                "/usr/bin/python3",
                [
                    Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/terminal.py", "under way", "\u{3}",
                    Program.product("avatarctl"), "fetch", "a.png", "--socket", bus.path,
                ], in: bus.folder)
            await bus.agent.untilCalled("Fetch", more: true)
            let result = try await running
            #expect(result.output.contains("what nobody else wants is not fetched further"), "\(result)")
            #expect(result.output.hasSuffix("\r\n"))
        }
    }

    @Test("a terminal that becomes narrower is drawn anew at once, though no transfer comes further")
    func resized() async throws {
        try await withBus { bus in
            let script = Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/resize.py"
            async let running = Program.run(
                "/usr/bin/python3",
                [script, "50 %", Program.product("avatarctl"), "fetch", "a.png", "--socket", bus.path], in: bus.folder)
            await bus.agent.untilCalled("Fetch", more: true)
            bus.agent.progress("a.png", transferred: 50, size: 100)
            let drawn = try await running.output
            let lines = drawn.split { $0 == "\r\n" || $0 == "\r" || $0 == "\n" }
                .map { String($0).replacing(/\u{1B}\[[AK]|\^C/, with: "") }.filter { !$0.isEmpty }
            #expect(lines.first?.hasPrefix("a.png  ") == true && lines.first?.contains("50 %") == true, "\(lines)")
            #expect(lines.prefix(2).allSatisfy { $0.count < 40 }, "\(lines)")
            // The line of the wide terminal stands in two or three rows by now, and the one for all in two.
            #expect(drawn.hasPrefix("\r\u{1B}[K\u{1B}[A\u{1B}[K\u{1B}[A\u{1B}[K"), "\(drawn.debugDescription)")
        }
    }

    @Test("in a pipe: a plain line at every tenth and at the end, nothing that steers a terminal")
    func pipe() async throws {
        try await withBus { bus in
            async let running = Program.run(
                Program.product("avatarctl"), ["fetch", "a.png", "--socket", bus.path], in: bus.folder)
            await come(bus)
            let output = try await running.output
            #expect(
                output == """
                    a.png: pending
                    a.png: pending, 10 % of 100 bytes
                    a.png: pending, 50 % of 100 bytes
                    a.png: ready, 100 bytes, /tmp/a.png

                    """)
        }
    }

    @Test("for a program: each step as a JSON object, on a terminal too")
    func json() async throws {
        try await withBus { bus in
            async let running = onTerminal(["fetch", "--json", "a.png"], bus)
            await come(bus)
            let steps = try await running.output.split(separator: "\r\n").map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
            #expect(steps.map { $0["transferred"] as? Int } == [nil, 10, 15, 50, 100])
            #expect(steps.map { $0["state"] as? String } == ["pending", "pending", "pending", "pending", "ready"])
        }
    }

    @Test("several pictures: the last line says how many are through; one that cannot be had fails the command")
    func several() async throws {
        try await withBus { bus in
            async let running = onTerminal(["fetch", "a.png", "b.png"], bus)
            await bus.agent.untilCalled("Fetch", more: true)
            bus.agent.fail("b.png", reason: "absent")
            bus.agent.progress("a.png", transferred: 50, size: 100)
            bus.agent.complete("a.png", path: "/tmp/a.png", size: 100)
            let result = try await running
            #expect(result.status == 1)
            #expect(result.output.contains("b.png: failed, absent\r\n"))
            #expect(result.output.contains("1 of 2 done, 1 under way"))
            #expect(result.output.hasSuffix("a.png: ready, 100 bytes, /tmp/a.png\r\n"))
        }
    }

    @Test("a token that is typed is not shown")
    func token() async throws {
        try await withBus { bus in
            let result = try await onTerminal(
                ["login", "--host", "127.0.0.1", "--uid", "7"], prompt: "Token", answer: "s3cret", bus)
            #expect(result.status == 0, "\(result.output)")
            #expect(bus.agent.login?.token == "s3cret")
            #expect(!result.output.contains("s3cret"))
            #expect(result.output.contains("user 7 at 127.0.0.1:9090"))
        }
    }
}

import BusTestSupport
import Foundation
import LabelBus
import Testing

@Suite("avatarctl", .timeLimit(.minutes(1)))
struct AvatarctlTests {
    private func avatarctl(_ arguments: String..., input: String = "", on bus: RunningBus) async throws -> ProgramResult
    {
        try await Program.run(
            Program.product("avatarctl"), arguments + ["--socket", bus.path], input: input, in: bus.folder)
    }

    @Test("status tells a person how the agent is")
    func status() async throws {
        try await withBus { bus in
            let result = try await avatarctl("status", on: bus)
            #expect(result.status == 0)
            #expect(result.lines.contains { $0.wholeMatch(of: /connection  offline for \d+ days/) != nil })
            #expect(result.lines.allSatisfy { !$0.hasPrefix("figure") }, "the agent's counters are for --verbose")
            #expect(try await avatarctl("status", "--verbose", on: bus).lines.contains { $0.hasPrefix("figure") })
            let json = try await avatarctl("status", "--json", on: bus)
            let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
            #expect(object?["connection"] as? String == "offline")
        }
    }

    @Test("list and get print what is known; an unknown name fails with a sentence")
    func listAndGet() async throws {
        try await withBus { bus in
            bus.agent.complete("a.png", path: "/tmp/a.png", size: 20)
            bus.agent.fail("b.png", reason: "corrupt")
            #expect(
                try await avatarctl("list", on: bus).lines == [
                    "a.png: ready, 20 bytes, /tmp/a.png", "b.png: failed, corrupt",
                ])
            #expect(try await avatarctl("list", "--state", "failed", on: bus).lines == ["b.png: failed, corrupt"])
            #expect(try await avatarctl("list", "--json", on: bus).lines.count == 2)
            let unknown = try await avatarctl("get", "c.png", on: bus)
            #expect(unknown.status == 1)
            #expect(unknown.errors == "avatarctl: nothing is known of c.png\n")
        }
    }

    @Test("fetch shows how far a picture is, and ends when it is there")
    func fetch() async throws {
        try await withBus { bus in
            async let result = avatarctl("fetch", "a.png", on: bus)
            await bus.agent.untilCalled("Fetch")
            bus.agent.progress("a.png", transferred: 50, size: 100)
            bus.agent.complete("a.png", path: "/tmp/a.png", size: 100)
            let ended = try await result
            #expect(ended.status == 0)
            #expect(ended.lines.first == "a.png: pending")
            #expect(ended.lines.last == "a.png: ready, 100 bytes, /tmp/a.png")
        }
    }

    @Test("fetch fails when a picture cannot be had")
    func fetchFails() async throws {
        try await withBus { bus in
            bus.agent.fail("a.png", reason: "absent")
            let result = try await avatarctl("fetch", "a.png", on: bus)
            #expect(result.status == 1)
            #expect(result.lines == ["a.png: failed, absent"])
        }
    }

    @Test("upload waits for the server, unless it is told not to")
    func upload() async throws {
        try await withBus { bus in
            let file = bus.folder.file("crop.png")
            try Data([1, 2, 3]).write(to: URL(fileURLWithPath: file))
            #expect(
                try await avatarctl("upload", "--no-wait", file, on: bus).lines == [
                    "\(file): pending, 0 % of 100 bytes"
                ])
            async let result = avatarctl("upload", file, on: bus)
            await bus.agent.untilCalled("Upload", more: true)
            bus.agent.complete("crop.png", path: file, size: 100)
            let ended = try await result
            #expect(ended.lines.last == "\(file): ready, 100 bytes, \(file)", "called as it was typed")
            let missing = try await avatarctl("upload", bus.folder.file("none.png"), on: bus)
            #expect(missing.status == 1)
            #expect(missing.errors.hasSuffix("No such file or directory\n"))
        }
    }

    @Test("login takes the token from standard input or a file that only its owner reads, and nothing shows it")
    func login() async throws {
        try await withBus { bus in
            let account = ["--host", "127.0.0.1", "--uid", "7"]
            func login(_ more: [String], input: String = "") async throws -> ProgramResult {
                try await Program.run(
                    Program.product("avatarctl"), ["login"] + account + more + ["--socket", bus.path], input: input,
                    in: bus.folder)
            }
            let byInput = try await login([], input: "s3cret\n")
            #expect(byInput.status == 0)
            #expect(bus.agent.login?.token == "s3cret")
            let file = bus.folder.file("token")
            try Data("other\n".utf8).write(to: URL(fileURLWithPath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
            let readable = try await login(["--token-file", file])
            #expect(readable.status == 1)
            #expect(readable.errors.contains("others can read it; chmod 600"))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            #expect(try await login(["--token-file", file]).status == 0)
            #expect(bus.agent.login?.token == "other")
            let status = try await avatarctl("status", on: bus)
            for result in [byInput, readable, status] {
                #expect(!(result.output + result.errors).contains("s3cret"))
                #expect(!(result.output + result.errors).contains("other\n"))
            }
            #expect(try await login([], input: "").status == 1)
        }
    }

    @Test("watch prints each change as a line, and hangs up when its reader does")
    func watch() async throws {
        try await withBus { bus in
            bus.agent.complete("a.png", path: "/tmp/a.png")
            bus.agent.complete("b.png", path: "/tmp/b.png")
            let script =
                "\(Program.product("avatarctl")) watch --since 0 --epoch epoch-1 --socket \(bus.path) | head -1"
            async let result = Program.run("/bin/sh", ["-c", script], in: bus.folder)
            await bus.agent.untilCalled("Watch")
            // The program learns that its reader has gone when it writes again.
            bus.agent.complete("c.png", path: "/tmp/c.png")
            var count = 0
            while bus.agent.hungUpStreams.isEmpty, count < 1000 {
                bus.agent.complete("\(count).png", path: "/tmp/x.png")
                count += 1
                await Task.yield()
            }
            let ended = try await result
            #expect(ended.lines.count == 1)
            let line = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  1  ready  a.png: ready, 3 bytes, \/tmp\/a.png/
            #expect(ended.lines.first?.wholeMatch(of: line) != nil, "\(ended.lines)")
        }
    }

    @Test("dismiss says what becomes of the file; one that the agent has no problem with fails")
    func dismiss() async throws {
        try await withBus { bus in
            bus.agent.mayDismiss("broken.png")
            let done = try await avatarctl("dismiss", "broken.png", on: bus)
            #expect(done.output.hasPrefix("broken.png is dismissed: it stays in the upload folder"), "\(done.output)")
            let again = try await avatarctl("dismiss", "broken.png", on: bus)
            #expect(again.status == 1)
            #expect(again.errors.hasPrefix("avatarctl: the agent has no problem with broken.png"), "\(again.errors)")
        }
    }

    @Test("what the agent cannot do yet is said plainly")
    func notImplemented() async throws {
        try await withBus(ScriptedAgent(missing: ["Explain", "Pause"])) { bus in
            let result = try await avatarctl("explain", "a.png", on: bus)
            #expect(result.status == 1)
            #expect(result.errors == "avatarctl: this agent cannot do org.avatard.Agent.Explain yet\n")
            let json = try await avatarctl("pause", "--json", on: bus)
            #expect(json.errors.contains(#""error":"org.varlink.service.MethodNotImplemented""#))
        }
    }

    @Test("an agent that is not there: status 3, and how to start it")
    func notReachable() async throws {
        let folder = try TemporaryFolder()
        let result = try await Program.run(
            Program.product("avatarctl"), ["status", "--socket", folder.file("none.sock")], in: folder)
        #expect(result.status == 3)
        #expect(result.errors.contains("there is no such socket"))
        #expect(result.errors.contains("systemctl --user start avatard"))
    }

    @Test("a wrong command line: status 2", arguments: [["get"], ["fetch"], ["nonsense"], ["list", "--limit"]])
    func usage(arguments: [String]) async throws {
        let folder = try TemporaryFolder()
        #expect(try await Program.run(Program.product("avatarctl"), arguments, in: folder).status == 2)
    }
}

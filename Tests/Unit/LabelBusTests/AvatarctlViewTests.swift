import BusTestSupport
import Foundation
import LabelBus
import Testing

/// Long lists, times, a status that goes on, the journal, and what a shell offers.
@Suite("How avatarctl shows what is known", .timeLimit(.minutes(1)))
struct AvatarctlViewTests {
    private func avatarctl(
        _ arguments: String..., environment: [String: String] = [:], on bus: RunningBus
    ) async throws -> ProgramResult {
        try await Program.run(
            Program.product("avatarctl"), arguments + ["--socket", bus.path], environment: environment, in: bus.folder)
    }

    /// On a terminal of 60 columns.
    private func onTerminal(
        _ arguments: String..., prompt: String = "", answer: String = "", environment: [String: String] = [:],
        on bus: RunningBus
    ) async throws -> ProgramResult {
        let terminal = Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/terminal.py"
        return try await Program.run(
            "/usr/bin/python3",
            [terminal, prompt, answer, Program.product("avatarctl")] + arguments + ["--socket", bus.path],
            environment: ["TERM": "xterm", "NO_COLOR": ""].merging(environment) { $1 }, in: bus.folder)
    }

    /// A picture whose file is real.
    private func complete(_ name: String, _ bus: RunningBus) throws {
        let file = bus.folder.file("picture")
        let fixture = Program.packageFolder + "/Tests/Support/Fixtures/pictures/ada.png"
        if !FileManager.default.fileExists(atPath: file) {
            try FileManager.default.copyItem(atPath: fixture, toPath: file)
        }
        bus.agent.complete(name, path: file, size: 2048)
    }

    @Test("list --long in a pipe: tabs between the fields, no heading, no colours, bytes as a number")
    func longInPipe() async throws {
        try await withBus { bus in
            try complete("a.png", bus)
            bus.agent.fail("b.png", reason: "corrupt")
            let result = try await avatarctl("list", "--long", environment: ["TERM": "xterm"], on: bus)
            let fields = result.lines.map { $0.split(separator: "\t").map(String.init) }
            #expect(fields.count == 2)
            #expect(
                fields[0].prefix(3) == ["ready", "2048", "PNG"]
                    && fields[0].suffix(3) == ["server", "structural", "a.png"])
            #expect(fields[0][3].contains(/^\d+ (seconds|minutes|hours|days)$/))
            #expect(fields[1] == ["failed", "-", "-", "-", "-", "-", "-", "b.png"])
            #expect(!result.output.contains("\u{1B}"))
            #expect(try await avatarctl("list", "--long", "--json", on: bus).lines.allSatisfy { $0.hasPrefix("{") })
        }
    }

    @Test("list --long on a terminal: a heading, and columns that stand below it; colours unless NO_COLOR is set")
    func longOnTerminal() async throws {
        try await withBus { bus in
            try complete("a.png", bus)
            bus.agent.fail("b.png", reason: "corrupt")
            let coloured = try await onTerminal("list", "--long", on: bus)
            #expect(
                coloured.output.contains("\u{1B}[32mready   \u{1B}[0m") && coloured.output.contains("\u{1B}[31mfailed"))
            for variables in [["NO_COLOR": "1"], ["TERM": "dumb"]] {
                let plain = try await onTerminal("list", "--long", environment: variables, on: bus)
                #expect(!plain.output.contains("\u{1B}"), "\(variables)")
                let lines = plain.output.split(separator: "\r\n").map(Array.init)
                #expect(String(lines[0]).hasPrefix("STATE") && lines.count == 3)
                let column = try #require(String(lines[0]).range(of: "NAME")).lowerBound.utf16Offset(
                    in: String(lines[0]))
                #expect(lines.dropFirst().map { String($0[column...]) } == ["a.png", "b.png"])
            }
        }
    }

    @Test("a gallery leaves out what a page has no room for, and says so")
    func galleryBound() async throws {
        try await withBus { bus in
            // The beginning of a PNG, and nothing behind it: 15 MiB that take no room on the disk.
            let file = bus.folder.file("large.png")
            try Data([0x89, 0x50, 0x4E, 0x47, 13, 10, 0x1A, 10]).write(to: URL(fileURLWithPath: file))
            #expect(truncate(file, 15 * 1024 * 1024) == 0)
            for number in 1...5 { bus.agent.complete("\(number).png", path: file) }
            let path = bus.folder.file("gallery.html")
            let result = try await avatarctl("gallery", "--output", path, on: bus)
            #expect(result.lines == ["\(path): 5 avatars, 4 with their pictures"])
            let page = try String(contentsOfFile: path, encoding: .utf8)
            #expect(page.contains("<p>Pictures left out: 1, since a page holds at most 64.0 MiB of them.</p>"))
        }
    }

    @Test("explain says when, in this machine's time zone, and how long ago; as JSON in UTC")
    func times() async throws {
        try await withBus { bus in
            bus.agent.want("a.png")
            let result = try await avatarctl("explain", "a.png", environment: ["TZ": "Asia/Tokyo"], on: bus)
            #expect(
                result.output.contains(/^2026-01-01 09:00:00  \d+ days ago  state is pending\n$/), "\(result.output)")
            let json = try await avatarctl("explain", "a.png", "--json", on: bus)
            #expect(json.output.contains(#""at":"2026-01-01T00:00:00Z""#))
        }
    }

    @Test("status --watch in a pipe: a line for each change, until it is interrupted")
    func watchInPipe() async throws {
        try await withBus { bus in
            let script = "\"$1\" status --watch --socket \"$2\" | head -2"
            async let running = Program.run(
                "/bin/sh", ["-c", script, "sh", Program.product("avatarctl"), bus.path], in: bus.folder)
            await bus.agent.untilCalled("Status")
            var count = 0
            while bus.agent.hungUpStreams.isEmpty, count < 1000 {
                bus.agent.complete("\(count).png", path: "/tmp/x.png")
                count += 1
                await Task.yield()
            }
            let lines = try await running.lines
            #expect(lines.count == 2)
            #expect(
                lines.allSatisfy {
                    $0.contains(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  offline, 0 down, 0 up, 0 labels, \d+ pictures/)
                }, "\(lines)")
        }
    }

    @Test("status --watch on a terminal: drawn over the one before")
    func watchOnTerminal() async throws {
        try await withBus { bus in
            // Ctrl-C, as soon as the second picture of it is there.
            async let running = onTerminal(
                "status", "--watch", prompt: "cache       1 picture,", answer: "\u{3}", on: bus)
            await bus.agent.untilCalled("Status")
            bus.agent.complete("a.png", path: "/tmp/a.png")
            let output = try await running.output
            #expect(output.contains("cache       0 pictures"))
            #expect(output.contains(/\u{1B}\[\d+A\u{1B}\[J/))
        }
    }

    @Test("logs becomes journalctl with what it was given; without journalctl it says so")
    func logs() async throws {
        let folder = try TemporaryFolder()
        let journalctl = folder.file("journalctl")
        try Data("#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 7\n".utf8).write(to: URL(fileURLWithPath: journalctl))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: journalctl)
        let result = try await Program.run(
            Program.product("avatarctl"), ["logs", "-f", "-n", "20", "--since", "1 hour ago"],
            environment: ["PATH": folder.path], in: folder)
        #expect(result.lines == ["--user", "--unit", "avatard", "--follow", "--lines=20", "--since=1 hour ago"])
        #expect(result.status == 7, "its status is the command's")
        try FileManager.default.removeItem(atPath: journalctl)
        let without = try await Program.run(
            Program.product("avatarctl"), ["logs"], environment: ["PATH": folder.path], in: folder)
        #expect(without.status == 1)
        #expect(without.errors.contains("journalctl is not installed"))
    }

    /// What the real bash offers for the last word, by the script that is installed for it.
    private func offered(_ words: [String], bus path: String, in folder: TemporaryFolder) async throws -> [String] {
        let script = """
            PATH="$1:$PATH"; source <(avatarctl --generate-completion-script bash)
            shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
            _avatarctl avatarctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let result = try await Program.run(
            "/bin/bash", ["-c", script, "bash", Program.buildFolder, "avatarctl"] + words,
            environment: ["AVATARD_BUS_SOCKET": path], in: folder)
        #expect(result.status == 0, "\(result.errors)")
        return result.lines.map { $0.trimmingCharacters(in: .whitespaces) }
    }

    @Test("bash offers the names that the agent knows, and the states")
    func completions() async throws {
        try await withBus { bus in
            for name in ["ada.png", "adele.png", "bruno.png"] { bus.agent.complete(name, path: "/tmp/x.png") }
            let cases: [(words: [String], offered: [String])] = [
                (["get", "ad"], ["ada.png", "adele.png"]), (["fetch", "bruno.png", "b"], ["bruno.png"]),
                (["show", ""], ["ada.png", "adele.png", "bruno.png"]), (["list", "--state", "re"], ["ready"]),
                (["sta"], ["status"]),
            ]
            for (words, wanted) in cases {
                let found = try await offered(words, bus: bus.path, in: bus.folder)
                #expect(found == wanted, "\(words)")
            }
            let nothing = try await offered(["get", "a"], bus: bus.folder.file("none"), in: bus.folder)
            #expect(nothing == [], "no agent, nothing offered")
        }
    }

    @Test("a script for each of the shells asks the program for names", arguments: ["bash", "zsh", "fish"])
    func scripts(shell: String) async throws {
        let folder = try TemporaryFolder()
        let script = try await Program.run(
            Program.product("avatarctl"), ["--generate-completion-script", shell], in: folder)
        #expect(script.status == 0)
        #expect(script.output.contains("---completion") && script.output.contains("get"))
    }
}

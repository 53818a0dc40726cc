import AvatarAgentClient
import BusTestSupport
import Foundation
import TestPictures
import Testing

/// Whether Debian's chafa is there; `scripts/setup.sh test` installs it.
private let hasChafa = FileManager.default.isExecutableFile(atPath: "/usr/bin/chafa")

extension RealPrograms {
    /// `avatarctl show`, drawn by the real chafa.
    @Suite("Pictures in the terminal", .enabled(if: hasChafa, "needs chafa from Debian"))
    struct Shown {
        /// On a terminal of 60 columns, which says that it is `TERM`.
        private func onTerminal(
            _ stage: Stage, _ arguments: [String], environment: [String: String] = ["TERM": "xterm-256color"]
        ) async throws -> ProgramResult {
            let terminal = Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/terminal.py"
            return try await Program.run(
                "/usr/bin/python3",
                [terminal, "", "", Program.product("avatarctl"), "show"] + arguments
                    + ["--socket", stage.agent.client.socketPath],
                environment: ["NO_COLOR": ""].merging(environment) { $1 }, in: stage.folder)
        }

        private func withPicture(_ name: String, _ body: (Stage) async throws -> Void) async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.picture("bruno.png"), name, for: stage.ada)
                try await stage.startAgent()
                try await body(stage)
            }
        }

        @Test("fetches a picture that is missing, and draws it as the terminal is told to")
        func formats() async throws {
            try await withPicture("bruno.png") { stage in
                let first = try await onTerminal(stage, ["bruno.png"])
                #expect(first.status == 0, "\(first.output)")
                #expect(first.output.contains("bruno.png: ready, "), "it was fetched")
                #expect(first.output.contains(/\u{1B}\[[\d;]*38;[25];\d+/), "and drawn in the colours of the terminal")
                // Each way of drawing begins in its own manner.
                for (format, beginning) in [
                    ("sixels", "\u{1B}P"), ("kitty", "\u{1B}_G"), ("iterm", "\u{1B}]1337;File="),
                ] {
                    let shown = try await onTerminal(stage, ["bruno.png", "--format", format, "--size", "20x10"])
                    #expect(shown.status == 0)
                    #expect(shown.output.contains(beginning), "\(format)")
                    #expect(!shown.output.contains("bruno.png"), "it was there already")
                }
                let kitty = try await onTerminal(
                    stage, ["bruno.png"], environment: ["TERM": "xterm-kitty", "KITTY_PID": "1"])
                #expect(kitty.output.contains("\u{1B}_G"), "chafa knows the terminal by itself")
            }
        }

        @Test("without colours where NO_COLOR is set, and in a pipe; a size is kept")
        func plain() async throws {
            try await withPicture("bruno.png") { stage in
                try await stage.agent.fetch(["bruno.png"])
                let shown = try await onTerminal(
                    stage, ["bruno.png"], environment: ["TERM": "xterm-256color", "NO_COLOR": "1"])
                #expect(shown.status == 0)
                #expect(!shown.output.contains(/\u{1B}\[[\d;]*m/))
                let piped = try await stage.ctl("show", "bruno.png", "--size", "20x10")
                #expect(piped.status == 0)
                #expect(!piped.output.contains("\u{1B}"))
                #expect(
                    (5...10).contains(piped.lines.count) && piped.lines.allSatisfy { $0.count <= 20 }, "\(piped.output)"
                )
            }
        }

        @Test(
            "no name steers the terminal or is taken for an option",
            arguments: ["--version", "$(touch x).png", "a\u{202E}gnp.png"])
        func names(name: String) async throws {
            try await withPicture(name) { stage in
                let shown = try await onTerminal(stage, ["--format", "symbols", "--size", "20x10", "--", name])
                // What comes after a terminator is no option of avatarctl either, the socket's among them: that is given by the environment.
                #expect(shown.status != 0)
                let piped = try await Program.run(
                    Program.product("avatarctl"), ["show", "--size", "20x10", "--", name],
                    environment: ["AVATARD_BUS_SOCKET": stage.agent.client.socketPath], in: stage.folder)
                #expect(piped.status == 0, "\(piped.errors)")
                #expect(!piped.output.contains("Chafa"))
                #expect(piped.lines.count > 3)
                #expect(!FileManager.default.fileExists(atPath: stage.folder.file("x")))
            }
            let escape = try TemporaryFolder()
            let refused = try await Program.run(
                Program.product("avatarctl"), ["show", "a\u{1B}]0;owned\u{7}.png", "--socket", escape.file("none")],
                in: escape)
            #expect(!(refused.output + refused.errors).contains("\u{1B}"))
        }

        @Test("a picture that cannot be had: status 1; without chafa: what to install")
        func failures() async throws {
            try await withPicture("bruno.png") { stage in
                let absent = try await stage.ctl("show", "nobody.png")
                #expect(absent.status == 1)
                #expect(absent.lines.last == "nobody.png: absent: no such file (1012)")
                let without = try await Program.run(
                    Program.product("avatarctl"), ["show", "bruno.png", "--socket", stage.agent.client.socketPath],
                    environment: ["PATH": stage.folder.path], in: stage.folder)
                #expect(without.status == 1)
                #expect(without.errors.hasSuffix("is not installed: sudo apt install chafa\n"))
            }
        }

        @Test(
            "what makes no sense is refused with the word",
            arguments: [["--size", "wide"], ["--size", "0x3"], ["--format", "ascii"], ["--json"]])
        func usage(arguments: [String]) async throws {
            let folder = try TemporaryFolder()
            let result = try await Program.run(Program.product("avatarctl"), ["show", "a.png"] + arguments, in: folder)
            #expect(result.status == 2)
            #expect(result.errors.contains("Error: "))
        }
    }
}

import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Every `--json` of avatarctl against the schema that docs/schemas/README.md names for it.
    @Suite("Schemas")
    struct SchemaTests {
        /// What was printed, a line for each object: the schema's name, a blank, the object.
        private actor Printed {
            private(set) var lines: [String] = []

            func add(_ schema: String, _ output: String) {
                lines += output.split(separator: "\n").map { "\(schema) \($0)" }
            }
        }

        @Test("what avatarctl prints is what the schemas say, and each schema is of something")
        func outputs() async throws {
            try await Stage.run { stage in
                let printed = Printed()
                func run(_ schema: String, _ arguments: String..., status: Int32 = 0) async throws {
                    let result = try await Program.run(
                        Program.product("avatarctl"), arguments + ["--json"], environment: stage.agent.environment,
                        in: stage.folder)
                    #expect(result.status == status, "\(arguments): \(result.errors)")
                    await printed.add(schema, schema == "error" ? result.errors : result.output)
                }
                try await prepare(stage)
                try await run("status", "status")
                try await run("avatar", "fetch", "bruno.png")
                try await run("avatar", "fetch", "nobody.png", status: 1)
                try await run("accepted", "fetch", "--no-wait", "bruno.png")
                try await run("avatar", "upload", stage.folder.file("me.png"))
                try await run("avatar", "get", "bruno.png")
                try await run("avatar", "list")
                try await run("step", "explain", "bruno.png")
                try await run("change", "history")
                try await run("labels", "register", "bruno.png", "nobody.png")
                try await sync(stage, printed)
                // A file that is no picture is a warning.
                try await run("finding", "doctor", status: 5)
                try await run("key", "config", "show")
                for command in [["pause"], ["resume", "up"], ["resume"], ["forget", "bruno.png"]] {
                    try await run("done", command[0], command.count > 1 ? command[1] : "--json")
                }
                try await run("error", "get", "other.png", status: 1)
                try await run("error", "forget", "other.png", status: 1)
                try await logIn(stage, printed)
                try await streams(stage, printed)
                try await run("done", "logout")
                try await run("error", "fetch", "bruno.png", status: 1)
                try await run("finding", "doctor", status: 1)
                try await run("status", "status")
                try await validate(await printed.lines, stage)
            }
        }

        /// A picture, a file that is no crop, and an agent that its login may change.
        private func prepare(_ stage: Stage) async throws {
            try stage.server.place(try TestPictures.picture("bruno.png"), "bruno.png", for: stage.ada)
            try write(try TestPictures.picture("ada.png"), to: stage.folder.file("me.png"))
            try write(Array("no picture".utf8), to: stage.agent.crop("bad.png"))
            try await stage.agent.start([])
            try await stage.agent.client.login(
                server: .init(host: "127.0.0.1", port: stage.wire.port), uid: 1001, token: token(stage))
        }

        private func token(_ stage: Stage) throws -> String {
            try String(contentsOfFile: stage.ada.tokenFile, encoding: .utf8).trimmingCharacters(in: .newlines)
        }

        private func logIn(_ stage: Stage, _ printed: Printed) async throws {
            for (schema, more) in [("verified", []), ("done", ["--no-verify"])] {
                let words = ["login", "--host", "127.0.0.1", "--port", "\(stage.wire.port)", "--uid", "1001", "--json"]
                let result = try await Program.run(
                    Program.product("avatarctl"), words + more + ["--token-file", stage.ada.tokenFile],
                    environment: stage.agent.environment, in: stage.folder)
                #expect(result.status == 0, "\(result.errors)")
                await printed.add(schema, result.output)
            }
        }

        /// Differences of the folders and pictures on their way, in one stream.
        private func sync(_ stage: Stage, _ printed: Printed) async throws {
            let result = try await stage.ctl("sync", "--json")
            #expect(result.status == 1, "a file of the upload folder is refused")
            for line in result.lines { await printed.add(line.contains(#""folder":"#) ? "difference" : "avatar", line) }
        }

        /// What goes on until it is interrupted, as far as it is there at once.
        private func streams(_ stage: Stage, _ printed: Printed) async throws {
            let streams = [
                ("change", "watch --since 0"), ("watch-reset", "watch --since 0 --epoch other"),
                ("status", "status --watch"),
            ]
            for (schema, words) in streams {
                // The watcher is ended when the first line is there.
                let script = """
                    "$1" \(words) --json > "$2" & watcher=$!
                    until [ -s "$2" ]; do sleep 0.02; done
                    kill $watcher; head -n 1 "$2"
                    """
                let file = stage.folder.file("stream-\(schema)")
                let result = try await Program.run(
                    "/bin/bash", ["-c", script, "sh", Program.product("avatarctl"), file],
                    environment: stage.agent.environment, in: stage.folder)
                await printed.add(schema, result.output)
            }
        }

        private func validate(_ lines: [String], _ stage: Stage) async throws {
            let environment = try await Program.run(Program.packageFolder + "/scripts/python-env", in: stage.folder)
            try #require(environment.status == 0, "\(environment.errors)")
            let file = stage.folder.file("printed")
            try write(Array((lines.joined(separator: "\n") + "\n").utf8), to: file)
            let result = try await Program.run(
                "/usr/bin/python3",
                [
                    Program.packageFolder + "/Tests/Integration/Python/schemas.py",
                    Program.packageFolder + "/docs/schemas", file,
                ], environment: ["PYTHONPATH": environment.lines.last ?? ""], in: stage.folder)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
        }
    }
}

import AvatarCore
import BusTestSupport
import Foundation
import TestPictures
import Testing

extension RealPrograms {
    /// Every command of avatarctl, on a real agent with a real server.
    @Suite("avatarctl")
    struct Commands {
        private func avatarctl(
            _ stage: Stage, _ arguments: [String], input: String = ""
        ) async throws -> ProgramResult {
            try await Program.run(
                Program.product("avatarctl"), arguments, environment: stage.agent.environment, input: input,
                in: stage.folder)
        }

        /// A command that must succeed; its lines.
        private func lines(_ stage: Stage, _ arguments: String..., input: String = "") async throws -> [String] {
            let result = try await avatarctl(stage, arguments, input: input)
            #expect(result.status == 0, "\(arguments): \(result.errors)")
            return result.lines
        }

        /// The same with --json: each line is an object.
        private func objects(_ stage: Stage, _ arguments: String...) async throws -> [[String: Any]] {
            let result = try await avatarctl(stage, arguments + ["--json"])
            #expect(result.status == 0, "\(arguments): \(result.errors)")
            return try result.lines.map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any], "\($0)")
            }
        }

        private func failure(_ stage: Stage, _ arguments: String...) async throws -> String {
            let result = try await avatarctl(stage, arguments)
            #expect(result.status == 1, "\(arguments): \(result.output)")
            return result.errors
        }

        @Test("from logging in to logging out")
        func everyCommand() async throws {
            try await Stage.run { stage in
                let name = "marta.bmp"
                try stage.server.place(try TestPictures.picture(name), name, for: stage.ada)
                try await stage.agent.start([])
                #expect(try await failure(stage, "fetch", name) == "avatarctl: nobody is logged in\n")
                try await logIn(stage)
                let path = stage.agent.cached(name)
                let size = ByteCount(try TestPictures.picture(name).count)
                #expect(try await lines(stage, "fetch", name).last == "\(name): ready, \(size), \(path)")
                #expect(try await lines(stage, "get", name) == ["\(name): ready, \(size), \(path)"])
                #expect(try await objects(stage, "fetch", name).last?["path"] as? String == path)
                #expect(try await objects(stage, "get", name).first?["assurance"] as? String == "structural")
                #expect(try await lines(stage, "list").contains("\(name): ready, \(size), \(path)"))
                #expect(try await objects(stage, "list", "--state", "ready").map { $0["name"] as? String } == [name])
                #expect(
                    try await lines(stage, "explain", name).last?.hasSuffix("is ready: \(size.bytes) bytes") == true)
                #expect(try await objects(stage, "explain", name).last?["what"] as? String == "is ready")
                #expect(
                    try await lines(stage, "register", name).first == "\(name)  \(name): ready, \(size), \(path)")
                try await upload(stage)
                try await holdAndForget(stage, name)
                try await sync(stage)
                #expect(try await lines(stage, "logout") == ["logged out"])
                #expect(try await objects(stage, "status").first?["connection"] as? String == "offline")
                #expect(try await objects(stage, "logout").first?.isEmpty == true)
            }
        }

        private func logIn(_ stage: Stage) async throws {
            let token = contents(stage.ada.tokenFile).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let port = "\(stage.wire.port)"
            #expect(
                try await lines(
                    stage, "login", "--host", "127.0.0.1", "--port", port, "--uid", "1001", input: token)
                    == ["user 1001 at 127.0.0.1:\(port): the server took the token (classic protocol)"])
            let status = try await lines(stage, "status")
            #expect(status.contains { $0.hasSuffix("(127.0.0.1:\(port))") }, "\(status)")
            let server = try await objects(stage, "status").first?["server"] as? [String: Any]
            #expect(server?["port"] as? Int == stage.wire.port)
            #expect(!status.joined().contains(token.dropLast()))
        }

        private func upload(_ stage: Stage) async throws {
            let file = stage.folder.file("me.png")
            try write(try TestPictures.picture("ada.png"), to: file)
            let told = try await lines(stage, "upload", file)
            let ready = try #require(told.dropLast().last)
            #expect(ready.hasPrefix("\(file): ready, "), "called as it was typed: \(ready)")
            let crop = try #require(ready.split(separator: "/").last.map(String.init))
            #expect(told.last == "your avatar now, under the name \(crop)")
            #expect(try await stage.server.icons()[1001] == crop)
            #expect(try await objects(stage, "upload", file).last?["name"] as? String == crop)
            let status = try await lines(stage, "status")
            #expect(status.contains { $0.hasPrefix("your icon   \(crop): ready") }, "\(status)")
            // A watcher from the beginning on hears of it; it goes on until it is interrupted.
            let script = """
                "$1" watch --since 0 --json > "$2" & watcher=$!
                until [ "$(wc -l < "$2")" -ge 3 ]; do sleep 0.02; done
                kill $watcher; cat "$2"
                """
            let watched = try await Program.run(
                "/bin/bash", ["-c", script, "sh", Program.product("avatarctl"), stage.folder.file("watched")],
                environment: stage.agent.environment, in: stage.folder)
            let kinds = try watched.lines.map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])["kind"] as? String
            }
            #expect(kinds.prefix(1) == ["ready"] && kinds.contains("uploaded"), "\(kinds)")
            #expect(try await failure(stage, "upload", stage.folder.file("none.png")).contains("No such file"))
        }

        private func holdAndForget(_ stage: Stage, _ name: String) async throws {
            #expect(try await lines(stage, "pause") == ["transfers are held"])
            #expect(try await objects(stage, "status").first.map(isPaused) == true)
            #expect(try await lines(stage, "resume") == ["transfers go on"])
            #expect(try await objects(stage, "pause", "up").first?.isEmpty == true)
            #expect(try await lines(stage, "resume", "up") == ["uploads go on"])
            #expect(try await objects(stage, "status").first.map(isPaused) == false)
            #expect(try await lines(stage, "forget", name) == ["\(name) is forgotten"])
            for command in ["forget", "get"] {
                #expect(try await failure(stage, command, name) == "avatarctl: nothing is known of \(name)\n")
            }
            #expect(try await failure(stage, "fetch", "nobody.png") == "")
            #expect(try await failure(stage, "explain", "other.png") == "avatarctl: nothing is known of other.png\n")
        }

        private func sync(_ stage: Stage) async throws {
            // What was not to be had a moment ago is there now.
            try stage.server.place(try TestPictures.picture("jonas.webp"), "nobody.png", for: stage.ada)
            let lines = try await lines(stage, "sync")
            #expect(lines.contains { $0.hasPrefix("nobody.png: ready, ") }, "\(lines)")
            #expect(lines.last == "nothing else is missing")
            #expect(try await objects(stage, "sync").isEmpty)
        }

        private func isPaused(_ status: [String: Any]) -> Bool {
            (status["figures"] as? [String: Double])?.contains { $0.key.hasPrefix("paused_") && $0.value > 0 } == true
        }
    }
}

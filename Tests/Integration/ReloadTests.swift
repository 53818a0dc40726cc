import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// SIGHUP reads the configuration again, and ends nothing.
    @Suite("SIGHUP")
    struct HangUps {
        /// The agent's configuration as a file of one line for each key.
        private func configure(
            _ stage: Stage, _ keys: [(String, String)], uid: Int64? = nil, port: Int? = nil, tokenFile: String? = nil
        ) throws -> String {
            let path = stage.folder.file("avatard.yaml")
            let user = uid == stage.bob.uid ? stage.bob : stage.ada
            let all =
                [
                    ("server.host", "127.0.0.1"), ("server.port", "\(port ?? stage.wire.port)"),
                    ("identity.uid", "\(user.uid)"), ("identity.tokenFile", "\"\(tokenFile ?? user.tokenFile)\""),
                ] + keys
            var sections: [(name: String, lines: [String])] = []
            for (key, value) in all {
                let parts = key.split(separator: ".").map(String.init)
                if !sections.contains(where: { $0.name == parts[0] }) { sections.append((parts[0], [])) }
                for index in sections.indices where sections[index].name == parts[0] {
                    sections[index].lines.append("  \(parts[1]): \(value)")
                }
            }
            let text = sections.map { ([$0.name + ":"] + $0.lines).joined(separator: "\n") }.joined(separator: "\n")
            try writeByRename(Array((text + "\n").utf8), to: path)
            return path
        }

        /// Puts a token there as secret stores do: nobody else can read it at any time.
        private func placeToken(_ bytes: [UInt8], at path: String) throws {
            let new = path + ".new"
            #expect(FileManager.default.createFile(atPath: new, contents: nil, attributes: [.posixPermissions: 0o600]))
            try write(bytes, to: new)
            #expect(rename(new, path) == 0)
        }

        /// Sends SIGHUP, and waits until the agent says that it is done with it.
        private func reload(_ program: RunningProgram) async throws {
            let done = program.told.lines(with: "READY=1").count
            program.signal(SIGHUP)
            try await program.told.line(with: "READY=1", occurrences: done + 1)
        }

        private func start(_ stage: Stage, _ path: String) async throws -> RunningProgram {
            let program = try stage.agent.launch(["--config", path])
            try await program.untilReady()
            return program
        }

        @Test("what can be is taken over at once, and what needs a restart is said; the service manager is told")
        func takesOver() async throws {
            try await Stage.run { stage in
                let program = try await start(stage, try configure(stage, [("upload.bytesMax", "1000")]))
                try write(try TestPictures.padded(.bmp, to: 5000), to: stage.agent.crop("big.bmp"))
                try await program.log.line(with: "not uploaded", "big.bmp")
                _ = try configure(
                    stage,
                    [
                        ("upload.bytesMax", "6000"), ("cache.bytesMax", "100000"), ("log.level", "debug"),
                        ("storage.sync", "none"),
                    ])
                try await reload(program)
                try await program.log.line(with: "upload.bytesMax is 6000 now, and was 1000")
                try await program.log.line(with: "cache.bytesMax is 100000 now")
                try await program.log.line(with: "log.level is debug now, and was info")
                try await program.log.line(with: "warning", "storage.sync is none now", "after a restart")
                #expect(program.told.lines(with: "RELOADING=1").count == 1)
                #expect(program.told.lines(with: "MONOTONIC_USEC=").count == 1)
                try await stage.agent.change(.uploaded, of: "big.bmp")
                let status = try await stage.agent.client.status()
                #expect(status.figures["upload_bytes_max"] == 6000)
                #expect(
                    status.problems.contains {
                        $0.what.contains("storage.sync") && $0.remedy?.contains("restart") == true
                    })
                _ = try configure(
                    stage, [("upload.bytesMax", "6000"), ("cache.bytesMax", "100000"), ("log.level", "debug")])
                try await reload(program)
                try await program.log.line(with: "nothing has changed")
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("a lower bound of the cache takes effect at once")
        func evicts() async throws {
            try await Stage.run { stage in
                for name in ["a.bmp", "b.bmp"] {
                    try stage.server.place(try TestPictures.padded(.bmp, to: 50_000), name, for: stage.ada)
                }
                let program = try await start(stage, try configure(stage, []))
                try await stage.agent.fetch(["a.bmp", "b.bmp"])
                _ = try configure(stage, [("cache.bytesMax", "60000")])
                try await reload(program)
                let client = stage.agent.client
                try await within(patience, "an eviction") {
                    for try await reply in try await client.watch(since: 0)
                    where reply.changes.contains(where: { $0.kind == .removed }) {
                        return
                    }
                }
                #expect(try visibleNames(in: stage.agent.cache).count == 1)
            }
        }

        @Test("a file with an error leaves everything as it was; the log and Status say so until it is put right")
        func leavesEverything() async throws {
            try await Stage.run { stage in
                let path = try configure(stage, [])
                let program = try await start(stage, path)
                for wrong in ["server:\n  prot: 1\n", "server: [::1]:9\n", "upload:\n  bytesMax: none\n"] {
                    try writeByRename(Array(wrong.utf8), to: path)
                    try await reload(program)
                    let problems = try await stage.agent.client.status().problems
                    #expect(
                        problems.contains { $0.what.contains("was not taken over") && $0.what.contains(path) },
                        "\(problems)")
                }
                #expect(program.log.lines(with: "error", "was not taken over").count == 3)
                try FileManager.default.removeItem(atPath: path)
                try await reload(program)
                #expect(try await stage.agent.client.status().problems.contains { $0.what.contains("No such file") })
                #expect(try await stage.agent.client.status().server?.port == stage.wire.port)
                _ = try configure(stage, [])
                try await reload(program)
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }

        @Test("another server, another user, another token take effect at once")
        func movesOn() async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.padded(.bmp, to: 3000), "a.bmp", for: stage.ada)
                try stage.server.place(try TestPictures.padded(.bmp, to: 3001), "b.bmp", for: stage.bob)
                let program = try await start(stage, try configure(stage, [], port: 1))
                _ = try configure(stage, [])
                try await reload(program)
                try await stage.agent.fetch(["a.bmp"])
                #expect(contents(stage.agent.cached("a.bmp")) != nil)
                _ = try configure(stage, [], uid: stage.bob.uid)
                try await reload(program)
                try await program.log.line(with: "logged in", "uid \(stage.bob.uid)")
                try await stage.agent.fetch(["b.bmp"])
                #expect(contents(stage.agent.cached("b.bmp")) != nil)
                try write(Array("another\n".utf8), to: stage.bob.tokenFile)
                try await reload(program)
                try await program.log.line(with: "logged in", "uid \(stage.bob.uid)", occurrences: 2)
            }
        }

        @Test("a login that was made over the bus goes on to beat the file, also when what was kept of it is gone")
        func loginWins() async throws {
            try await Stage.run { stage in
                let program = try await start(stage, try configure(stage, [], port: 1))
                let token = String(decoding: contents(stage.bob.tokenFile) ?? [], as: UTF8.self)
                    .trimmingCharacters(in: .newlines)
                try await stage.agent.client.login(
                    server: Server(host: "127.0.0.1", port: stage.wire.port), uid: Int(stage.bob.uid), token: token)
                _ = try configure(stage, [], port: 2)
                try await reload(program)
                try await program.log.line(with: "server.port is 2 now")
                #expect(try await stage.agent.client.status().server?.port == stage.wire.port)
                // What went with the state folder is written again; it is no logout.
                try FileManager.default.removeItem(atPath: stage.agent.state + "/login.json")
                _ = try configure(stage, [], port: 3)
                try await reload(program)
                try await program.log.line(with: "server.port is 3 now")
                #expect(try await stage.agent.client.status().server?.port == stage.wire.port)
            }
        }

        @Test("after another token file was configured that one is followed, and the one before is not")
        func followsTheTokenFile() async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.padded(.bmp, to: 3000), "a.bmp", for: stage.ada)
                let program = try await start(stage, try configure(stage, []))
                let token = try #require(contents(stage.ada.tokenFile))
                let folder = stage.folder.file("secrets")
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
                let other = folder + "/token"
                try placeToken(Array("wrong\n".utf8), at: other)
                _ = try configure(stage, [], tokenFile: other)
                try await reload(program)
                try await program.log.line(with: "identity.tokenFile is \(other) now")
                try await program.log.line(with: "logged in", "uid \(stage.ada.uid)", occurrences: 2)
                try placeToken(Array("of nobody\n".utf8), at: stage.ada.tokenFile)
                try placeToken(token, at: other)
                try await program.log.line(with: "the token was read again", other)
                try await stage.agent.fetch(["a.bmp"])
                #expect(program.log.lines(with: "the token was read again").count == 1)
            }
        }

        @Test("without a token the configured user is logged in when it appears, at the server that is configured then")
        func tokenAppears() async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.padded(.bmp, to: 3000), "a.bmp", for: stage.ada)
                let program = try await start(stage, try configure(stage, [], port: 1, tokenFile: ""))
                _ = try configure(stage, [], tokenFile: "")
                try await reload(program)
                try await program.log.line(with: "server.port is \(stage.wire.port) now, and was 1")
                try placeToken(try #require(contents(stage.ada.tokenFile)), at: stage.agent.state + "/token")
                try await program.log.line(with: "the token was read again")
                try await stage.agent.fetch(["a.bmp"])
                #expect(try await stage.agent.client.status().server?.port == stage.wire.port)
            }
        }

        @Test("a token behind symlinks is read again when one of them leads elsewhere")
        func linkedToken() async throws {
            try await Stage.run { stage in
                let (link, files) = (stage.folder.file("token"), FileManager.default)
                // As Kubernetes mounts secrets: the file's link stays, and the folder's is replaced.
                let folders = ["first", "second"].map(stage.folder.file)
                for folder in folders {
                    try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
                }
                try placeToken(Array("wrong\n".utf8), at: folders[0] + "/token")
                try placeToken(try #require(contents(stage.ada.tokenFile)), at: folders[1] + "/token")
                let data = stage.folder.file("data")
                try files.createSymbolicLink(atPath: data, withDestinationPath: "first")
                try files.createSymbolicLink(atPath: link, withDestinationPath: "data/token")
                try stage.server.place(try TestPictures.padded(.bmp, to: 5000), "a.bmp", for: stage.ada)
                let program = try await start(stage, try configure(stage, [], tokenFile: link))
                try await program.log.line(with: "logged in", "uid \(stage.ada.uid)")
                try files.createSymbolicLink(atPath: data + ".new", withDestinationPath: "second")
                #expect(rename(data + ".new", data) == 0)
                try await program.log.line(with: "the token was read again")
                try await stage.agent.fetch(["a.bmp"])
                #expect(contents(stage.agent.cached("a.bmp"))?.count == 5000)
            }
        }

        @Test("SIGHUP ends the agent at no time, from its first moment on")
        func atAnyTime() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let program = try agent.launch([])
            try await program.untilReady()
            for _ in 0..<50 { program.signal(SIGHUP) }
            try await program.log.line(with: "nothing has changed")
            #expect(try await agent.client.status().connection == "offline")
            #expect(try await program.terminate() == RunningProgram.Ending(status: 0, wasSignalled: false))
        }

        @Test("a terminal that closes does not end the agent")
        func closedTerminal() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            // A session with a terminal of its own, which closes once the agent answers.
            let script = """
                import os, pty, sys, time
                socket, pid_file, command = sys.argv[1], sys.argv[2], sys.argv[3:]
                pid, terminal = pty.fork()
                if pid == 0:
                    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                    os.execv(command[0], command)
                said = b""
                while b"the agent runs" not in said:
                    said += os.read(terminal, 4096)
                os.close(terminal)
                with open(pid_file, "w") as file:
                    file.write(str(pid))
                """
            let pidFile = folder.file("pid")
            let result = try await Program.run(
                "/usr/bin/python3", ["-c", script, agent.client.socketPath, pidFile, Program.product("avatard")],
                environment: agent.environment, in: folder)
            #expect(result.status == 0, "\(result.errors)")
            let text = String(decoding: contents(pidFile) ?? [], as: UTF8.self)
            let pid = try #require(pid_t(text))
            #expect(try await agent.client.status().connection == "offline")
            kill(pid, SIGTERM)
        }

        @Test("the server takes a larger bound over at once, says what needs a restart, and survives a wrong file")
        func server() async throws {
            try await Stage.run { stage in
                let path = stage.folder.file("server.yaml")
                try writeByRename(Array("upload:\n  bytesMax: 1000\n".utf8), to: path)
                try await stage.server.program.killNow()
                try await stage.server.start(["--config", path])
                let program = try stage.server.program
                try writeByRename(Array("upload:\n  bytesMax: many\n".utf8), to: path)
                try await reload(program)
                try await program.log.line(with: "error", "was not taken over", "upload.bytesMax")
                try writeByRename(
                    Array("upload:\n  bytesMax: 100000\nclassic:\n  chunkBytes: 1024\nlog:\n  level: debug\n".utf8),
                    to: path)
                try await reload(program)
                try await program.log.line(with: "upload.bytesMax is 100000 now, and was 1000")
                try await program.log.line(with: "classic.chunkBytes is 1024 now", "after a restart")
                try await stage.startAgent()
                try write(try TestPictures.padded(.bmp, to: 5000), to: stage.agent.crop("big.bmp"))
                try await stage.agent.change(.uploaded, of: "big.bmp")
            }
        }

        @Test("under systemd lines carry the journal's prefixes and no time; as JSON each is an object")
        func journal() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            // The shell says which pipe standard error is, as systemd does.
            let wrapper = [
                "/bin/sh", "-c", "JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec \"$0\" \"$@\"",
            ]
            let program = try agent.launch([], through: wrapper)
            try await program.untilReady()
            let line = try await program.log.line(with: "the agent runs")
            #expect(line.hasPrefix("<6>the agent runs cache="))
            #expect(program.log.lines.allSatisfy { $0.hasPrefix("<") }, "\(program.log.lines)")
            _ = try await program.terminate()
            let json = try agent.launch(["--log-format", "json"])
            try await json.untilReady()
            _ = try await json.terminate()
            try await json.log.ended.wait("its last line")
            for line in json.log.lines {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String]
                #expect(object?["message"] != nil && object?["time"] != nil && object?["level"] != nil, "\(line)")
            }
        }
    }
}

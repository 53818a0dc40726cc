import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// SIGTERM ends either program soon, and nothing acknowledged is lost.
    @Suite("Ending on SIGTERM")
    struct Endings {
        static let size = 1_000_000

        /// Sends SIGTERM at the strike, and says how the program ended and how long that took.
        private func terminate(
            _ program: RunningProgram, after bytes: Int, _ direction: Wire.Direction, on stage: Stage,
            begin: () throws -> Void
        ) async throws -> Duration {
            let struck = Occasion<ContinuousClock.Instant>()
            stage.wire.strike(after: bytes, direction) {
                program.signal(SIGTERM)
                struck.happen(.now)
            }
            try begin()
            let start = try await struck.wait("the byte \(bytes)")
            let ending = try await program.ended.wait("its end")
            #expect(ending == RunningProgram.Ending(status: 0, wasSignalled: false))
            return .now - start
        }

        @Test("the agent misses nothing of its own while it ends")
        func quietEnd() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                _ = try await program.terminate()
                _ = try await program.log.ended.wait("all that it said")
                #expect(program.log.lines(with: "warning") == [])
            }
        }

        @Test("the agent ends in the middle of a download in under 2 s, and goes on from its offset")
        func agentDownloading() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.padded(.jpeg, to: Self.size)
                try stage.server.place(bytes, "big.jpg", for: stage.ada)
                try await stage.startAgent()
                let client = stage.agent.client
                let took = try await terminate(stage.agent.program, after: Self.size * 2 / 3, .down, on: stage) {
                    Task { _ = try? await client.fetch(["big.jpg"]) }
                }
                #expect(took < .seconds(2))
                let before = stage.wire.passed(.down)
                try await stage.startAgent()
                try await stage.agent.fetch(["big.jpg"])
                #expect(sha256(ofFile: stage.agent.cached("big.jpg")) == sha256(bytes))
                // The wire takes about four thirds of the bytes: half of them had come.
                #expect(stage.wire.passed(.down) - before < Self.size)
            }
        }

        @Test("the agent ends in the middle of an upload in under 2 s, and goes on from its offset")
        func agentUploading() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.padded(.webp, to: Self.size)
                try await stage.startAgent()
                let crop = stage.agent.crop("big.webp")
                let took = try await terminate(stage.agent.program, after: Self.size * 2 / 3, .up, on: stage) {
                    try write(bytes, to: crop)
                }
                #expect(took < .seconds(2))
                let before = stage.wire.passed(.up)
                try await stage.startAgent()
                try await stage.agent.change(.icon, of: "big.webp")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "big.webp")) == sha256(bytes))
                #expect(stage.wire.passed(.up) - before < Self.size)
            }
        }

        @Test("the server ends in the middle of an upload in under 2 s, and the agent goes on from its offset")
        func serverReceiving() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.padded(.bmp, to: Self.size)
                try await stage.startAgent()
                let crop = stage.agent.crop("big.bmp")
                let took = try await terminate(stage.server.program, after: Self.size * 2 / 3, .up, on: stage) {
                    try write(bytes, to: crop)
                }
                #expect(took < .seconds(2))
                let before = stage.wire.passed(.up)
                try await stage.server.start()
                try await stage.agent.change(.icon, of: "big.bmp")
                #expect(sha256(ofFile: stage.server.path(stage.ada, "big.bmp")) == sha256(bytes))
                #expect(stage.wire.passed(.up) - before < Self.size)
            }
        }
    }

    /// What a program refuses to start with: which key or file, and what to do.
    @Suite("Refusing to start")
    struct Refusals {
        /// Runs a program that is to end by itself, and says what it wrote on standard error.
        private func refusal(
            _ product: String, _ arguments: [String], environment: [String: String], in folder: TemporaryFolder
        ) async throws -> (status: Int32, words: String) {
            let result = try await Program.run(
                Program.product(product), arguments, environment: environment, in: folder)
            return (result.status, result.errors)
        }

        @Test("a token file that others can read, and how to put it right", arguments: [0o644, 0o640, 0o604, 0o602])
        func openToken(mode: Int) async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let token = folder.file("token")
            try write(Array("secret\n".utf8), to: token)
            chmod(token, mode_t(mode))
            let (status, words) = try await refusal(
                "avatard",
                [
                    "--server-host", "127.0.0.1", "--server-port", "1", "--identity-uid", "1", "--identity-token-file",
                    token,
                ],
                environment: agent.environment, in: folder)
            #expect(status == 1)
            #expect(words.contains("chmod 600 \(token)"))
            #expect(!words.contains("secret"))
        }

        @Test("a second agent on one state directory; the first goes on")
        func secondAgent() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                var environment = stage.agent.environment
                environment["XDG_RUNTIME_DIR"] = stage.folder.path
                let (status, words) = try await refusal("avatard", [], environment: environment, in: stage.folder)
                #expect(status == 1)
                #expect(words.contains("another agent runs on \(stage.agent.state)"))
                #expect(try await stage.agent.client.verify().uid == 1001, "it answers, and so does its server")
            }
        }

        @Test("one folder for cache and crops by two paths: sharing it is asked for by giving the same path twice")
        func equalFolders() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let other = folder.file("same")
            try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: agent.cache)
            let (status, words) = try await refusal(
                "avatard", ["--cache-directory", agent.cache, "--upload-directory", other],
                environment: agent.environment, in: folder)
            #expect(status == 1)
            #expect(words.contains("\(other) and \(agent.cache) lead to the same folder"), "\(words)")
        }

        @Test("a misspelt key, with the key, the place and the reason")
        func misspelt() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let yaml = folder.file("wrong.yaml")
            try write(Array("server:\n  hots: example.org\n".utf8), to: yaml)
            let misspelt = agent.environment.merging(["AVATARD_SERVER_HOTS": "x"]) { $1 }
            let cases:
                [(product: String, arguments: [String], environment: [String: String], status: Int32, words: [String])] =
                    [
                        ("avatard", ["--config", yaml], agent.environment, 78, [yaml, "server.hots", "server.host"]),
                        ("avatard", [], misspelt, 78, ["AVATARD_SERVER_HOTS", "the environment", "SERVER_HOST"]),
                        ("avatard", ["--server-hots", "x"], agent.environment, 2, ["--server-hots"]),
                        (
                            "avatard", ["--server-port", "65536"], agent.environment, 2,
                            ["server.port", "65535", "--server-port"]
                        ),
                        (
                            "avatard", ["--storage-sync", "maybe"], agent.environment, 2,
                            ["storage.sync", "maybe", "full, none"]
                        ),
                        (
                            "avatar-server", ["serve", "--config", yaml], ["HOME": folder.path], 78,
                            ["\(yaml):1: server: there is no such key"]
                        ),
                        (
                            "avatar-server", ["serve"], ["HOME": folder.path, "AVATAR_SERVER_LISTEN_PROT": "1"], 78,
                            ["LISTEN_PORT"]
                        ),
                    ]
            for one in cases {
                let (status, words) = try await refusal(
                    one.product, one.arguments, environment: one.environment, in: folder)
                #expect(status == one.status, "\(one.arguments): \(words)")
                for word in one.words { #expect(words.contains(word), "\(one.arguments): \(words)") }
            }
        }
    }
}

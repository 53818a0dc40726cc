import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Where things lie, what the configuration says, and SIGHUP.
    @Suite("Configuration")
    struct Configurations {
        // MARK: HOME and the XDG folders

        /// Runs the agent to its end with exactly these variables; `$F` is the test's folder, and printf's escapes make bytes.
        private func refusal(_ variables: String, _ arguments: String = "", in folder: TemporaryFolder) async throws
            -> ProgramResult
        {
            try await Program.run(
                "/bin/sh",
                [
                    "-c",
                    "F=$1; x=$(printf '\\377'); exec env -i PATH=\"$PATH\" LD_LIBRARY_PATH=\"$LD_LIBRARY_PATH\" \(variables) \"$0\" \(arguments)",
                    Program.product("avatard"), folder.path,
                ], in: folder)
        }

        @Test(
            "a HOME or a path that cannot be used is said, and nothing is written anywhere",
            arguments: [
                ("", "", "HOME: is not set"), ("HOME=", "", "HOME: is empty"), ("HOME=home", "", "no absolute path"),
                ("HOME=$F/none", "", "no folder"), ("HOME=/etc/passwd", "", "no folder"),
                ("HOME=$F/$x", "", "HOME: is not UTF-8"),
                ("HOME=$F XDG_DATA_HOME=$F/$x", "", "XDG_DATA_HOME: is not UTF-8"),
                ("HOME=$F AVATARD_STATE_DIRECTORY=$F/$x", "", "AVATARD_STATE_DIRECTORY: is not UTF-8"),
                ("HOME=$F", "--cache-directory $F/$x", "--cache-directory: "),
            ])
        func unusable(_ variables: String, _ arguments: String, _ words: String) async throws {
            let folder = try TemporaryFolder()
            let result = try await refusal(variables, arguments, in: folder)
            #expect(result.status == (arguments.isEmpty ? 78 : 2))
            #expect(result.errors.contains(words), "\(result.errors)")
            let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
            #expect(left.allSatisfy { $0.hasSuffix(".in") || $0.hasSuffix(".out") || $0.hasSuffix(".err") }, "\(left)")
        }

        @Test(
            "a folder that cannot be made is said with the key that says where it lies",
            arguments: [
                ("XDG_DATA_HOME=/etc/passwd/x", "XDG_DATA_HOME says where it lies"),
                ("XDG_STATE_HOME=/proc/none", "XDG_STATE_HOME says where it lies"),
                ("XDG_RUNTIME_DIR=/proc/none", "XDG_RUNTIME_DIR says where it lies"),
            ])
        func unmakable(_ variable: String, _ words: String) async throws {
            let folder = try TemporaryFolder()
            let result = try await refusal("HOME=$F \(variable)", in: folder)
            #expect(result.status == 1)
            #expect(result.errors.contains(words), "\(result.errors)")
        }

        @Test("missing folders are made for their user alone, those of the specification too")
        func makesFolders() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            try FileManager.default.removeItem(atPath: agent.home + "/data")
            try FileManager.default.removeItem(atPath: agent.home + "/run")
            try await agent.start([])
            for path in ["data", "data/avatard/crops", "state", "state/avatard", "run", "run/avatard"] {
                let mode =
                    try FileManager.default.attributesOfItem(atPath: agent.home + "/" + path)[.posixPermissions] as? Int
                #expect(mode == 0o700, "\(path)")
            }
            _ = try await agent.program.terminate()
        }

        @Test("HOME is not needed when every folder is given; a relative XDG folder is ignored with a word")
        func withoutHome() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let program = try agent.launch(
                [
                    "--cache-directory", agent.cache, "--upload-directory", agent.crops, "--state-directory",
                    agent.state,
                    "--bus-socket", agent.client.socketPath,
                ], through: ["/usr/bin/env", "-u", "HOME", "XDG_DATA_HOME=data", "XDG_RUNTIME_DIR="])
            try await program.untilReady()
            try await program.log.line(with: "warning", "XDG_DATA_HOME", "is ignored")
            #expect(try await agent.client.status().connection == "offline")
            _ = try await program.terminate()
        }

        // MARK: Addresses

        @Test("the server's address in brackets, with its port, by flag and by login")
        func bracketed() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let token = folder.file("token")
            try write(Array("secret\n".utf8), to: token)
            chmod(token, 0o600)
            try await agent.start(["--server-host", "[::1]:9", "--identity-uid", "1", "--identity-token-file", token])
            #expect(try await agent.client.status().server == Server(host: "::1", port: 9))
            _ = try await agent.program.terminate()
            try await agent.start([])
            func login(_ arguments: String...) async throws -> ProgramResult {
                try await Program.run(
                    Program.product("avatarctl"), ["login", "--uid", "1", "--no-verify"] + arguments,
                    environment: agent.environment,
                    input: "secret\n", in: folder)
            }
            #expect(try await login("--host", "[0:0::1]:7").output == "user 1 at [::1]:7, not verified\n")
            #expect(try await agent.client.status().server == Server(host: "::1", port: 7))
            #expect(try await login("--host", "[::1]").output == "user 1 at [::1]:9090, not verified\n")
            #expect(try await login("--host", "[::1]", "--port", "7").output == "user 1 at [::1]:7, not verified\n")
            for wrong in [["[::1]:7", "--port", "8"], ["::1:9090"], ["[::1"], ["h:0"], ["a b"], [""]] {
                let result = try await Program.run(
                    Program.product("avatarctl"), ["login", "--uid", "1", "--host"] + wrong,
                    environment: agent.environment, input: "secret\n", in: folder)
                #expect(result.status == 2, "\(wrong)")
                #expect(result.errors.contains("--host"), "\(result.errors)")
            }
            let status = try await Program.run(
                Program.product("avatarctl"), ["status"], environment: agent.environment, in: folder)
            #expect(status.output.contains("([::1]:7)"), "\(status.output)")
            _ = try await agent.program.terminate()
        }

        @Test("a server that listens on [::1] serves an agent that is told of it in brackets")
        func overIPv6() async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.picture("marta.bmp"), "marta.bmp", for: stage.ada)
                try await stage.server.program.killNow()
                try await stage.server.start(["--listen-host", "[::1]"])
                try await stage.agent.start(
                    [
                        "--server-host", "[::1]:\(stage.server.port)", "--identity-uid", "\(stage.ada.uid)",
                        "--identity-token-file", stage.ada.tokenFile,
                    ])
                try await stage.agent.fetch(["marta.bmp"])
                let picture = try TestPictures.picture("marta.bmp")
                #expect(contents(stage.agent.cached("marta.bmp")) == picture)
            }
        }

        // MARK: The bus's socket

        @Test("avatarctl finds the socket where the agent's configuration or environment says; --socket wins")
        func socket() async throws {
            let folder = try TemporaryFolder()
            let agent = try AgentProgram("a", in: folder)
            let other = folder.file("other.sock")
            let config = agent.home + "/config/avatard"
            try FileManager.default.createDirectory(atPath: config, withIntermediateDirectories: true)
            try write(Array("bus:\n  socket: \(other)\nnew:\n  key: 1\n".utf8), to: config + "/avatard.yaml")
            func status(_ arguments: [String] = [], _ more: [String: String] = [:]) async throws -> ProgramResult {
                try await Program.run(
                    Program.product("avatarctl"), ["status"] + arguments,
                    environment: agent.environment.merging(more) { $1 }, in: folder)
            }
            #expect(try await status().errors.contains("at \(other)"))
            let third = folder.file("third.sock")
            #expect(try await status([], ["AVATARD_BUS_SOCKET": third]).errors.contains("at \(third)"))
            try write(Array("bus:\n  socket: \(other)\n".utf8), to: config + "/avatard.yaml")
            let program = try agent.launch([])
            try await program.untilReady()
            #expect(try await status().status == 0)
            #expect(try await status(["--socket", third]).errors.contains("at \(third)"))
            #expect(try await status(["--socket", other], ["AVATARD_BUS_SOCKET": third]).status == 0)
            _ = try await program.terminate()
        }

        // MARK: upload -

        @Test("a picture through a pipe becomes the user's avatar; one that is too large or none is said")
        func pipe() async throws {
            try await Stage.run { stage in
                try await stage.startAgent(["--upload-bytes-max", "5000"])
                let picture = folder(stage, "picture")
                try write(try TestPictures.padded(.png, to: 4000), to: picture)
                func upload(_ path: String) async throws -> ProgramResult {
                    try await Program.run(
                        "/bin/sh", ["-c", "cat \"$1\" | \"$0\" upload -", Program.product("avatarctl"), path],
                        environment: stage.agent.environment, in: stage.folder)
                }
                let result = try await upload(picture)
                #expect(result.status == 0, "\(result.errors)")
                let icon = try #require(try await stage.server.icons()[stage.ada.uid])
                #expect(contents(stage.server.path(stage.ada, icon)) == contents(picture))
                try write(try TestPictures.padded(.png, to: 5001), to: picture)
                #expect(try await upload(picture).errors.contains("more than 5000 bytes"))
                try write(Array("no picture".utf8), to: picture)
                #expect(try await upload(picture).errors.hasPrefix("avatarctl: standard input: "))
                let left = try FileManager.default.contentsOfDirectory(atPath: stage.agent.home + "/run/avatard")
                #expect(left == ["agent.sock"])
            }
        }

        private func folder(_ stage: Stage, _ name: String) -> String { stage.folder.file(name) }
    }
}

import AvatarAgentClient
import BusTestSupport
import Foundation
import TestMounts
import TestPictures
import Testing

extension RealPrograms {
    /// `avatarctl doctor` names what is wrong and what to type.
    @Suite("avatarctl doctor")
    struct Doctor {
        private func doctor(_ stage: Stage, through wrapper: [String] = [], _ more: String...) async throws
            -> ProgramResult
        {
            let command =
                wrapper + [Program.product("avatarctl"), "doctor", "--socket", stage.agent.client.socketPath] + more
            return try await Program.run(
                command[0], Array(command.dropFirst()), environment: stage.agent.environment, in: stage.folder)
        }

        @Test("all is well: every line says so, status 0")
        func well() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                // At once: the answer about the folders comes when the catalog is open.
                let result = try await doctor(stage)
                #expect(result.status == 0, "\(result)")
                #expect(result.lines.allSatisfy { $0.hasPrefix("ok ") }, "\(result)")
                for words in [
                    "the configuration can be read (there is no file", "the agent answers (avatard ",
                    "somebody is logged in (user 1001)",
                    "the server takes the login (127.0.0.1:\(stage.wire.port), classic",
                    "nothing is paused", "the agent has no complaint", "the folders are as the agent knows them",
                    "the state folder can be used (\(stage.agent.state))", "there is room for the cache folder",
                    "the cache folder takes files (written, synced, renamed and removed in ",
                    "the server's version (the classic protocol tells none)",
                    "the upload folder can be used (\(stage.agent.crops))", "the agent's socket is this user's alone",
                    "inotify's limits are not near", "this user may watch one more folder",
                ] {
                    #expect(result.output.contains("ok    " + words), "\(words): \(result.output)")
                }
                for line in try await doctor(stage, "--json").lines {
                    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                    #expect(object?["ok"] as? Bool == true && object?["check"] is String, "\(line)")
                }
            }
        }

        @Test("one file that is not uploaded is a warning, with its remedy; status 5")
        func complaints() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                try write([], to: stage.agent.crop("empty.png"))
                try await program.log.line(with: "not uploaded", "empty.png")
                let result = try await doctor(stage)
                #expect(result.status == 5)
                #expect(
                    result.lines.contains { $0.hasPrefix("warn") && $0.contains("empty.png") && $0.contains("try: ") },
                    "\(result)")
            }
        }

        @Test(
            "folders that others may write to, or the agent may not; a socket that is none; a configuration that cannot be read"
        )
        func places() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                _ = try await stage.agent.client.listPage()
                chmod(stage.agent.crops, 0o777)
                let open = try await doctor(stage)
                #expect(open.status == 5)
                #expect(
                    open.output.contains("others may write to \(stage.agent.crops), mode 777; try: chmod go-w "),
                    "\(open)")
                chmod(stage.agent.crops, 0o700)
                _ = try await stage.agent.program.terminate()
                try write([], to: stage.agent.client.socketPath)
                let config = stage.agent.home + "/config/avatard"
                try FileManager.default.createDirectory(atPath: config, withIntermediateDirectories: true)
                try write(Array("cache:\n  bytesMax: much\n".utf8), to: config + "/avatard.yaml")
                let wrong = try await doctor(stage)
                #expect(
                    wrong.output.contains(
                        "FAIL  the configuration can be read: \(config)/avatard.yaml:2: cache.bytesMax"))
                #expect(wrong.output.contains("what lies at \(stage.agent.client.socketPath) is no socket"), "\(wrong)")
            }
        }

        @Test("too little space for what the cache may grow to, and hardly any", .enabled(if: TmpfsMount.isPermitted))
        func space() async throws {
            try await Stage.run { stage in
                let disk = try TmpfsMount(kilobytes: 200 * 1024)
                try await stage.startAgent()
                func doctor(_ variables: [String: String]) async throws -> ProgramResult {
                    try await Program.run(
                        Program.product("avatarctl"), ["doctor"],
                        environment: stage.agent.environment.merging(variables) { $1 }, in: stage.folder)
                }
                let cache = ["AVATARD_CACHE_DIRECTORY": disk.path]
                let bounded = try await doctor(cache.merging(["AVATARD_CACHE_BYTES_MAX": "10GB"]) { $1 })
                #expect(bounded.status == 5)
                #expect(
                    bounded.output.contains(
                        "warn  there is room for the cache folder: 200.0 MiB are free, and the cache may grow by 9.3 GiB"
                    ),
                    "\(bounded)")
                try disk.fill()
                let full = try await doctor(cache)
                #expect(full.status == 1)
                #expect(
                    full.output.contains("FAIL  there is room for the cache folder: 0 bytes are free; try: df -h"),
                    "\(full)")
                #expect(
                    full.output.contains("FAIL  the cache folder takes files: a small file could not be written there"),
                    "\(full)")
                disk.unmount()
            }
        }

        @Test("nobody is logged in: the command to log in with")
        func nobody() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                let result = try await doctor(stage)
                #expect(result.status == 1)
                #expect(result.output.contains("try: avatarctl login"), "\(result)")
            }
        }

        @Test("no agent: how to start it, status 3; and the rest is looked at all the same")
        func noAgent() async throws {
            try await Stage.run { stage in
                let result = try await doctor(stage)
                #expect(result.status == 3)
                #expect(result.output.contains("systemctl --user start avatard"), "\(result)")
                #expect(result.lines.last == "ok    this user may watch one more folder")
            }
        }

        @Test(
            "inotify's watches are used up: the exact line to type",
            .enabled(if: LimitedWatches.arePossible, "this system gives no user namespace"))
        func limit() async throws {
            try await Stage.run { stage in
                let result = try await doctor(stage, through: LimitedWatches.none)
                #expect(
                    result.lines.last?.contains("try: sudo sysctl fs.inotify.max_user_watches=") == true, "\(result)")
            }
        }
    }
}

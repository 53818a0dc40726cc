import AvatarAgentClient
import BusTestSupport
import Foundation
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
            return try await Program.run(command[0], Array(command.dropFirst()), in: stage.folder)
        }

        @Test("all is well: every line says so, status 0")
        func well() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let result = try await doctor(stage)
                #expect(result.status == 0, "\(result)")
                #expect(result.lines.count == 7 && result.lines.allSatisfy { $0.hasPrefix("ok ") }, "\(result)")
                for line in try await doctor(stage, "--json").lines {
                    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                    #expect(object?["ok"] as? Bool == true && object?["check"] is String, "\(line)")
                }
            }
        }

        @Test("what Status complains of, with its remedy; status 1")
        func complaints() async throws {
            try await Stage.run { stage in
                let program = try await stage.startAgent()
                try write([], to: stage.agent.crop("empty.png"))
                try await program.log.line(with: "not uploaded", "empty.png")
                let result = try await doctor(stage)
                #expect(result.status == 1)
                #expect(
                    result.lines.contains { $0.hasPrefix("FAIL") && $0.contains("empty.png") && $0.contains("try: ") },
                    "\(result)")
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

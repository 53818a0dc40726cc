import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// A person who does not want to hear of a refused file any more.
    @Suite("Dismissing")
    struct Dismissing {
        private func control(_ stage: Stage, _ arguments: String...) async throws -> ProgramResult {
            try await Program.run(
                Program.product("avatarctl"), arguments + ["--socket", stage.agent.client.socketPath], in: stage.folder)
        }

        private func problems(_ stage: Stage) async throws -> [String] {
            try await stage.agent.client.status().problems.map(\.what)
        }

        private func untilProblem(_ stage: Stage, is expected: Bool) async throws {
            try await within(patience, "a problem: \(expected)") {
                while try await problems(stage).isEmpty == expected {
                    // Status is no stream: nothing tells when it changes.
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        }

        @Test("a refused file is dismissed for good: over sync and a restart, until it is written again")
        func dismissed() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                try write(Array("no picture at all".utf8), to: stage.agent.crop("words.png"))
                try await untilProblem(stage, is: true)
                let done = try await control(stage, "dismiss", "words.png")
                #expect(done.status == 0, "\(done.errors)")
                #expect(try await problems(stage) == [])
                #expect(contents(stage.agent.crop("words.png")) == Array("no picture at all".utf8))
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await problems(stage) == [], "looked through, and tried again what was refused")
                try await stage.restartAgent()
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await problems(stage) == [], "after a restart")
                #expect(try await control(stage, "dismiss", "words.png").status == 1)

                try write(Array("other words, and no picture either".utf8), to: stage.agent.crop("words.png"))
                try await untilProblem(stage, is: true)
                try write(try TestPictures.picture("ada.png"), to: stage.agent.crop("words.png"))
                try await stage.agent.change(.icon, of: "words.png")
                #expect(try await problems(stage) == [])
            }
        }

        @Test("a file that the agent may not read, and a symlink, are dismissed, too")
        func unreadable() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                #expect(symlink("/etc/passwd", stage.agent.crop("link.png")) == 0)
                try await untilProblem(stage, is: true)
                #expect(try await control(stage, "dismiss", "link.png").status == 0)
                try await stage.restartAgent()
                #expect(try await control(stage, "sync").status == 0)
                #expect(try await problems(stage) == [])
            }
        }
    }
}

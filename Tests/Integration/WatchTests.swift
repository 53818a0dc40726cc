import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// `avatarctl watch` for a long time.
    @Suite("Watching")
    struct Watching {
        @Test("watch outlives a restart of the agent, says so once, and tells what changed in between")
        func restart() async throws {
            try await Stage.run { stage in
                for name in ["a.png", "b.png", "c.png"] {
                    try stage.server.place(try TestPictures.picture("ada.png"), name, for: stage.ada)
                }
                try await stage.startAgent()
                let printed = stage.folder.file("watched")
                let watch = try RunningProgram(
                    "avatarctl", ["watch", "--since", "0"],
                    through: ["/bin/sh", "-c", "exec \"$@\" > \(printed)", "sh"],
                    environment: stage.agent.environment, in: stage.folder)
                func untilPrinted(_ words: String) async throws -> [String] {
                    try await within(patience, "\(words) from watch") {
                        while true {
                            let text = String(decoding: contents(printed) ?? [], as: UTF8.self)
                            if text.contains(words) { return text.split(separator: "\n").map(String.init) }
                            // A file tells nobody when it grows.
                            try await Task.sleep(for: .milliseconds(20))
                        }
                    }
                }
                try await stage.agent.fetch(["a.png"])
                _ = try await untilPrinted("ready  a.png: ready")
                try await stage.agent.program.killNow()
                try await watch.log.line(with: "the agent is away")
                try await stage.startAgent()
                try await watch.log.line(with: "the agent is back")
                try await stage.agent.fetch(["b.png"])
                _ = try await untilPrinted("ready  b.png: ready")
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent()
                try await stage.agent.fetch(["c.png"])
                let lines = try await untilPrinted("ready  c.png: ready")
                #expect(lines.filter { $0.contains("  ready  ") }.count == 3, "each once: \(lines)")
                let list = try await Program.run(
                    Program.product("avatarctl"), ["list"], environment: stage.agent.environment, in: stage.folder)
                for line in list.lines { #expect(lines.contains { $0.hasSuffix("  ready  " + line) }, "\(line)") }
                #expect(watch.log.lines.filter { $0.contains("agent is away") }.count == 2)
                #expect(watch.log.lines.filter { $0.contains("agent is back") }.count == 2)
                try await watch.killNow()
            }
        }
    }
}

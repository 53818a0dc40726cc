import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Which formats are taken is the configuration's to say (`pictures.types`).
    @Suite("Formats")
    struct Formats {
        @Test("a format that is not taken is named, up and down, and taken once pictures.types has it")
        func named() async throws {
            try await Stage.run { stage in
                let heic = try TestPictures.tiny(.heic)
                try stage.server.place(heic, "friend.heic", for: stage.ada)
                var program = try await stage.startAgent()
                let agent = stage.agent
                try write(heic, to: agent.crop("mine.heic"))
                try await program.log.line(with: "not uploaded", "mine.heic", "unsupported format: HEIC")
                let down = try await stage.ctl("fetch", "friend.heic")
                #expect(down.status == 1 && down.output.contains("unsupported format: HEIC"), "\(down)")
                for command in ["get", "explain"] {
                    #expect(try await stage.ctl(command, "friend.heic").output.contains("unsupported format: HEIC"))
                }
                #expect(
                    try await agent.client.status().problems.contains { $0.what.contains("unsupported format: HEIC") })
                _ = try await program.terminate()
                program = try await stage.startAgent(["--pictures-types", "png,heic"])
                try await agent.change(.icon, of: "mine.heic")
                try await agent.fetch(["friend.heic"])
                #expect(sha256(ofFile: agent.cached("friend.heic")) == sha256(heic))
                #expect(sha256(ofFile: stage.server.path(stage.ada, "mine.heic")) == sha256(heic))
            }
        }
    }
}

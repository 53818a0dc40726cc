import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Another program of the same user sets the avatar, too.
    @Suite("The avatar that another program set")
    struct OwnAvatar {
        @Test(
            "who connects learns it over HTTP, shows it, and makes the own picture the avatar again when it is saved again"
        )
        func learned() async throws {
            try await WebStage.run { stage in
                let mine = try TestPictures.picture("ada.png")
                try await stage.startAgent()
                try write(mine, to: stage.agent.crop("mine.png"))
                try await stage.agent.change(.icon, of: "mine.png")
                _ = try await stage.agent.program.terminate()
                let other = try TestPictures.picture("bruno.png")
                try await stage.put(other, "other.png", by: stage.ada)
                try await stage.startAgent()
                let learned = try await stage.agent.change(.icon, of: "other.png")
                try await stage.agent.change(.ready, of: "other.png")
                #expect(try await stage.agent.client.status().icon?.name == "other.png")
                #expect(sha256(ofFile: stage.agent.cached("other.png")) == sha256(other))
                try write(mine, to: stage.agent.crop("mine.png"))
                try await stage.agent.change(.icon, of: "mine.png", after: learned.cursor)
                #expect(try await stage.server.icons()[1001] == "mine.png")
                // While the agent is connected, too.
                let cursor = try await stage.agent.cursor()
                try await stage.put(other, "third.png", by: stage.ada)
                try write(mine, to: stage.agent.crop("mine.png"))
                try await stage.agent.change(.icon, of: "mine.png", after: cursor)
                #expect(try await stage.server.icons()[1001] == "mine.png")
            }
        }
    }
}

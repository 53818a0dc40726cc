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
        /// The formats that are not taken, in both directions; with `takes` the others are.
        private func expect(_ taken: Set<ImageFormat>, of stage: Stage, round: Int) async throws {
            let agent = stage.agent
            for format in ImageFormat.allCases {
                let (mine, friends) = ("mine-\(round).\(format.rawValue)", "friend-\(round).\(format.rawValue)")
                let bytes = try TestPictures.tiny(format)
                try stage.server.place(bytes, friends, for: stage.ada)
                try write(bytes, to: agent.crop(mine))
                if taken.contains(format) {
                    try await agent.change(.uploaded, of: mine)
                    #expect(try await agent.finalState(friends) == .ready)
                    #expect(sha256(ofFile: agent.cached(friends)) == sha256(bytes))
                } else {
                    let words = "unsupported format: \(format.name)"
                    try await agent.program.log.line(with: "not uploaded", mine, words)
                    #expect(try await agent.finalState(friends) == .failed)
                    #expect(try await agent.client.get(friends).reason == words)
                    let piped = try await Program.run(
                        Program.product("avatarctl"),
                        ["upload", "--socket", agent.client.socketPath, agent.crop(mine)],
                        in: stage.folder)
                    #expect(piped.status == 1 && piped.errors.contains(words), "\(piped)")
                }
            }
        }

        @Test("fewer formats than usual, up and down; and when there are more again, what was refused for its format")
        func fewer() async throws {
            try await Stage.run { stage in
                try await stage.startAgent(["--pictures-types", "PNG, gif"])
                try await expect([.png, .gif], of: stage, round: 1)
                _ = try await stage.agent.program.terminate()
                // By the environment, with less.
                try await stage.agent.start(
                    stage.ada, port: stage.wire.port, environment: ["AVATARD_PICTURES_TYPES": "bmp"])
                try await expect([.bmp], of: stage, round: 2)
                // What was taken before stays.
                #expect(try await stage.agent.finalState("friend-1.png") == .ready)
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent(["--pictures-types", "png,jpeg,webp,bmp,gif,avif,heic,jxl"])
                for format in ImageFormat.allCases {
                    for round in 1...2 {
                        let name = "\(round).\(format.rawValue)"
                        #expect(try await stage.agent.finalState("friend-" + name) == .ready)
                        try await stage.agent.change(.uploaded, of: "mine-" + name)
                    }
                }
                try await stage.isWell()
            }
        }

        @Test(
            "a word that names no format that is taken: the agent does not start, and says which words do",
            arguments: ["png,svg", "tiff", "jpg", "png;gif", ",", "*"])
        func unknownWord(types: String) async throws {
            let folder = try TemporaryFolder()
            let program = try AgentProgram("a", in: folder).launch(["--pictures-types", types])
            #expect(try await program.ended.wait("its end").status == 2)
            #expect(!program.log.lines(with: "pictures.types", types).isEmpty)
        }

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

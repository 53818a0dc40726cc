import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Pictures go down and up, and are the same on both sides.
    @Suite("Transfers")
    struct Transfers {
        /// Sizes at the edge of a chunk, and one of a thousand chunks.
        static let sizes = [2047, 2048, 2049, 2 * 1024 * 1024]

        private func edgeCases() throws -> [(name: String, bytes: [UInt8])] {
            try ImageFormat.allCases.filter(ImageFormat.usual.contains).flatMap { format in
                try Self.sizes.map { size in
                    ("edge-\(size).\(format.fileExtension)", try TestPictures.padded(format, to: size, seed: 7))
                }
            }
        }

        @Test("every format and every size at a chunk's edge comes down, byte for byte")
        func down() async throws {
            try await Stage.run { stage in
                let pictures = try TestPictures.all() + edgeCases()
                for (name, bytes) in pictures { try stage.server.place(bytes, name, for: stage.ada) }
                try await stage.startAgent()
                try await stage.agent.fetch(pictures.map(\.name))
                for (name, bytes) in pictures {
                    #expect(sha256(ofFile: stage.agent.cached(name)) == sha256(bytes), "\(name)")
                    let avatar = try await stage.agent.client.get(name)
                    #expect(avatar.state == .ready && avatar.sha256 == sha256(bytes) && avatar.size == bytes.count)
                }
                #expect(try visibleNames(in: stage.agent.cache) == pictures.map(\.name).sorted())
                #expect(try FileManager.default.contentsOfDirectory(atPath: stage.agent.cache + "/.parts").isEmpty)
            }
        }

        @Test("every format and every size at a chunk's edge goes up, and the last crop is the icon")
        func up() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let pictures = try edgeCases() + TestPictures.all().filter { $0.bytes.count < 110_000 }
                for (name, bytes) in pictures { try write(bytes, to: stage.agent.crop(name)) }
                let last = try #require(pictures.last)
                try await stage.agent.change(.icon, of: last.name)
                for (name, bytes) in pictures {
                    try await stage.agent.change(.ready, of: name)
                    #expect(sha256(ofFile: stage.server.path(stage.ada, name)) == sha256(bytes), "\(name)")
                    #expect(sha256(ofFile: stage.agent.cached(name)) == sha256(bytes), "\(name)")
                }
                #expect(try await stage.agent.changes(.uploaded) == pictures.map { "uploaded \($0.name)" })
                #expect(try await stage.server.icons()[1001] == last.name)
                #expect(try await stage.agent.client.status().icon?.name == last.name)
            }
        }

        @Test("what one user uploads, another user's agent fetches")
        func fromOneToAnother() async throws {
            try await Stage.run { stage in
                let bytes = try TestPictures.picture("dilek.png")
                try await stage.startAgent()
                try write(bytes, to: stage.agent.crop("new-face.png"))
                try await stage.agent.change(.icon, of: "new-face.png")
                let other = try AgentProgram("b", in: stage.folder)
                try await other.start(stage.bob, port: stage.server.port)
                try await other.fetch(["new-face.png"])
                #expect(sha256(ofFile: other.cached("new-face.png")) == sha256(bytes))
                try await other.program.killNow()
            }
        }

        @Test(
            "a picture that was replaced under its name comes when a person fetches it; the same bytes leave the file alone"
        )
        func fetchedAgain() async throws {
            try await Stage.run { stage in
                let (old, new) = (try TestPictures.picture("ada.png"), try TestPictures.picture("chen.png"))
                try stage.server.place(old, "friend.png", for: stage.ada)
                try await stage.startAgent()
                let (agent, path) = (stage.agent, stage.agent.cached("friend.png"))
                try await agent.fetch(["friend.png"])
                try stage.server.place(new, "friend.png", for: stage.ada)
                try await agent.fetch(["friend.png"])
                #expect(sha256(ofFile: path) == sha256(old), "nobody asked the server")
                for _ in 1...2 {
                    let result = try await stage.ctl("fetch", "friend.png")
                    #expect(result.status == 0, "\(result.output)")
                    #expect(sha256(ofFile: path) == sha256(new))
                }
                #expect(try await agent.changes(.ready, .changed) == ["ready friend.png", "changed friend.png"])
                // What the server has no more stays, and the person is told.
                try FileManager.default.removeItem(atPath: stage.server.path(stage.ada, "friend.png"))
                let kept = try await stage.ctl("fetch", "friend.png")
                #expect(kept.status == 0 && kept.output.contains("not replaced"), "\(kept.output)")
                #expect(sha256(ofFile: path) == sha256(new))
            }
        }

        @Test("a label that shows a picture of long ago has it asked for again, and hears of the new one")
        func shownAgain() async throws {
            try await Stage.run { stage in
                let (old, new) = (try TestPictures.picture("ada.png"), try TestPictures.picture("chen.png"))
                try stage.server.place(old, "friend.png", for: stage.ada)
                let program = try await stage.startAgent()
                try await stage.agent.fetch(["friend.png"])
                _ = try await program.terminate()
                try stage.server.place(new, "friend.png", for: stage.ada)
                // It was fetched the day before yesterday.
                let aged = try await Program.run(
                    "/usr/bin/env",
                    [
                        "python3", "-c",
                        "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as catalog: "
                            + "catalog.execute('UPDATE avatars SET checked = checked - 2 * 86400 * 1000')",
                        stage.agent.catalog,
                    ], in: stage.folder)
                #expect(aged.status == 0, "\(aged.errors)")
                try await stage.startAgent()
                let (client, path) = (stage.agent.client, stage.agent.cached("friend.png"))
                try await within(patience, "the new picture") {
                    let labels = [LabelRequest(label: "face", name: "friend.png")]
                    for try await reply in try await client.register(labels, keep: true) {
                        for label in reply.labels {
                            #expect(label.avatar.state == .ready)
                            if label.avatar.sha256 == sha256(new) { return }
                            #expect(sha256(ofFile: path) == sha256(old))
                        }
                    }
                }
                #expect(sha256(ofFile: path) == sha256(new))
            }
        }

        @Test("files of 0 and of 1 byte are refused by name, and what follows them goes up")
        func tooSmall() async throws {
            try await Stage.run { stage in
                let agent = try await stage.startAgent()
                try write([], to: stage.agent.crop("nothing.png"))
                try write([0x89], to: stage.agent.crop("one-byte.png"))
                try write(try TestPictures.picture("chen.png"), to: stage.agent.crop("good.png"))
                try await stage.agent.change(.uploaded, of: "good.png")
                for name in ["nothing.png", "one-byte.png"] {
                    try await agent.log.line(with: "not uploaded", name)
                    #expect(!FileManager.default.fileExists(atPath: stage.server.path(stage.ada, name)))
                }
                let problems = try await stage.agent.client.status().problems.map(\.what)
                #expect(problems.contains { $0.contains("nothing.png") }, "\(problems)")
                #expect(problems.contains { $0.contains("one-byte.png") }, "\(problems)")
            }
        }
    }
}

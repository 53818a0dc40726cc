import AvatarAgentClient
import BusTestSupport
import Foundation
import TestPictures
import Testing

extension RealPrograms {
    /// What the documents tell people to type does what they say. `ExampleTests` compiles the Swift block, `make test-qt` the C++ one.
    @Suite("The documents")
    struct DocumentTests {
        private func withPicture(_ body: (Stage) async throws -> Void) async throws {
            try await Stage.run { stage in
                try stage.server.place(try TestPictures.picture("bruno.png"), "bruno.png", for: stage.ada)
                try await stage.startAgent()
                try await body(stage)
            }
        }

        @Test("docs/integrating.md, Python: told until the picture is there")
        func python() async throws {
            try await withPicture { stage in
                let modules = try await Program.run(Program.packageFolder + "/scripts/python-env", in: stage.folder)
                try #require(modules.status == 0, "\(modules.errors)")
                let blocks = try Documents.blocks(of: "docs/integrating.md", in: "python")
                try #require(blocks.count == 1)
                let result = try await Program.run(
                    "/usr/bin/python3", ["-c", blocks[0]],
                    environment: stage.agent.environment.merging(["PYTHONPATH": modules.lines.last ?? ""]) { $1 },
                    in: stage.folder)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.lines.last == "peer ready \(stage.agent.cached("bruno.png"))")
            }
        }

        @Test("docs/integrating.md, shell: told until the picture is there, and shown")
        func shell() async throws {
            try await withPicture { stage in
                let blocks = try Documents.blocks(of: "docs/integrating.md", in: "sh")
                try #require(blocks.count == 1)
                let path = "\(Program.buildFolder):/usr/bin:/bin"
                let result = try await Program.run(
                    "/bin/sh", ["-ec", blocks[0]], environment: stage.agent.environment.merging(["PATH": path]) { $1 },
                    in: stage.folder)
                #expect(result.status == 0, "\(result.errors)")
                #expect(
                    result.lines.contains { $0.hasPrefix("told: bruno.png  bruno.png: ready, ") }, "\(result.output)")
                #expect(result.lines.count > 5, "the picture")
            }
        }

        @Test("every command line in README, docs and man pages is one that its program takes")
        func commandLines() async throws {
            let folder = try TemporaryFolder()
            let result = try await Program.run(
                "/usr/bin/python3",
                [
                    Program.packageFolder + "/Tests/Integration/Python/command_lines.py", Program.packageFolder,
                    Program.buildFolder, folder.path,
                ], in: folder)
            #expect(result.status == 0, "\(result.output)\(result.errors)")
            let count = try #require(result.lines.last.flatMap { Int($0.prefix { $0.isNumber }) })
            #expect(count > 30, "\(result.output)")
        }
    }
}

import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import Testing

extension RealPrograms {
    /// The certificate that docs/http.md tells people to make.
    @Suite("A certificate for a small server")
    struct Certificates {
        @Test("the lines of docs/http.md make one that curl takes as its own authority, and agents by server.pin")
        func small() async throws {
            let block = try #require(try Documents.blocks(of: "docs/http.md", in: "sh").first)
            try await WebStage.run { stage in
                let made = try await Program.run(
                    "/bin/sh", ["-ec", "cd '\(stage.folder.path)'\n\(block)"], in: stage.folder)
                #expect(made.status == 0, "\(made.errors)")
                let pin = String(made.lines.last?.prefix(64) ?? "")
                // The same names as the stage's own, whose place the two files take.
                try await stage.restartServer([])
                let curl = try await Program.run(
                    "/usr/bin/curl",
                    [
                        "-sS", "--cacert", stage.certificate, "--resolve",
                        "avatars.example.org:\(stage.wire.port):127.0.0.1",
                        "-o", "/dev/null", "-w", "%{http_code}",
                        "https://avatars.example.org:\(stage.wire.port)/healthz",
                    ], in: stage.folder)
                #expect(curl.output == "204", "\(curl.errors)")
                try await stage.agent.start(WebStage.login(stage.ada, stage.url) + ["--server-pin", pin])
                #expect(try await stage.agent.client.verify().dialect == "https")
            }
        }
    }
}

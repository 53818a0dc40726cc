import Foundation
import NIOCore
import NIOPosix
import ServerRuntime
import Testing
import WireProtocol

@Suite struct MetricsTests {
    @Test func theCountersSayWhatHappened() async throws {
        try await TestServer.with { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(5000), name: "a.png")) == 0)
                #expect(try await client.download("a.png", seq: 9).error == 1018)
                try await client.send(1031, "nonsense")
                _ = try await client.frame()
                let lines = server.metrics.prometheusText().split(separator: "\n").filter { !$0.hasPrefix("#") }
                for line in [
                    "avatar_server_connections_open 1", "avatar_server_connections_total 1",
                    "avatar_server_upload_replies_total 3", "avatar_server_download_replies_total 1",
                    "avatar_server_error_replies_total 1", "avatar_server_malformed_bodies_total 1",
                ] {
                    #expect(lines.contains(Substring(line)))
                }
            }
        }
    }
}

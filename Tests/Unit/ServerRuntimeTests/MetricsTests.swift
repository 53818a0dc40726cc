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

    /// Asks the metrics port with curl: status and body, parted by a line end.
    private func curl(_ server: TestServer, _ path: String, _ options: String...) async throws -> String {
        let port = try #require(server.metricsPort)
        let words = ["-sS", "-m", "20", "-w", "\n%{http_code}"] + options + ["http://127.0.0.1:\(port)\(path)"]
        // In a thread of its own, since the server that answers runs in this process.
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try runProgram("curl", words) }) }
        }
    }

    private static var withMetrics: ServerSettings {
        var settings = ServerSettings()
        settings.metricsPort = 0
        return settings
    }

    @Test(arguments: [
        ("/metrics", "avatar_server_connections_open 0\n", 200), ("/metrics?x=1", "# TYPE", 200),
        ("/healthz", "ok\n", 200), ("/readyz", "ready\n", 200),
        ("/", "there are /metrics, /healthz and /readyz\n", 404),
        ("/healthz2", "there are", 404),
    ])
    func thePortShowsAPage(path: String, text: String, status: Int) async throws {
        try await TestServer.with(.embedded, Self.withMetrics) { server async throws in
            let shown = try await curl(server, path)
            #expect(shown.contains(text))
            #expect(shown.hasSuffix("\n\(status)"))
        }
    }

    @Test func aHeadHasNoBodyAndOtherMethodsAreRefused() async throws {
        try await TestServer.with(.embedded, Self.withMetrics) { server async throws in
            let head = try await curl(server, "/healthz", "--head")
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 3\r\n"))
            #expect(!head.contains("ok\n"))
            let post = try await curl(server, "/healthz", "-X", "POST", "-i")
            #expect(post.hasPrefix("HTTP/1.1 405 ") && post.contains("Allow: GET, HEAD\r\n"))
        }
    }

    @Test func aServerWithoutItsFolderIsAliveButNotReady() async throws {
        try await TestServer.with(.embedded, Self.withMetrics) { server async throws in
            try FileManager.default.removeItem(atPath: server.backend.root)
            let ready = try await curl(server, "/readyz")
            #expect(ready.hasPrefix("files: there is no such folder") && ready.hasSuffix("\n503"), "\(ready)")
            #expect(try await curl(server, "/healthz").hasSuffix("\n200"))
        }
    }

    @Test func aServerWhoseServicesAreDownIsAliveButNotReadyUntilTheyAreBack() async throws {
        try await TestServer.with(.cluster, Self.withMetrics) { server async throws in
            #expect(try await curl(server, "/readyz") == "ready\n\n200")
            try server.backend.cutMySQL()
            let withoutMySQL = try await curl(server, "/readyz")
            #expect(withoutMySQL.hasPrefix("mysql: ") && withoutMySQL.hasSuffix("\n503"), "\(withoutMySQL)")
            #expect(try await curl(server, "/metrics").contains("avatar_server_store_up{service=\"mysql\"} 0\n"))
            server.backend.redis?.stop()
            #expect(try await curl(server, "/readyz").hasPrefix("redis: "))
            #expect(try await curl(server, "/healthz").hasSuffix("\n200"))
        }
    }
}

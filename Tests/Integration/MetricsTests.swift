import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import ServerRuntime
import TestPictures
import Testing

extension RealPrograms {
    /// `avatarctl metrics`, and the dashboard that shows it.
    @Suite("Metrics")
    struct MetricsTests {
        @Test("the figures of a working agent, in Prometheus' format")
        func figures() async throws {
            try await Stage.run { stage in
                let name = "marta.bmp"
                let bytes = try TestPictures.picture(name)
                try stage.server.place(bytes, name, for: stage.ada)
                try await stage.startAgent()
                try await stage.agent.fetch([name])
                let result = try await stage.ctl("metrics")
                #expect(result.status == 0, "\(result.errors)")
                let metrics = try Exposition(result.output)
                #expect(metrics.values("avatard_up") == [1])
                #expect(metrics.values("avatard_connection_state", ["state": "online"]) == [1])
                #expect(metrics.values("avatard_connection_state").reduce(0, +) == 1)
                #expect(metrics.values("avatard_cache_pictures") == [1])
                #expect(metrics.values("avatard_cache_size_bytes") == [Double(bytes.count)])
                let downloaded = try #require(metrics.values("avatard_downloaded_bytes_total").first)
                #expect(downloaded >= Double(bytes.count))
                #expect(metrics.values("avatard_paused") == [0, 0])
                let users = Set(metrics.samples.keys.map { $0.labels["user"] })
                #expect(users.count == 1 && users.first != .some(nil), "every sample names the user: \(users)")
            }
        }

        @Test("every figure that the agent tells has its metric")
        func nothingIsMissing() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let figures = try await stage.agent.client.status().figures
                let metrics = try Exposition(try await stage.ctl("metrics").output)
                // paused_down and paused_up are one metric with two samples.
                let others = [
                    "avatard_up", "avatard_build_info", "avatard_connection_state",
                    "avatard_connection_state_since_timestamp_seconds", "avatard_downloads", "avatard_uploads",
                    "avatard_labels", "avatard_cache_pictures", "avatard_cache_size_bytes", "avatard_problems",
                ]
                #expect(metrics.kinds.count - others.count == figures.count - 1, "\(figures.keys.sorted())")
            }
        }

        @Test("--output writes the file whole, for others to read, and leaves nothing else behind")
        func file() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let folder = stage.folder.file("textfile")
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let path = folder + "/avatard.prom"
                for _ in 0..<2 { #expect(try await stage.ctl("metrics", "--output", path).status == 0) }
                let text = try String(contentsOfFile: path, encoding: .utf8)
                #expect(try Exposition(text).values("avatard_up") == [1])
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["avatard.prom"])
                #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o644)
                let nowhere = try await stage.ctl("metrics", "--output", folder + "/none/avatard.prom")
                #expect(nowhere.status == 1)
                #expect(nowhere.errors.hasSuffix("avatard.prom cannot be written: No such file or directory\n"))
                // Over the folder itself: the file that was begun goes again.
                #expect(try await stage.ctl("metrics", "--output", folder).status == 1)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["avatard.prom"])
            }
        }

        @Test("without an agent: avatard_up is 0, also in the file, and the status is 3")
        func down() async throws {
            let folder = try TemporaryFolder()
            let path = folder.file("avatard.prom")
            let result = try await Program.run(
                Program.product("avatarctl"), ["metrics", "--output", path, "--socket", folder.file("none")], in: folder
            )
            #expect(result.status == 3)
            let metrics = try Exposition(String(contentsOfFile: path, encoding: .utf8))
            #expect(metrics.samples.values.elementsEqual([0]))
        }

        @Test("the dashboard asks for nothing that the programs do not tell")
        func dashboard() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let agent = try Exposition(try await stage.ctl("metrics").output)
                let server = try Exposition(
                    ServerMetrics().prometheusText(health: [("redis", true), ("mysql", false)]))
                #expect(server.values("avatar_server_store_up", ["service": "redis"]) == [1])
                let known = Set(agent.kinds.keys).union(server.kinds.keys)
                let used = try Self.queries().reduce(into: Set<String>()) { used, query in
                    used.formUnion(query.matches(of: /\b(?:avatard|avatar_server)_\w+/).map { String($0.output) })
                }
                #expect(used.subtracting(known) == [])
                // What changes while a program runs is on it.
                let unused = known.subtracting(used).sorted()
                #expect(unused == ["avatard_build_info", "avatard_upload_size_max_bytes"])
            }
        }

        @Test("Prometheus itself takes the figures of agent and server, and the dashboard's queries")
        func promtool() async throws {
            try await Stage.run { stage in
                try await stage.startAgent()
                let server = ServerMetrics().prometheusText(health: [("redis", true), ("mysql", false)])
                for text in [try await stage.ctl("metrics").output, server] {
                    let checked = try await Program.run(
                        "/usr/bin/promtool", ["check", "metrics"], input: text, in: stage.folder)
                    #expect(checked.status == 0 && checked.errors == "", "\(checked)")
                }
                // Each query as a rule, with what Grafana puts in the place of its variables.
                var rules = "groups:\n- name: dashboard\n  rules:\n"
                for (index, query) in try Self.queries().enumerated() where !query.hasPrefix("label_values(") {
                    let filled = query.replacing("$__rate_interval", with: "5m").replacing(/\$\w+/, with: ".*")
                    rules += "  - record: query:\(index)\n    expr: '\(filled.replacing("'", with: "''"))'\n"
                }
                let file = stage.folder.file("rules.yml")
                try write(Array(rules.utf8), to: file)
                let checked = try await Program.run("/usr/bin/promtool", ["check", "rules", file], in: stage.folder)
                #expect(checked.status == 0, "\(checked)")
            }
        }

        /// Every query of the dashboard's panels and variables.
        private static func queries() throws -> [String] {
            let data = try Data(
                contentsOf: URL(fileURLWithPath: Program.packageFolder + "/docs/grafana-dashboard.json"))
            let dashboard = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
            let panels = try #require(dashboard["panels"] as? [[String: Any]])
            let targets = panels.flatMap { $0["targets"] as? [[String: Any]] ?? [] }
            let variables = try #require((dashboard["templating"] as? [String: Any])?["list"] as? [[String: Any]])
            let queries =
                targets.compactMap { $0["expr"] as? String } + variables.compactMap { $0["definition"] as? String }
            try #require(queries.count > 20)
            return queries
        }
    }
}

/// The reader above is strict, or it would prove nothing.
@Suite struct ExpositionTests {
    @Test(arguments: [
        "# HELP a A.\n# TYPE a gauge\na 1", "# TYPE a gauge\na 1\n", "# HELP a A.\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na one\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 2\n", "# HELP a A.\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a A.\n# TYPE a gauge\na{b=\"\\x\"} 1\n", "# HELP a A.\n# TYPE a gauge\na{b=\"c\",} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n", "# HELP a A.\n# TYPE a gauge\n\na 1\n",
    ]) func refuses(text: String) {
        #expect(throws: Exposition.Fault.self) { try Exposition(text) }
    }

    @Test func readsLabels() throws {
        let text = "# HELP a A.\n# TYPE a gauge\na{b=\"1,}\\\"\\\\\\n\",c=\"\"} 0.5\n"
        #expect(try Exposition(text).values("a", ["b": "1,}\"\\\n", "c": ""]) == [0.5])
    }
}

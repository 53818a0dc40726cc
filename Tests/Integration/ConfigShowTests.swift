import BusTestSupport
import Foundation
import Testing

/// `avatarctl config show`: what the agent would be told by a start, and by whom.
@Suite("Where a key's value comes from", .timeLimit(.minutes(1)))
struct ConfigShowTests {
    /// A home with this configuration file.
    private func home(_ yaml: String) throws -> (folder: TemporaryFolder, file: String, environment: [String: String]) {
        let folder = try TemporaryFolder()
        let file = folder.file("config/avatard/avatard.yaml")
        try FileManager.default.createDirectory(
            atPath: folder.file("config/avatard"), withIntermediateDirectories: true)
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: file))
        let environment = [
            "HOME": folder.path, "XDG_CONFIG_HOME": folder.file("config"), "XDG_STATE_HOME": folder.file("state"),
            "XDG_DATA_HOME": folder.file("data"), "XDG_RUNTIME_DIR": folder.path,
        ]
        return (folder, file, environment)
    }

    private func show(
        _ folder: TemporaryFolder, _ environment: [String: String], _ arguments: String...
    ) async throws -> ProgramResult {
        try await Program.run(
            Program.product("avatarctl"), ["config", "show"] + arguments, environment: environment, in: folder)
    }

    private func rows(_ result: ProgramResult) throws -> [String: [String: Any]] {
        #expect(result.status == 0, "\(result.errors)")
        var rows: [String: [String: Any]] = [:]
        for line in result.lines {
            let row = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            rows[try #require(row["key"] as? String)] = row
        }
        return rows
    }

    private static let yaml = """
        # Mine.
        server:
          host: example.org:9191

        cache: {bytesMax: 512MiB}
        log:
          level: debug
        """

    @Test("a default, the file with its line, the environment; no agent needs to run")
    func sources() async throws {
        let (folder, file, environment) = try home(Self.yaml)
        let rows = try rows(
            try await show(folder, environment.merging(["AVATARD_LOG_LEVEL": "error"]) { $1 }, "--json"))
        #expect(rows["server.host"]?["value"] as? String == "example.org:9191")
        #expect(rows["server.host"]?["file"] as? String == file && rows["server.host"]?["line"] as? Int == 3)
        #expect(rows["server.port"]?["value"] as? String == "9191", "the host's text has it")
        #expect(rows["cache.bytesMax"]?["value"] as? String == "512MiB" && rows["cache.bytesMax"]?["line"] as? Int == 5)
        #expect(rows["log.level"]?["value"] as? String == "error")
        #expect(rows["log.level"]?["source"] as? String == "environment")
        #expect(rows["log.level"]?["variable"] as? String == "AVATARD_LOG_LEVEL")
        #expect(rows["cache.directory"]?["source"] as? String == "default")
        #expect(rows["cache.directory"]?["value"] as? String == folder.file("data/avatard/avatars"))
        #expect(
            rows["log.level"]?["reloadable"] as? Bool == true && rows["bus.socket"]?["reloadable"] as? Bool == false)
    }

    @Test("as a table for a person")
    func table() async throws {
        let (folder, file, environment) = try home(Self.yaml)
        let result = try await show(folder, environment)
        #expect(result.status == 0)
        #expect(
            result.lines.contains { $0.contains(/^server\.host +example\.org:9191 +.*avatard\.yaml:3$/) },
            "\(result.output)")
        #expect(result.lines.contains { $0.contains(/^storage\.sync +full +default$/) })
        // Another file can be looked at before it is put into place.
        let other = folder.file("other.yaml")
        try Data("log: {level: trace}\n".utf8).write(to: URL(fileURLWithPath: other))
        let another = try await show(folder, environment, "--config", other)
        #expect(another.lines.contains { $0.contains(/^log\.level +trace +.*other\.yaml:1$/) }, "\(another.output)")
        #expect(!another.output.contains(file))
    }

    @Test("every default stands in the sample, word for word")
    func defaults() async throws {
        let (folder, _, environment) = try home("")
        let shown = try rows(try await show(folder, environment, "--json"))
        let sample = try rows(
            try await show(folder, environment, "--json", "--config", Program.packageFolder + "/config/avatard.yaml"))
        for (key, row) in sample where row["source"] as? String == "file" {
            #expect(row["value"] as? String == shown[key]?["value"] as? String, "\(key)")
        }
        #expect(sample.values.count { $0["source"] as? String == "file" } > 8)
    }

    @Test("a login over the bus wins over the file, and its token is not shown")
    func login() async throws {
        let (folder, _, environment) = try home(Self.yaml)
        let state = folder.file("state/avatard")
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        try write(
            Array(#"{"host":"chat.example.net","port":9292,"uid":7,"token":"s3cret"}"#.utf8), to: state + "/login.json")
        chmod(state + "/login.json", 0o600)
        let result = try await show(folder, environment, "--json")
        let rows = try rows(result)
        for (key, value) in [("server.host", "chat.example.net"), ("server.port", "9292"), ("identity.uid", "7")] {
            #expect(rows[key]?["value"] as? String == value)
            #expect(
                rows[key]?["source"] as? String == "login" && rows[key]?["file"] as? String == state + "/login.json")
        }
        #expect(!(result.output + result.errors).contains("s3cret"))
        // Flags and environment win over it, for the agent as here.
        let pinned = try await show(folder, environment.merging(["AVATARD_IDENTITY_UID": "8"]) { $1 }, "--json")
        #expect(try self.rows(pinned)["server.host"]?["source"] as? String == "file")
    }

    @Test("a configuration that makes no sense: status 2, and the agent's own words")
    func fault() async throws {
        let (folder, _, environment) = try home("log:\n  level: loud\n")
        let result = try await show(folder, environment)
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains("log.level") && result.errors.contains("\"loud\""))
    }
}

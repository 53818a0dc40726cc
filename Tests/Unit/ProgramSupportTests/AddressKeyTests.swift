import AgentRuntime
import BusTestSupport
import Foundation
import ProgramSupport
import Testing

/// `server.host` and `server.port`, which may say the same thing twice.
@Suite struct AddressKeyTests {
    private static let everywhere = BaseDirectories(
        ProcessEnvironment(["XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"]))

    private func settings(
        flags: [AgentKey: String] = [:], environment: [String: String] = [:], yaml: String? = nil
    ) async throws -> AgentSettings {
        let folder = try TemporaryFolder()
        if let yaml { try Data(yaml.utf8).write(to: URL(fileURLWithPath: folder.file("c.yaml"))) }
        let layers = LayeredConfiguration<AgentKey>(
            flags: flags, environment: ProcessEnvironment(environment), file: yaml.map { _ in folder.file("c.yaml") })
        return try AgentSettings(layers, Self.everywhere)
    }

    @Test func thePortMayStandInTheHost() async throws {
        for settings in [
            try await settings(flags: [.serverHost: "[::1]:9"]),
            try await settings(environment: ["AVATARD_SERVER_HOST": "[::1]:9"]),
            try await settings(yaml: "server:\n  host: \"[::1]:9\"\n"),
            try await settings(flags: [.serverHost: "[::1]:9", .serverPort: "9"]),
            try await settings(flags: [.serverHost: "[::1]"], yaml: "server:\n  port: 9\n"),
        ] {
            #expect(settings.serverHost == "::1")
            #expect(settings.serverPort == 9)
        }
    }

    @Test func theStrongerLayersPortWins() async throws {
        let flag = try await settings(flags: [.serverHost: "a:1"], yaml: "server:\n  host: b\n  port: 2\n")
        #expect(flag.server == ServerAddress(host: "a", port: 1))
        let port = try await settings(flags: [.serverPort: "3"], yaml: "server:\n  host: \"b:2\"\n")
        #expect(port.server == ServerAddress(host: "b", port: 3))
    }

    @Test func twoPortsOfOneLayerThatDifferAreAnError() async throws {
        await #expect {
            _ = try await settings(flags: [.serverHost: "[::1]:9", .serverPort: "10"])
        } throws: { error in
            guard let fault = (error as? ConfigurationError)?.faults.first else { return false }
            return fault.key == "server.host" && fault.source == .commandLine("--server-host")
                && fault.reason.contains("10")
        }
    }

    @Test(arguments: [
        ("server:\n  host: [::1]:9090\n", "needs quotes"), ("server:\n  host: [a, b]\n", "needs quotes"),
        ("server:\n  host: \"a b\"\n", "a blank"),
    ])
    func whatIsNoAddressIsSaid(_ yaml: String, _ words: String) async {
        await #expect { _ = try await settings(yaml: yaml) } throws: { "\($0)".contains(words) }
    }

    @Test func aFileThatIsNotUTF8IsRefused() async throws {
        let folder = try TemporaryFolder()
        try Data("cache:\n  directory: \"/tmp/".utf8 + [0xFF] + "\"\n".utf8).write(
            to: URL(fileURLWithPath: folder.file("c.yaml")))
        let layers = LayeredConfiguration<AgentKey>(
            flags: [:], environment: ProcessEnvironment([:]), file: folder.file("c.yaml"))
        #expect(layers.faults.map(\.description) == ["\(folder.file("c.yaml")): is not UTF-8: save it as UTF-8"])
    }

    @Test func aVariableThatIsNotUTF8IsRefused() {
        let layers = LayeredConfiguration<AgentKey>(
            flags: [:], environment: ProcessEnvironment([:], unreadable: ["AVATARD_CACHE_DIRECTORY"]), file: nil)
        #expect(layers.faults.map(\.source) == [.environment("AVATARD_CACHE_DIRECTORY")])
    }
}

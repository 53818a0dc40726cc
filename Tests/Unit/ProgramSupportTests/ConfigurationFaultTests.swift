import AgentRuntime
import BusTestSupport
import Foundation
import ProgramSupport
import ServerRuntime
import Testing

/// Everything that is wrong with a configuration is told at once, each fault with its place.
@Suite struct ConfigurationFaultTests {
    private let folder: TemporaryFolder
    private var file: String { folder.file("c.yaml") }

    init() throws { folder = try TemporaryFolder() }

    /// The faults of the agent's configuration, with `F` for the file's path.
    private func agentFaults(
        _ yaml: String? = nil, flags: [AgentKey: String] = [:], environment: [String: String] = [:],
        variables: [String: String] = ["XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"]
    ) throws -> [String] {
        if let yaml { try Data(yaml.utf8).write(to: URL(fileURLWithPath: file)) }
        do throws(ConfigurationError) {
            _ = try AgentSettings(
                LayeredConfiguration(
                    flags: flags, environment: ProcessEnvironment(environment), file: yaml.map { _ in file }),
                BaseDirectories(ProcessEnvironment(variables)))
            return []
        } catch {
            return error.faults.map { $0.description.replacingOccurrences(of: file, with: "F") }
        }
    }

    @Test func allFaultsOfAllLayersAreToldAtOnce() throws {
        let faults = try agentFaults(
            """
            # A comment.
            server:
              prot: 9
              host: a b

            storage: {sync: maybe}
            cache:
              bytesMax: much
            uplaod:
              port: 1
            """,
            flags: [.serverPort: "nine"],
            environment: ["AVATARD_LOG_LEVEL": "loud", "AVATARD_UPLOAD_DIRECTROY": "/u"])
        #expect(
            faults == [
                "the environment variable AVATARD_UPLOAD_DIRECTROY: there is no such key; is AVATARD_UPLOAD_DIRECTORY meant?",
                "F:3: server.prot: there is no such key; is server.port meant?",
                "F:9: uplaod: there is no such key; is upload meant?",
                "--server-port: server.port: \"nine\" must be a whole number",
                "F:4: server.host: \"a b\" has a blank or a control character in it, or around it: leave it out",
                "F:8: cache.bytesMax: \"much\" must be a number of bytes, such as 1048576, 512KiB or 10GB",
                "F:6: storage.sync: \"maybe\" must be one of full, none",
                "the environment variable AVATARD_LOG_LEVEL: log.level: \"loud\" must be one of "
                    + "trace, debug, info, notice, warning, error, critical",
            ], "\(faults)")
    }

    @Test(arguments: [
        ("server:\n  host: [::1]:9090\n", 2, "needs quotes"), ("a: 1\n b: 2\n", 2, "is no YAML"),
        ("server:\n\tport: 1\n", 2, "is no YAML"),
        ("log:\n  level: info\nlog:\n  format: text\n", 1, "has keys twice: log"),
        ("just words\n", 1, "is no list of keys"), ("server:\n  host: {a: b}\n", 2, "needs one plain value"),
    ])
    func whatIsNoConfigurationIsSaidWithItsLine(_ yaml: String, _ line: Int, _ words: String) throws {
        let faults = try agentFaults(yaml)
        try #require(faults.count == 1, "\(faults)")
        #expect(faults[0].hasPrefix("F:\(line): "), "\(faults)")
        #expect(faults[0].contains(words), "\(faults)")
    }

    @Test func aFileThatCannotBeReadHidesNoOtherFault() throws {
        let layers = LayeredConfiguration<AgentKey>(
            flags: [.logFormat: "xml"], environment: ProcessEnvironment([:]), file: folder.file("none.yaml"))
        var values = ConfigurationValues(layers)
        values.choice(.logFormat) { (_: ProgramLog.Form) in }
        #expect { try values.finish() } throws: { error in
            "\(error)" == "\(folder.file("none.yaml")): cannot be read: No such file or directory; "
                + "--log-format: log.format: \"xml\" must be one of text, json"
        }
    }

    @Test func foldersThatNobodyNamesAreToldBesideTheRest() throws {
        let faults = try agentFaults(flags: [.logLevel: "loud"], variables: [:])
        try #require(faults.count == 3, "\(faults)")
        #expect(faults[1].contains("HOME: is not set, and XDG_DATA_HOME"), "\(faults)")
        #expect(faults[2].contains("HOME: is not set, and XDG_STATE_HOME"), "\(faults)")
    }

    @Test func aFileOfCommentsSaysNothing() throws {
        #expect(try agentFaults("# server:\n---\n") == [])
        #expect(try agentFaults("") == [])
        #expect(try agentFaults("server:\nlog:\n  level:\n") == [])
    }

    @Test func ofTheServerToo() throws {
        try Data("listen:\n  port: 70000\nmetrics:\n  host: 0.0.0.0\nhttp:\n  tls:\n    keyFile: /k\n".utf8).write(
            to: URL(fileURLWithPath: file))
        let layers = LayeredConfiguration<ServerKey>(
            flags: [:], environment: ProcessEnvironment(["AVATAR_SERVER_STORES_KIND": "files"]), file: file)
        #expect {
            _ = try ServerSettings(layers)
        } throws: { error in
            guard let faults = (error as? ConfigurationError)?.faults else { return false }
            #expect(
                faults.map(\.source) == [
                    .file(file, line: 2), .environment("AVATAR_SERVER_STORES_KIND"), .file(file, line: 4),
                    .file(file, line: 7),
                ])
            return true
        }
    }

    @Test(
        arguments: [
            ([.logLevel: "loud"], [:], true), ([:], ["AVATARD_LOG_LEVEL": "loud"], false),
            ([.logLevel: "loud"], ["AVATARD_LOG_FORMAT": "xml"], true),
        ] as [([AgentKey: String], [String: String], Bool)])
    func aWrongFlagIsAUsageError(_ flags: [AgentKey: String], _ environment: [String: String], _ isUsage: Bool) {
        #expect {
            _ = try AgentSettings(
                LayeredConfiguration(flags: flags, environment: ProcessEnvironment(environment), file: nil),
                BaseDirectories(ProcessEnvironment(["XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s"])))
        } throws: { ($0 as? ConfigurationError)?.isOfCommandLine == isUsage }
    }
}

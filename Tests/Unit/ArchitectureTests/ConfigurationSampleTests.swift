import Foundation
import Testing

/// The samples under config/ against the keys that the programs know.
@Suite struct ConfigurationSampleTests {
    /// The keys of a sample that have a value, flattened: `server.host`. Each level is two spaces deeper.
    private func keys(ofSample text: String) -> [String] {
        var sections: [Substring] = []
        return text.split(separator: "\n").compactMap { line in
            let content = line.drop { $0 == " " }
            guard !content.hasPrefix("#"), let colon = content.firstIndex(of: ":") else { return nil }
            sections = sections.prefix((line.count - content.count) / 2) + [content[..<colon]]
            return content.index(after: colon) == content.endIndex ? nil : sections.joined(separator: ".")
        }
    }

    /// The raw values of an enum of keys.
    private func keys(ofEnum text: String) -> [String] {
        text.matches(of: /case \w+ = "([\w.]+)"/).map { String($0.1) }
    }

    @Test(arguments: [
        ("config/avatard.yaml", "Sources/AgentRuntime/Configuration/AgentKey.swift"),
        ("config/avatar-server.yaml", "Sources/ServerRuntime/Configuration/ServerKey.swift"),
    ])
    func everyKeyStandsInTheSampleOnce(sample: String, source: String) throws {
        let known = keys(ofEnum: try SwiftSource.text(source))
        try #require(known.count > 10)
        #expect(keys(ofSample: try SwiftSource.text(sample)).sorted() == known.sorted())
    }

    @Test func aSampleIsReadByItsLines() {
        #expect(
            keys(
                ofSample:
                    "# a: b\nserver:\n  # The host.\n  host: \"\"\n  port: 1\n  tls:\n    key: k\n  name: x\nlog:\n  level: info"
            ) == [
                "server.host", "server.port", "server.tls.key", "server.name", "log.level",
            ])
    }
}

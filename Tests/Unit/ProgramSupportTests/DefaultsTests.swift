import AgentRuntime
import AvatarCore
import BusTestSupport
import Foundation
import ProgramSupport
import ServerRuntime
import Testing

/// The defaults of the programs against those that the samples in config/ and the man pages tell.
@Suite struct DefaultsTests {
    private static let places = [
        "XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state", "XDG_RUNTIME_DIR": "/run", "XDG_CONFIG_HOME": "/config",
    ]

    private static func layers<Key: ConfigurationKey>(_ file: String?, _: Key.Type) throws -> LayeredConfiguration<Key>
    {
        LayeredConfiguration(
            flags: [:], environment: ProcessEnvironment([:]), file: file.map { Program.packageFolder + "/config/" + $0 }
        )
    }

    private static func agent(_ file: String?) throws -> AgentSettings {
        try AgentSettings(layers(file, AgentKey.self), BaseDirectories(ProcessEnvironment(places)))
    }

    @Test func theSampleOfTheAgentSaysWhatHoldsWithoutIt() throws {
        #expect(try Self.agent("avatard.yaml").changes(to: Self.agent(nil)).map(\.key) == [])
    }

    @Test func theSampleOfTheServerSaysWhatHoldsWithoutIt() throws {
        let sample = try ServerSettings(Self.layers("avatar-server.yaml", ServerKey.self))
        #expect(sample.changes(to: ServerSettings()).map(\.key) == [])
    }

    // MARK: Man pages

    /// What a man page says below the heading of each key, without roff's escapes and fonts.
    private static func paragraphs(of page: String) throws -> [(heading: Substring, text: String)] {
        let text = try String(contentsOfFile: Program.packageFolder + "/docs/man/" + page, encoding: .utf8)
            .replacing("\\-", with: "-").replacing(/\\f[A-Z]/, with: "")
        return text.components(separatedBy: ".TP\n").compactMap { block in
            guard let end = block.firstIndex(of: "\n") else { return nil }
            let lines = block[end...].split(separator: "\n").map { line in
                line.replacing(#/^\.[A-Z]{1,2} /#, with: "").replacing("\"", with: "")
            }
            return (block[..<end], lines.joined(separator: " "))
        }
    }

    /// Whether the text has the value as a word of its own.
    private static func tells(_ text: String, _ value: String) -> Bool {
        var rest = text[...]
        while let found = rest.firstRange(of: value) {
            let before = found.lowerBound == text.startIndex ? " " : text[text.index(before: found.lowerBound)]
            let after = rest[found.upperBound...].first ?? " "
            let follows = rest[found.upperBound...].dropFirst().first ?? " "
            let isEnd = " ,;:)".contains(after) || (after == "." && follows == " ")
            if " (".contains(before), isEnd { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }

    /// The keys whose default the page does not tell below their heading.
    private static func untold<Key: ConfigurationKey & CaseIterable>(
        in page: String, sample: String, _ type: Key.Type
    ) throws -> [String] where Key: RawRepresentable<String> {
        let paragraphs = try paragraphs(of: page)
        let layers = try layers(sample, type)
        return try Key.allCases.compactMap { key in
            let value = try layers.value(of: key, asList: true)?.text ?? ""
            guard !value.isEmpty else { return nil }
            let about = paragraphs.first {
                $0.heading.contains("(\(key.rawValue)") || $0.heading.contains(", \(key.rawValue)")
            }
            // A list may be written as a person writes one.
            let words = value.split { $0 == "," || $0 == " " }.map(String.init)
            let isTold = about.map { about in words.allSatisfy { tells(about.text, $0) } } ?? false
            return isTold ? nil : "\(key.rawValue): \(value)"
        }
    }

    @Test func thePageOfTheAgentTellsEveryDefault() throws {
        #expect(try Self.untold(in: "avatard.1", sample: "avatard.yaml", AgentKey.self) == [])
    }

    @Test func thePageOfTheServerTellsEveryDefault() throws {
        #expect(try Self.untold(in: "avatar-server.8", sample: "avatar-server.yaml", ServerKey.self) == [])
    }

    @Test func sampleAndPageOfTheAgentNameTheKeysThatNeedARestart() throws {
        let keys = Set(
            AgentKey.allCases.filter { !$0.isReloadable }.map(\.rawValue).filter { !$0.hasSuffix(".directory") })
        for (file, sentence) in [
            ("config/avatard.yaml", "# before this file."), ("docs/man/avatard.1", "The log has a line"),
        ] {
            let text = try String(contentsOfFile: Program.packageFolder + "/" + file, encoding: .utf8)
            let start = try #require(text.range(of: sentence)?.lowerBound)
            let about = text[start...].prefix(while: { $0 != ";" }).prefix(400)
            let before = about.range(of: "everything else").map { about[..<$0.lowerBound] } ?? about
            let told = Set(AgentKey.allCases.map(\.rawValue).filter { before.contains($0) })
            #expect(told == keys, "\(file)")
        }
    }

    @Test(arguments: [
        ("cache.directory", "$XDG_DATA_HOME/avatard/avatars"), ("upload.directory", "$XDG_DATA_HOME/avatard/crops"),
        ("state.directory", "$XDG_STATE_HOME/avatard"), ("bus.socket", "$XDG_RUNTIME_DIR/avatard/agent.sock"),
    ])
    func aFolderThatNobodyNamesIsWhereSampleAndPageSay(key: String, place: String) throws {
        let settings = try Self.agent(nil)
        let actual = [
            "cache.directory": settings.cacheDirectory, "upload.directory": settings.uploadDirectory,
            "state.directory": settings.stateDirectory, "bus.socket": settings.busSocket,
        ]
        let filled = Self.places.reduce(place) { $0.replacing("$" + $1.key, with: $1.value) }
        #expect(actual[key] == filled)
        let sample = try String(contentsOfFile: Program.packageFolder + "/config/avatard.yaml", encoding: .utf8)
        #expect(sample.contains("Empty: \(place)."))
        let about = try Self.paragraphs(of: "avatard.1").first { $0.heading.contains("(\(key)") }
        #expect(about.map { Self.tells($0.text, place) } == true)
    }

    @Test func aValueIsToldWhereItStandsAsAWord() {
        for text in ["Its TCP port; 9090.", "9090, say", "(9090)"] { #expect(Self.tells(text, "9090")) }
        for text in ["19090.", "90901", "9090.1", "none"] { #expect(!Self.tells(text, "9090")) }
    }
}

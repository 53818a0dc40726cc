import AvatarCore
import BusTestSupport
import Foundation
import Testing

/// The man pages against the programs: every flag, command and key that there is, and none that there is not.
@Suite struct ManualTests {
    struct Manual: Sendable, CustomTestStringConvertible {
        let program: String
        let page: String
        /// Where the program's configuration keys stand; nil for one that has none of its own.
        let keys: String?
        var testDescription: String { page }
    }

    private static let manuals = [
        Manual(program: "avatard", page: "avatard.1", keys: "Sources/AgentRuntime/Configuration/AgentKey.swift"),
        Manual(program: "avatarctl", page: "avatarctl.1", keys: nil),
        Manual(
            program: "avatar-server", page: "avatar-server.8",
            keys: "Sources/ServerRuntime/Configuration/ServerKey.swift"),
    ]

    @Test(arguments: manuals) func everyFlagAndCommandStandsInItsManual(manual: Manual) async throws {
        let page = try Self.text(of: manual)
        let help = try await Self.help(of: manual.program)
        try #require(!help.flags.isEmpty)
        #expect(help.flags.subtracting(Self.flags(in: page)) == [])
        for command in help.commands.sorted() {
            let isThere = page.split(separator: "\n").contains { line in
                line.hasPrefix(".") && line.split { !$0.isLetter && $0 != "-" }.contains(Substring(command))
            }
            #expect(isThere, "\(command)")
        }
    }

    @Test(arguments: manuals) func everyFlagOfAManualIsOne(manual: Manual) async throws {
        var known: Set<String> = []
        for other in Self.manuals { known.formUnion(try await Self.help(of: other.program).flags) }
        // Lines to type for other programs have flags of theirs.
        let own = try Self.text(of: manual).split(separator: "\n").filter {
            !$0.contains(/systemctl|systemd|journalctl|umount|wl-paste/)
        }
        let unknown = Self.flags(in: own.joined(separator: "\n")).subtracting(known)
        #expect(unknown == [])
    }

    @Test(arguments: manuals) func everyKeyStandsInItsManual(manual: Manual) throws {
        guard let keys = manual.keys else { return }
        let page = try Self.text(of: manual)
        let known = try Self.read(keys).matches(of: /case \w+ = "([\w.]+)"/).map { String($0.1) }
        try #require(known.count > 10)
        #expect(known.filter { !page.contains($0) } == [])
    }

    @Test(arguments: manuals) func versionIsTheOneOfThePageAndOfTheChangelog(manual: Manual) async throws {
        let folder = try TemporaryFolder()
        let asked = try await Program.run(Program.product(manual.program), ["--version"], in: folder)
        let version = try #require(asked.lines.first)
        #expect(version.wholeMatch(of: /\d+\.\d+\.\d+/) != nil)
        #expect(version == Version.current)
        let title = try Self.text(of: manual).split(separator: "\n").first
        #expect(title?.contains("\"avatard \(version)\"") == true)
        let newest = try Self.read("CHANGELOG.md").split(separator: "\n").first { $0.hasPrefix("## ") }
        #expect(newest?.hasPrefix("## \(version) ") == true)
    }

    // MARK: Exit statuses

    /// Where a program's statuses stand in its source.
    private static let statusSources = [
        ("avatarctl", ["Sources/avatarctl/Running.swift"]),
        ("avatard", ["Sources/avatard/AvatardCommand.swift", "Sources/AgentRuntime/Agent.swift"]),
        ("avatar-server", ["Sources/avatar-server/AvatarServerCommand.swift"]),
    ]

    /// What a program may end with, as its source and a wrong command line say.
    private static func statuses(of program: String, in files: [String]) async throws -> Set<Int> {
        let forms = [
            /case \w+ = (\d+)/, /ExitCode\((\d+)\)/, /exitStatus: Int32 = (\d+)/, /(?:case is \w+|default): (\d+)/,
            /usageStatus : (\d+)/,
        ]
        var found: Set<Int> = [0]
        for file in files {
            let text = try read(file)
            for form in forms { found.formUnion(text.matches(of: form).compactMap { Int($0.1) }) }
        }
        let folder = try TemporaryFolder()
        found.insert(Int(try await Program.run(Program.product(program), ["--no-such-flag"], in: folder).status))
        return found
    }

    @Test func everyExitStatusStandsInItsManualAndInTheTable() async throws {
        let table = try Self.read("docs/operations.md").split(separator: "\n").filter { $0.contains(/^\| \d+ \|/) }
        for (column, (program, files)) in Self.statusSources.enumerated() {
            let known = try await Self.statuses(of: program, in: files)
            try #require(known.count > 3)
            let manual = try #require(Self.manuals.first { $0.program == program })
            let section = try #require(
                try Self.text(of: manual).split(separator: ".SH EXIT STATUS\n").last?.split(separator: ".SH").first)
            let told = section.matches(of: /\.TP\n\.B (\d+)\n/).compactMap { Int($0.1) }
            #expect(Set(told) == known, "\(program)")
            let rows = table.compactMap { row -> Int? in
                let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
                return cells[column + 1].isEmpty ? nil : Int(cells[0])
            }
            #expect(Set(rows) == known, "\(program) in docs/operations.md")
        }
    }

    // MARK: Both sides

    /// The long flags and the commands of a program, as it tells them itself.
    private static func help(of program: String) async throws -> (flags: Set<String>, commands: Set<String>) {
        let folder = try TemporaryFolder()
        let dump = try await Program.run(Program.product(program), ["--experimental-dump-help"], in: folder)
        let root = try #require(JSONSerialization.jsonObject(with: Data(dump.output.utf8)) as? [String: Any])
        var (flags, commands): (Set<String>, Set<String>) = ([], [])
        var open = [root["command"] as? [String: Any] ?? [:]]
        while let command = open.popLast() {
            for argument in command["arguments"] as? [[String: Any]] ?? []
            where argument["shouldDisplay"] as? Bool ?? true {
                for name in argument["names"] as? [[String: Any]] ?? [] where name["kind"] as? String == "long" {
                    if let flag = name["name"] as? String { flags.insert(flag) }
                }
            }
            for below in command["subcommands"] as? [[String: Any]] ?? [] {
                if let name = below["commandName"] as? String { commands.insert(name) }
                open.append(below)
            }
        }
        // Every program has these of its library.
        return (flags.subtracting(["help", "version"]), commands.subtracting(["help"]))
    }

    /// A page as it is read: without roff's escapes.
    private static func text(of manual: Manual) throws -> String {
        try read("docs/man/" + manual.page).replacing("\\-", with: "-").replacing(/\\f[A-Z]/, with: "")
    }

    private static func flags(in text: String) -> Set<String> {
        Set(text.matches(of: /(?:^|[^\w-])--([a-z][a-z0-9-]*)/.anchorsMatchLineEndings()).map { String($0.1) })
            .subtracting(["help", "version"])
    }

    private static func read(_ path: String) throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

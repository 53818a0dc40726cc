import Foundation
import Testing

/// The package as it is.
@Suite struct ArchitectureTests {
    @Test func everySourceKeepsTheRules() throws {
        let sources = try SwiftSource.all()
        try #require(sources.count > 100)
        let violations = Rules.violations(in: sources)
        #expect(violations.isEmpty, "\(violations.joined(separator: "\n"))")
    }

    @Test func everyFolderUnderSourcesIsATarget() throws {
        let manifest = try SwiftSource.text("Package.swift")
        let folders = try FileManager.default.contentsOfDirectory(
            atPath: SwiftSource.root.appendingPathComponent("Sources").path)
        #expect(!folders.isEmpty)
        for folder in folders.sorted() {
            #expect(manifest.contains("name: \"\(folder)\""), "Sources/\(folder) is no target of Package.swift")
        }
    }

    @Test func noTestIsAPlaceholder() throws {
        let placeholders = try SwiftSource.files(under: "Tests", suffix: "/Placeholder.swift")
        #expect(placeholders.isEmpty, "targets come with their work: \(placeholders)")
    }
}

/// The rules, on small sources that break them: a rule that cannot fail holds nothing.
@Suite struct RuleTests {
    private func violations(_ target: String, _ text: String, file: String = "File") -> [String] {
        let source = SwiftSource(target: target, path: "Sources/\(target)/\(file).swift", text: text)
        return Rules.violations(in: [source])
    }

    @Test(arguments: [
        ("AvatarCore", "import Foundation"),
        ("AvatarCore", "internal import TransferMachines"),
        ("TransferMachines", "package import NIOCore"),
        ("TransferMachines", "import Glibc"),
        ("LabelBus", "import WireProtocol"),
        ("WireProtocol", "import NIOPosix"),
        ("AvatarCache", "internal import FolderWatch"),
        ("FolderWatch", "@preconcurrency internal import AvatarCache"),
        ("ServerStores", "internal import struct AvatarCache.CacheFolder"),
        ("ServerRuntime", "import AgentRuntime"),
        ("avatard", "import ServerRuntime"),
        ("NewTarget", "let value = 1"),
    ])
    func anImportAgainstTheDirectionIsFound(target: String, text: String) {
        #expect(violations(target, text).count == 1)
    }

    @Test(arguments: [
        ("TransferMachines", "let start = ContinuousClock().now", 2),
        ("TransferMachines", "wait(until: .now + .seconds(1))", 1),
        ("AvatarCore", "let date = Date()", 1),
        ("TransferMachines", "let jitter = Int.random(in: 0...limit(of: (1, 2)))", 1),
        ("TransferMachines", "let one = names.randomElement()", 1),
        ("AvatarCore", "var random = SystemRandomNumberGenerator()", 1),
        ("AgentRuntime", "fatalError()", 1),
        ("AgentRuntime", "let file = try! open()", 1),
        ("AgentRuntime", "let text = value as! String", 1),
        ("FolderWatch", "usleep(10)", 1),
    ])
    func aForbiddenCallIsFound(target: String, text: String, count: Int) {
        #expect(violations(target, text).count == count)
    }

    @Test(arguments: [
        ("TransferMachines", "package import AvatarCore\ninternal import DequeModule"),
        ("TransferMachines", "let jitter = Int.random(in: 0...max(1, 2), using: &random)\nself.now = self.now + wait"),
        ("TransferMachines", "// .now and Date() are for others /* import Foundation */"),
        ("TransferMachines", "/* outer /* fatalError() */ import Foundation */ let a = 1"),
        ("TransferMachines", "let text = \"fatalError() \\\" try! \"\nlet raw = #\"as! \" Date()\"#"),
        ("TransferMachines", "let long = \"\"\"\n    import Foundation\n    \"quoted\" Date()\n    \"\"\""),
        ("AgentRuntime", "let start = clock.now"),
    ])
    func whatIsAllowedOrNoCodeIsNotFound(target: String, text: String) {
        #expect(violations(target, text) == [])
    }

    @Test func aPlaceholderIsFound() {
        #expect(violations("AvatarCore", "let a = 1", file: "Placeholder").count == 1)
    }

    @Test func aViolationSaysWhere() {
        #expect(
            violations("AgentRuntime", "let text = \"\"\"\n    a\n    \"\"\"\nlet file = try! open()")
                == ["Sources/AgentRuntime/File.swift:4: ends the process; throw an error"])
    }
}

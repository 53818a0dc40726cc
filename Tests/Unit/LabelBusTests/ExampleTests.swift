import BusTestSupport
import Foundation
import LabelBus
import Testing

/// Whether Debian's python3-pyqt5 is there.
private let hasPyQt = FileManager.default.fileExists(atPath: "/usr/lib/python3/dist-packages/PyQt5")

@Suite("The examples", .timeLimit(.minutes(2)))
struct ExampleTests {
    private func example(_ name: String) -> String { Program.packageFolder + "/Examples/" + name }

    private func environment(_ bus: RunningBus) async throws -> [String: String] {
        let folder = try await Program.run(Program.packageFolder + "/scripts/python-env", in: bus.folder)
        try #require(folder.status == 0, "\(folder.errors)")
        return ["AVATARD_BUS_SOCKET": bus.path, "PYTHONPATH": folder.lines.last ?? ""]
    }

    @Test("the Python label client prints each label's picture as it comes")
    func labelClient() async throws {
        try await withBus { bus in
            let environment = try await environment(bus)
            async let running = Program.run(
                "/usr/bin/env", ["python3", example("label_client.py"), "a.png", "b.png"], environment: environment,
                in: bus.folder)
            await bus.agent.untilCalled("Register")
            bus.agent.complete("b.png", path: "/tmp/b.png")
            bus.agent.fail("a.png", reason: "absent")
            let result = try await running
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.lines == [
                    "a.png pending \(ScriptedAgent.fallback)", "b.png pending \(ScriptedAgent.fallback)",
                    "b.png ready /tmp/b.png", "a.png failed \(ScriptedAgent.fallback)",
                ])
        }
    }

    @Test("the shell line prints a label's picture as it comes")
    func shell() async throws {
        try await withBus { bus in
            let environment = try await environment(bus)
            async let running = Program.run(example("labels.sh"), ["a.png"], environment: environment, in: bus.folder)
            await bus.agent.untilCalled("Register")
            bus.agent.complete("a.png", path: "/tmp/a.png")
            let result = try await running
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains(#""state": "pending""#))
            #expect(result.output.contains(#""path": "/tmp/a.png""#))
        }
    }

    @Test(
        "the Qt window shows the fallback's pixels, then the picture's",
        .enabled(if: hasPyQt, "needs python3-pyqt5 from Debian"))
    func qtPixels() async throws {
        let pictures = try TemporaryFolder()
        try await withBus(ScriptedAgent(fallback: pictures.file("fallback.png"))) { bus in
            async let running = Program.run(
                "/usr/bin/python3",
                [
                    Program.packageFolder + "/Tests/Unit/LabelBusTests/Python/qt_pixels.py", example("qt_labels.py"),
                    bus.path,
                    pictures.path,
                ], environment: ["QT_QPA_PLATFORM": "offscreen"], in: bus.folder)
            await bus.agent.untilCalled("Pause")
            bus.agent.complete("b.png", path: pictures.file("b.png"))
            bus.agent.complete("a.png", path: pictures.file("a.png"))
            let result = try await running
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.lines == [
                    "a.png pending True", "b.png pending True", "b.png ready True False", "a.png ready True False",
                ])
        }
    }

    /// Checks Swift source as a program outside this package would be: it sees what is public, and nothing else.
    private func typecheck(_ source: String, _ folder: TemporaryFolder) async throws -> ProgramResult {
        let build = URL(fileURLWithPath: Program.buildFolder)
        let checkouts = build.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "checkouts")
        var maps: [String] = []
        for root in [
            build, checkouts.appendingPathComponent("swift-atomics"), checkouts.appendingPathComponent("swift-nio"),
        ] {
            let depth = root == build ? 2 : 6
            let files = FileManager.default.enumerator(atPath: root.path)
            while let file = files?.nextObject() as? String {
                if files?.level ?? 0 >= depth { files?.skipDescendants() }
                guard file.hasSuffix("/module.modulemap"), file.contains("CNIO") || file.contains("_AtomicsShims")
                else {
                    continue
                }
                maps.append(root.path + "/" + file)
            }
        }
        return try await Program.run(
            "/usr/bin/env",
            ["swiftc", "-typecheck", "-parse-as-library", "-swift-version", "6", "-I", build.path + "/Modules", source]
                + maps.flatMap { ["-Xcc", "-fmodule-map-file=" + $0] }, in: folder)
    }

    @Test("the Swift example needs only what is public, and the rest is not to be had")
    func swiftClient() async throws {
        let folder = try TemporaryFolder()
        let result = try await typecheck(example("Labels.swift"), folder)
        #expect(result.status == 0, "\(result.errors)")
        // What docs/integrating.md has, word for word.
        let page = try String(contentsOfFile: Program.packageFolder + "/docs/integrating.md", encoding: .utf8)
        let block = try #require(page.split(separator: "```swift\n").last?.split(separator: "```").first)
        let integrating = folder.file("integrating.swift")
        try Data((block + "@main struct Main { static func main() async throws { try await showPeer() } }\n").utf8)
            .write(to: URL(fileURLWithPath: integrating))
        let compiled = try await typecheck(integrating, folder)
        #expect(compiled.status == 0, "\(compiled.errors)")
        let other = folder.file("other.swift")
        try Data("import LabelBus\nlet name = AgentInterface.name\n".utf8).write(to: URL(fileURLWithPath: other))
        let refused = try await typecheck(other, folder)
        #expect(refused.status != 0)
        #expect(refused.errors.contains("AgentInterface"), "\(refused.errors)")
    }
}

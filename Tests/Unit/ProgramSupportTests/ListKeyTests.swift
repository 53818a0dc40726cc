import AgentRuntime
import AvatarCore
import BusTestSupport
import Foundation
import ProgramSupport
import Testing

/// `pictures.types`, the key that takes a YAML list; every other key takes one plain value.
@Suite struct ListKeyTests {
    private func settings(_ yaml: String) async throws -> AgentSettings {
        let folder = try TemporaryFolder()
        try Data(yaml.utf8).write(to: URL(fileURLWithPath: folder.file("c.yaml")))
        return try AgentSettings(
            LayeredConfiguration<AgentKey>(
                flags: [:], environment: ProcessEnvironment([:]), file: folder.file("c.yaml")),
            BaseDirectories(
                ProcessEnvironment(["XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/r"])))
    }

    @Test(arguments: [
        "pictures:\n  types: png, BMP\n", "pictures:\n  types: [bmp, png]\n",
        "pictures:\n  types:\n    - png\n    - bmp\n",
    ])
    func wordsAndListsSayTheSame(_ yaml: String) async throws {
        #expect(try await settings(yaml).pictureTypes == [.png, .bmp])
    }

    @Test(arguments: [
        ("pictures:\n  types: [png, tiff]\n", "tiff"), ("pictures:\n  types: [\" \"]\n", "names nothing"),
        ("cache:\n  directory: [/a]\n", "one plain value"), ("upload:\n  bytesMax: [1]\n", "one plain value"),
    ])
    func aListThatIsNoneIsSaid(_ yaml: String, _ words: String) async {
        await #expect { _ = try await settings(yaml) } throws: { "\($0)".contains(words) }
    }
}

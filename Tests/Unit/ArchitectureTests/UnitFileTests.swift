import BusTestSupport
import Foundation
import Testing

/// The user's units, as systemd itself reads them. Debian 12 has systemd 252.
@Suite struct UnitFileTests {
    /// What `systemd-analyze verify --user` says of units that were changed by `edit`.
    private func verified(_ edit: (String) -> String) async throws -> ProgramResult {
        let folder = try TemporaryFolder()
        let files = FileManager.default
        // The manual is looked for too, where MANPATH says.
        try files.createDirectory(atPath: folder.file("man/man1"), withIntermediateDirectories: true)
        try files.copyItem(
            atPath: Program.packageFolder + "/docs/man/avatard.1", toPath: folder.file("man/man1/avatard.1"))
        let units = ["avatard.service", "avatard.socket"]
        for unit in units {
            let text = edit(try SwiftSource.text("systemd/\(unit)"))
            try text.write(toFile: folder.file(unit), atomically: true, encoding: .utf8)
        }
        return try await Program.run(
            "/usr/bin/systemd-analyze", ["verify", "--user"] + units.map(folder.file),
            environment: ["XDG_RUNTIME_DIR": folder.path, "MANPATH": folder.file("man")], in: folder)
    }

    /// As `make install` does with the folder of the programs.
    private func withProgram(_ unit: String) -> String {
        unit.replacingOccurrences(of: "/usr/local/bin/avatard", with: Program.product("avatard"))
    }

    @Test func systemdHasNothingToSayAgainstThem() async throws {
        let result = try await verified(withProgram)
        #expect(result.status == 0)
        #expect(result.errors == "")
    }

    @Test func aMisspeltKeyWouldBeSeen() async throws {
        let result = try await verified {
            withProgram($0).replacingOccurrences(of: "LockPersonality", with: "LokPersonality")
        }
        #expect(result.errors.contains("LokPersonality"))
    }
}

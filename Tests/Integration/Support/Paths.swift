import AvatarAgentClient
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

/// How soon the agent must have noticed what the kernel tells of.
let soon = Duration.seconds(5)

extension Stage {
    /// Runs a program that changes the file system, which must succeed.
    func run(_ command: String...) async throws {
        let result = try await Program.run("/usr/bin/env", command, in: folder)
        try #require(result.status == 0, "\(command): \(result.errors)")
    }

    /// Waits for a line of the agent's log that the kernel's word must bring about.
    func soonLogged(_ parts: String..., occurrences: Int = 1) async throws {
        let lines = try agent.program.log
        switch parts.count {
        case 1: try await lines.line(with: parts[0], occurrences: occurrences, atMost: soon)
        default: try await lines.line(with: parts[0], parts[1], occurrences: occurrences, atMost: soon)
        }
    }

    /// A crop is saved into the upload folder, goes up, and is the icon.
    func saveAndSee(_ picture: String, as name: String) async throws {
        let cursor = try await agent.cursor()
        try write(try TestPictures.picture(picture), to: agent.crop(name))
        try await agent.change(.icon, of: name, after: cursor)
        #expect(sha256(ofFile: server.path(ada, name)) == sha256(try TestPictures.picture(picture)))
    }

    /// What `avatarctl doctor` says.
    func doctor() async throws -> ProgramResult {
        try await Program.run(
            Program.product("avatarctl"), ["doctor", "--socket", agent.client.socketPath], in: folder)
    }

    /// `avatarctl doctor` has no complaint.
    func isWell() async throws {
        let result = try await doctor()
        #expect(result.status == 0, "\(result)")
    }
}

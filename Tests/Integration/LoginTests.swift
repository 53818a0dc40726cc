import AvatarAgentClient
import AvatarCore
import BusTestSupport
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Logging in over the bus: kept, beaten by flags, and never in the way of a new one.
    @Suite("Logins")
    struct Logins {
        private func token(of user: ServerProgram.User) throws -> String {
            try String(contentsOfFile: user.tokenFile, encoding: .utf8).trimmingCharacters(in: .newlines)
        }

        private func logIn(_ user: ServerProgram.User, _ stage: Stage) async throws {
            try await stage.agent.client.login(
                server: Server(host: "127.0.0.1", port: stage.wire.port), uid: Int(user.uid), token: token(of: user))
        }

        @Test("a login as another user in the middle of a download: the other user's picture comes, whole")
        func anotherUser() async throws {
            try await Stage.run { stage in
                // As large as each other, and BMP has no checksum: only the bytes tell.
                let pictures = try [UInt8(1), 2].map { try TestPictures.padded(.bmp, to: 3_000_000, seed: $0) }
                for (user, bytes) in zip([stage.ada, stage.bob], pictures) {
                    try stage.server.place(bytes, "me.bmp", for: user)
                }
                try await stage.agent.start([])
                try await logIn(stage.ada, stage)
                let struck = Occasion<Void>()
                stage.wire.strike(after: 1_000_000, .down) { struck.happen(()) }
                let agent = stage.agent
                let fetching = Task { try await agent.fetch(["me.bmp"]) }
                try await struck.wait("a third of the picture")
                try await logIn(stage.bob, stage)
                try await fetching.value
                #expect(sha256(ofFile: stage.agent.cached("me.bmp")) == sha256(pictures[1]))
            }
        }

        @Test("a login is kept across a restart; flags beat it, and then another one is refused with the reason")
        func pinned() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                try await logIn(stage.ada, stage)
                _ = try await stage.agent.program.terminate()
                try await stage.agent.start([])
                #expect(try await stage.agent.client.status().server?.port == stage.wire.port)
                _ = try await stage.agent.program.terminate()
                try await stage.startAgent()
                await #expect {
                    try await logIn(stage.bob, stage)
                } throws: { error in
                    guard case AgentError.loginFixed(let reason) = error else { return false }
                    return reason.contains("command line")
                }
            }
        }

        @Test("a login and a logout at once leave the same in memory and on the disk, whichever comes last")
        func atOnce() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                for _ in 0..<20 {
                    async let login: Void = logIn(stage.ada, stage)
                    async let logout: Void = stage.agent.client.logout()
                    _ = try await (login, logout)
                    let isLoggedIn = try await stage.agent.client.status().server != nil
                    let isKept = FileManager.default.fileExists(atPath: stage.agent.state + "/login.json")
                    #expect(isLoggedIn == isKept)
                }
            }
        }

        @Test("a kept login that others can read: the agent runs and says so, and a new login mends it")
        func unusable() async throws {
            try await Stage.run { stage in
                try await stage.agent.start([])
                try await logIn(stage.ada, stage)
                _ = try await stage.agent.program.terminate()
                #expect(chmod(stage.agent.state + "/login.json", 0o644) == 0)
                try await stage.agent.start([])
                let status = try await stage.agent.client.status()
                #expect(status.server == nil)
                #expect(
                    status.problems.contains {
                        $0.what.contains("login.json") && $0.remedy?.contains("avatarctl") == true
                    },
                    "\(status.problems)")
                try await logIn(stage.ada, stage)
                #expect(try await stage.agent.client.status().problems.isEmpty)
            }
        }
    }
}

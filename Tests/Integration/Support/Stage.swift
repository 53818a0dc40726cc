import BusTestSupport
import Foundation
import Testing

/// The suite of all tests that run the real programs: one after the other, since each of them keeps the machine busy.
@Suite("The real programs", .serialized, .timeLimit(.minutes(10)))
enum RealPrograms {}

/// A server with the users ada (1001) and bob (1002), a wire that can be watched and cut, and an agent for ada.
final class Stage: Sendable {
    let folder: TemporaryFolder
    let server: ServerProgram
    let wire: Wire
    let agent: AgentProgram
    let ada: ServerProgram.User
    let bob: ServerProgram.User

    private init(
        _ folder: TemporaryFolder, _ server: ServerProgram, _ wire: Wire, _ agent: AgentProgram,
        _ ada: ServerProgram.User,
        _ bob: ServerProgram.User
    ) {
        self.folder = folder
        self.server = server
        self.wire = wire
        self.agent = agent
        self.ada = ada
        self.bob = bob
    }

    /// Sets everything up, starts the server, runs `body`, and ends every program.
    static func run(_ body: (Stage) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let server = try ServerProgram(in: folder)
        let ada = try await server.addUser(1001, name: "ada")
        let bob = try await server.addUser(1002, name: "bob")
        try await server.start()
        let wire = try await Wire { server.port }
        let stage = Stage(folder, server, wire, try AgentProgram("a", in: folder), ada, bob)
        do {
            try await body(stage)
        } catch {
            await stage.end()
            throw error
        }
        await stage.end()
    }

    /// Starts ada's agent over the wire.
    @discardableResult
    func startAgent(_ arguments: [String] = [], through wrapper: [String] = []) async throws -> RunningProgram {
        try await agent.start(ada, port: wire.port, arguments, through: wrapper)
    }

    /// Ends the agent and starts it again.
    func restartAgent() async throws {
        _ = try await agent.program.terminate()
        try await startAgent()
    }

    private func end() async {
        // AVATARD_TEST_LOGS=1 shows what the programs said.
        if ProcessInfo.processInfo.environment["AVATARD_TEST_LOGS"] != nil {
            let lines = ((try? agent.program.log.lines) ?? []) + ((try? server.program.log.lines) ?? [])
            print(lines.joined(separator: "\n"))
        }
        try? await agent.program.killNow()
        try? await server.program.killNow()
        await wire.close()
    }
}

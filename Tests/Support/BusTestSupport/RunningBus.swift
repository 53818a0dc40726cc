package import AgentRuntime
internal import LabelBus
internal import Logging

/// A bus on a socket of its own, with a scripted agent behind it; stopped when `body` ends.
package func withBus<Result: Sendable>(
    _ agent: ScriptedAgent = ScriptedAgent(), connectionsMax: Int? = nil,
    _ body: (RunningBus) async throws -> Result
) async throws -> Result {
    let folder = try TemporaryFolder()
    let path = folder.file("agent.sock")
    let server = BusServer(
        socket: try BusSocket.open(path: path, environment: [:]), service: agent, info: ServiceInfo(version: "1.0"),
        logger: Logger(label: "bus", factory: { _ in SwiftLogNoOpLogHandler() }), connectionsMax: connectionsMax)
    let run = Task { try await server.run() }
    let result: Swift.Result<Result, any Error>
    do {
        result = .success(try await body(RunningBus(path: path, agent: agent, server: server, folder: folder)))
    } catch {
        result = .failure(error)
    }
    run.cancel()
    try await run.value
    return try result.get()
}

/// What a test needs of a running bus.
package struct RunningBus: Sendable {
    package let path: String
    package let agent: ScriptedAgent
    package let server: BusServer
    package let folder: TemporaryFolder
}

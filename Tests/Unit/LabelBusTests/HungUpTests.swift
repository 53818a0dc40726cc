import AvatarAgentClient
import BusTestSupport
import Foundation
import PosixFiles
import Testing

/// An agent that ends before it answers, as one does that systemd's socket woke and that cannot read its configuration.
@Suite("Hung up before an answer", .timeLimit(.minutes(1)))
struct HungUpTests {
    /// Whether the call was read before the connection was closed: the kernel says "end" to the caller then, and else "reset" (unix(7)).
    enum Ending: CaseIterable { case afterReading, unread }

    /// Takes one connection at `path`, waits for the call, and closes it.
    private func hangUpOnce(at path: String, _ ending: Ending) throws {
        let listener = try UnixSocket.listen(path, backlog: 1)
        Thread.detachNewThread {
            func wait(for descriptor: Int32) {
                var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                poll(&waited, 1, 10_000)
            }
            wait(for: listener.descriptor)
            let client = accept(listener.descriptor, nil, nil)
            wait(for: client)
            var buffer = [UInt8](repeating: 0, count: 4096)
            if ending == .afterReading { _ = read(client, &buffer, buffer.count) }
            close(client)
        }
    }

    @Test("a client is told that nothing was answered, without numbers of the system", arguments: Ending.allCases)
    func client(ending: Ending) async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        try hangUpOnce(at: path, ending)
        let error = await #expect(throws: AgentClientError.self) { try await AgentClient(socketPath: path).status() }
        #expect(error?.code == .unanswered)
        let reason = ending == .unread ? "Connection reset by peer" : "the connection was closed"
        #expect(error?.description == "the agent hung up before it answered at \(path): \(reason)")
    }

    @Test("avatarctl says so, where the log is, and ends with status 3", arguments: Ending.allCases)
    func program(ending: Ending) async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("agent.sock")
        try hangUpOnce(at: path, ending)
        let result = try await Program.run(
            Program.product("avatarctl"), ["status", "--socket", path], in: folder)
        #expect(result.status == 3)
        #expect(result.errors.hasPrefix("avatarctl: the agent hung up before it answered at \(path): "))
        #expect(result.errors.contains("could not start"))
        #expect(result.errors.contains("journalctl --user --unit avatard"))
        #expect(!result.errors.contains("errno"))
    }
}

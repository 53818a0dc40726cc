internal import BusTestSupport
internal import Foundation
internal import PosixFiles

/// The server's process, looked at from outside through /proc (proc(5)).
final class Measured {
    let socket: String
    private let process: Process

    private init(socket: String, process: Process) {
        self.socket = socket
        self.process = process
    }

    /// Starts this program again, as the server.
    static func start(socket: String) throws -> Measured {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["serve", "--socket", socket]
        try process.run()
        return Measured(socket: socket, process: process)
    }

    func untilListening() async throws {
        for _ in 0..<500 {
            if try UnixSocket.probe(socket) == .answered, try UnixSocket.probe(socket + ".echo") == .answered { break }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    func cpuSeconds() -> Double { ProcessFacts(id: process.processIdentifier).cpuSeconds() }
}

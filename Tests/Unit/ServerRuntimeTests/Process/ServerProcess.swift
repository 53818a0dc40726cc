import Foundation
import Synchronization

/// The real program, started by a test and ended by its pid.
final class ServerProcess: Sendable {
    struct NotReady: Error { let output: String }

    let port: Int
    private let process: Mutex<Process>

    /// The executable beside the test bundle.
    static var executable: URL {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appendingPathComponent("avatar-server")
    }

    /// Starts `avatar-server serve` over `folder` and returns once it says READY=1.
    init(folder: URL, flags: [String] = []) throws {
        let portFile = folder.appendingPathComponent("port-\(UUID())")
        let process = Process()
        process.executableURL = Self.executable
        // Standard output is the descriptor that is told READY=1: nothing else is written there.
        process.arguments =
            ["serve", "--ready-fd", "1", "--port-file", portFile.path, "--listen-port", "0"] + Self.storage(folder)
            + flags
        let ready = try ClosingPipe()
        process.standardOutput = ready.writing
        process.standardError = FileHandle.nullDevice
        try spawning.withLock { _ in try process.run() }
        try ready.writing.close()
        let line = ready.reading.availableData
        guard String(decoding: line, as: UTF8.self) == "READY=1\n",
            let port = Int(try String(contentsOf: portFile, encoding: .utf8).dropLast())
        else {
            process.terminate()
            throw NotReady(output: String(decoding: line, as: UTF8.self))
        }
        self.port = port
        self.process = Mutex(process)
    }

    /// Where a test's server keeps its things.
    static func storage(_ folder: URL) -> [String] {
        [
            "--storage-root", folder.appendingPathComponent("files").path,
            "--stores-sqlite-file", folder.appendingPathComponent("db.sqlite").path, "--storage-sync", "none",
        ]
    }

    /// SIGKILL, and wait until it is gone.
    func kill() { end(SIGKILL) }

    /// SIGTERM, and wait until it is gone; the exit code comes back.
    @discardableResult
    func terminate() -> Int32 { end(SIGTERM) }

    @discardableResult
    private func end(_ signal: Int32) -> Int32 {
        process.withLock { process in
            if process.isRunning { Glibc.kill(process.processIdentifier, signal) }
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    /// Runs the program to its end: its exit code, standard output and standard error.
    static func run(
        _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (code: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        let (output, errors) = (try ClosingPipe(), try ClosingPipe())
        process.standardOutput = output.writing
        process.standardError = errors.writing
        try spawning.withLock { _ in try process.run() }
        try output.writing.close()
        try errors.writing.close()
        let text = output.reading.readDataToEndOfFile()
        let complaint = errors.reading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self), String(decoding: complaint, as: UTF8.self)
        )
    }
}

/// A temporary folder that goes with the test.
func withFolder(_ body: (URL) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-process-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body(folder)
}

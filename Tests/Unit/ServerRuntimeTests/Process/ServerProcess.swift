import Foundation
import Synchronization

/// The real program, started by a test and ended by its pid.
final class ServerProcess: Sendable {
    struct NotReady: Error { let output: String }

    let port: Int
    let pid: Int32
    private let process: Mutex<Process>

    /// The executable beside the test bundle.
    static var executable: URL {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        return bundle.deletingLastPathComponent().appendingPathComponent("avatar-server")
    }

    /// Starts `avatar-server serve` over `folder` and returns once it says READY=1.
    ///
    /// - Parameter limits: what a shell does to itself before it becomes the server (`ulimit -n 128`, say).
    init(folder: URL, flags: [String] = [], limits: String = "") throws {
        let portFile = folder.appendingPathComponent("port-\(UUID())")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // Standard output is the descriptor that is told READY=1: nothing else is written there.
        process.arguments =
            ["-c", limits + "\nexec \"$0\" \"$@\"", Self.executable.path, "serve", "--ready-fd", "1"]
            + ["--port-file", portFile.path, "--listen-port", "0"] + Self.storage(folder) + flags
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
        pid = process.processIdentifier
        self.process = Mutex(process)
    }

    /// Processor time that it has used so far.
    var processorTime: Duration {
        get throws {
            let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            // After the name, which stands in brackets, utime and stime are the 12th and the 13th field (proc(5)).
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            let ticks = (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
            return .milliseconds(ticks * 1000 / sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    /// How many descriptors it has open.
    var descriptors: Int {
        get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count }
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

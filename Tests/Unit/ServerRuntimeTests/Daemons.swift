import Foundation
import Synchronization

/// A service of a test's own. It ends when it is told to, and when the test's process ends in whatever way: a shell holds the
/// other end of a pipe, and stops the service when the pipe closes.
final class Daemon: Sendable {
    struct NotReady: Error { let output: String }

    private let process: Mutex<Process>
    private let leash: FileHandle

    /// Returns once a line of its output holds `readyText`.
    ///
    /// - Parameter folder: removed when the service has ended.
    init(_ command: [String], readyText: String, removing folder: String = "") throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // Not SIGTERM: the threads that run tests block it, and the service has inherited that.
        let leash =
            "\"$@\" 2>&1 & child=$!; cat >/dev/null; kill -9 $child; wait $child; [ -z \"$0\" ] || rm -rf \"$0\""
        process.arguments = ["-c", leash, folder] + command
        let (input, output) = (try ClosingPipe(), try ClosingPipe())
        process.standardInput = input.reading
        process.standardOutput = output.writing
        process.standardError = FileHandle.nullDevice
        try spawning.withLock { _ in try process.run() }
        try input.reading.close()
        try output.writing.close()
        var seen = ""
        while !seen.contains(readyText) {
            let more = output.reading.availableData
            guard !more.isEmpty else {
                try? input.writing.close()
                throw NotReady(output: seen)
            }
            seen += String(decoding: more, as: UTF8.self)
        }
        // What it says from now on is nobody's, but the pipe must not fill. Not by FileHandle's own handler: that may close its descriptor
        // while libdispatch still listens to it, and then libdispatch crashes.
        let rest = output.reading
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while read(rest.fileDescriptor, &buffer, buffer.count) > 0 {}
        }
        self.leash = input.writing
        self.process = Mutex(process)
    }

    func stop() {
        try? leash.close()
        process.withLock { $0.waitUntilExit() }
    }
}

/// Held while a child starts, and while a pipe is made that it must not inherit.
let spawning = Mutex(())

/// A pipe that no other child inherits: one that did would keep the leash of this one from ending.
struct ClosingPipe {
    let reading: FileHandle
    let writing: FileHandle

    init() throws {
        var ends: [Int32] = [0, 0]
        let isMade = spawning.withLock { _ in
            pipe(&ends) == 0 && ends.allSatisfy { fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }
        }
        guard isMade else { throw POSIXError(.EMFILE) }
        reading = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        writing = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
    }
}

/// Runs a program to its end and gives its standard output.
@discardableResult
func runProgram(_ program: String, _ arguments: [String], input: String = "") throws -> String {
    struct Failed: Error {
        let program: String
        let code: Int32
        let errors: String
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let (stdin, output, errors) = (try ClosingPipe(), try ClosingPipe(), try ClosingPipe())
    process.standardInput = stdin.reading
    process.standardOutput = output.writing
    process.standardError = errors.writing
    try spawning.withLock { _ in try process.run() }
    for childs in [stdin.reading, output.writing, errors.writing] { try childs.close() }
    stdin.writing.write(Data(input.utf8))
    try stdin.writing.close()
    let text = output.reading.readDataToEndOfFile()
    let complaint = errors.reading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw Failed(
            program: program, code: process.terminationStatus, errors: String(decoding: complaint, as: UTF8.self))
    }
    return String(decoding: text, as: UTF8.self)
}

/// A redis-server of one test, on a Unix socket, without a port and without files.
final class RedisDaemon: Sendable {
    let socket: String
    private let folder: URL
    private let daemon: Mutex<Daemon>

    init(folder: URL) throws {
        self.folder = folder
        socket = folder.appendingPathComponent("redis").path
        daemon = Mutex(try Self.start(folder, socket))
    }

    private static func start(_ folder: URL, _ socket: String) throws -> Daemon {
        // What it holds lies in the folder, so that a restart has it again.
        try Daemon(
            ["redis-server", "--port", "0", "--unixsocket", socket, "--dir", folder.path, "--appendonly", "yes"],
            readyText: "eady to accept connections")
    }

    func stop() { daemon.withLock { $0.stop() } }

    func startAgain() throws {
        let new = try Self.start(folder, socket)
        daemon.withLock { $0 = new }
    }

    /// Stops it in its tracks, or lets it go on: a service that hangs, and does not refuse.
    func send(_ signal: Int32, to pid: Int32) { kill(pid, signal) }

    /// Its process.
    var pid: Int32 {
        get throws {
            let line = try command(["INFO", "server"]).split(whereSeparator: \.isNewline).first {
                $0.hasPrefix("process_id:")
            }
            guard let pid = line.flatMap({ Int32($0.dropFirst("process_id:".count)) }) else { throw POSIXError(.ESRCH) }
            return pid
        }
    }

    @discardableResult
    func command(_ words: [String]) throws -> String { try runProgram("redis-cli", ["-s", socket] + words) }
}

/// A mariadbd without a port. The tests of a run share one, in which every test has its own schema.
final class MariaDBDaemon: Sendable {
    static let shared = Result { try MariaDBDaemon() }

    let socket: String
    private let daemon: Daemon

    /// - Parameter withAccounts: whether a login must be of an account that there is: root, without a password, to begin with.
    init(withAccounts: Bool = false) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avm-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let data = folder.appendingPathComponent("data").path
        socket = folder.appendingPathComponent("sock").path
        // mariadbd refuses to be root unless it is told that it may.
        let user = getuid() == 0 ? ["--user=root"] : []
        try runProgram(
            "mariadb-install-db",
            ["--no-defaults", "--datadir=\(data)", "--skip-test-db", "--skip-name-resolve"] + user)
        daemon = try Daemon(
            [
                "mariadbd", "--no-defaults", "--datadir=\(data)", "--socket=\(socket)", "--skip-networking",
                "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M",
                "--max-connections=400",
            ] + (withAccounts ? [] : ["--skip-grant-tables"]) + user, readyText: "ready for connections",
            removing: folder.path)
    }

    func stop() { daemon.stop() }

    @discardableResult
    func run(_ sql: String, schema: String?) throws -> String {
        try runProgram(
            "mariadb", ["--no-defaults", "--socket=\(socket)", "-u", "root"] + (schema.map { [$0] } ?? []), input: sql)
    }

    /// The seed's table `user`.
    func makeSchema(_ name: String) throws {
        try run(
            """
            CREATE DATABASE \(name) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
            CREATE TABLE \(name).user (
                id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
                uid INT NOT NULL DEFAULT 0,
                name VARCHAR(255) NOT NULL DEFAULT '',
                email VARCHAR(255) NOT NULL DEFAULT '',
                pwd VARCHAR(255) NOT NULL DEFAULT '',
                nick VARCHAR(255) NOT NULL DEFAULT '',
                `desc` VARCHAR(255) NOT NULL DEFAULT '',
                sex INT NOT NULL DEFAULT 0,
                icon VARCHAR(255) NOT NULL DEFAULT '',
                UNIQUE KEY (uid), UNIQUE KEY (email));
            """, schema: nil)
    }
}

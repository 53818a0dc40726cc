import BusTestSupport
import Foundation
import Glibc

/// A program, running, mostly one of ours; it is killed when it is let go of.
final class RunningProgram: Sendable {
    /// How a program ended.
    struct Ending: Hashable, Sendable {
        let status: Int32
        let wasSignalled: Bool
    }

    /// A program that ended before it was ready.
    struct NotReady: Error, CustomStringConvertible {
        let description: String
    }

    /// Its process id.
    let pid: pid_t
    /// What it says on standard error.
    let log = LogTail()
    /// What it tells the service manager, a line for each assignment.
    let told = LogTail()
    /// Its end.
    let ended = Occasion<Ending>()
    /// True once it said READY=1, false when it ended before.
    private let beginning = Occasion<Bool>()
    private let notices: ReadyNotices
    private let process: Process

    /// Starts a product of this build, or the program at a path, with these variables and no others but PATH and the sanitizers'; `through` is a
    /// command that becomes the program it is given.
    init(
        _ product: String, _ arguments: [String], through wrapper: [String] = [], environment: [String: String],
        in folder: TemporaryFolder
    ) throws {
        let socket = folder.file("n" + UUID().uuidString.prefix(8))
        let (log, told, ended, beginning) = (log, told, ended, beginning)
        notices = try ReadyNotices(path: socket) {
            told.take(Data(($0 + "\n").utf8))
            if $0.contains("READY=1") { beginning.happen(true) }
        }
        process = Process()
        let path = product.hasPrefix("/") ? product : Program.product(product)
        let command = wrapper + [path] + arguments
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        let inherited = ProcessInfo.processInfo.environment.filter { key, _ in
            key == "PATH" || key == "LD_LIBRARY_PATH" || key.hasSuffix("SAN_OPTIONS")
        }
        process.environment = inherited.merging(environment) { $1 }.merging(["NOTIFY_SOCKET": socket]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let pipe = Pipe()
        try Self.read(pipe.fileHandleForReading, into: log)
        process.standardError = pipe
        process.terminationHandler = { process in
            beginning.happen(false)
            ended.happen(
                Ending(status: process.terminationStatus, wasSignalled: process.terminationReason == .uncaughtSignal))
        }
        try process.run()
        pid = process.processIdentifier
    }

    /// On a thread of its own, and by no source of libdispatch: libdispatch crashes now and then over a descriptor that is closed while
    /// it takes the end of the file from the kernel.
    private static func read(_ handle: FileHandle, into log: LogTail) throws {
        let descriptor = fcntl(handle.fileDescriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EMFILE) }
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = Glibc.read(descriptor, &buffer, buffer.count)
                if count > 0 {
                    log.take(Data(buffer[..<count]))
                } else if count == 0 || errno != EINTR {
                    break
                }
            }
            close(descriptor)
            log.ended.happen(())
        }
    }

    deinit {
        if ended.value == nil { _ = kill(pid, SIGKILL) }
    }

    /// Waits until it serves; throws with its last words when it ends instead.
    func untilReady() async throws {
        guard try await beginning.wait("READY=1, or its end") else {
            throw NotReady(description: "it ended:\n" + log.lines.suffix(20).joined(separator: "\n"))
        }
    }

    /// Sends a signal.
    func signal(_ number: Int32) {
        if ended.value == nil { _ = kill(pid, number) }
    }

    /// SIGTERM, and how it ended.
    func terminate() async throws -> Ending {
        signal(SIGTERM)
        return try await ended.wait("its end after SIGTERM")
    }

    /// SIGKILL, and until it is gone.
    func killNow() async throws {
        signal(SIGKILL)
        try await ended.wait("its end after SIGKILL")
    }
}

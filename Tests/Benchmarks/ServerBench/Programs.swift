import Foundation
import Synchronization

/// Runs a program to its end and gives its standard output; throws when it fails.
@discardableResult
func runProgram(_ program: String, _ arguments: [String]) throws -> String {
    let child = try Child(program, arguments)
    return try child.output()
}

/// A program that runs until it ends by itself, or is stopped by its own pid. Started with posix_spawn(3), since what Foundation
/// does around that takes longer than a whole curl, and would be in the peers' figures.
final class Child {
    struct Failed: Error {
        let program: String
        let status: Int32
    }

    let pid: Int32
    private let program: String
    private let reading: Int32
    private var hasEnded = false

    init(_ program: String, _ arguments: [String]) throws {
        self.program = program
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0, ends.allSatisfy({ fcntl($0, F_SETFD, FD_CLOEXEC) == 0 }) else {
            throw Failed(program: program, status: errno)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let result = posix_spawnp(&child, program, &actions, nil, &words, environ)
        close(ends[1])
        guard result == 0 else {
            close(ends[0])
            throw Failed(program: program, status: result)
        }
        pid = child
        reading = ends[0]
    }

    deinit { close(reading) }

    /// What it says until it ends, and it must end well.
    func output() throws -> String {
        var text: [UInt8] = []
        while case let more = read(), !more.isEmpty { text += more }
        let status = wait()
        guard status == 0 else { throw Failed(program: program, status: status) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Waits until it says something.
    func firstWords() -> String { String(decoding: read(), as: UTF8.self) }

    func stop() {
        guard !hasEnded else { return }
        kill(pid, SIGTERM)
        _ = wait()
    }

    private func read() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 4096) { room, count in
            count = max(0, Glibc.read(reading, room.baseAddress, room.count))
        }
    }

    private func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        hasEnded = true
        return status
    }
}

/// Whether every one of these programs is on the PATH.
func areInstalled(_ programs: String...) -> Bool {
    programs.allSatisfy { (try? runProgram("sh", ["-c", "command -v \($0)"])) != nil }
}

/// Starts one program for each list of arguments, and waits for all.
func runTogether(_ program: String, _ arguments: [[String]]) throws {
    let children = try arguments.map { try Child(program, $0) }
    for child in children { _ = try child.output() }
}

/// Runs `body` on `count` threads at once, numbered from 0; throws what one of them threw.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    if count == 1 { return try body(0) }
    let failures = Box<[any Error]>([])
    let done = DispatchSemaphore(value: 0)
    for number in 0..<count {
        Thread.detachNewThread {
            do {
                try body(number)
            } catch {
                failures.value.withLock { $0.append(error) }
            }
            done.signal()
        }
    }
    for _ in 0..<count { done.wait() }
    if let first = failures.value.withLock({ $0.first }) { throw first }
}

/// A lock that closures can share.
final class Box<Value: Sendable>: Sendable {
    let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }
}

/// A loopback port that was free a moment ago, for peers that cannot be told to choose one themselves.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
        _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, size) + getsockname(descriptor, generic, &size)
        }
        return Int(in_port_t(bigEndian: pointer.pointee.sin_port))
    }
}

/// Waits until something listens, by connecting.
func awaitListener(_ port: Int) throws {
    struct Nobody: Error { let port: Int }
    let deadline = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < deadline {
        if (try? Socket(port: port)) != nil { return }
        sched_yield()
    }
    throw Nobody(port: port)
}

internal import Foundation
internal import PosixFiles

/// The server's process, looked at from outside through /proc (proc(5)).
final class Measured {
    let socket: String
    private let process: Process
    private(set) var residentAtStart = 0

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
        residentAtStart = residentBytes()
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    private var facts: ProcessFacts { ProcessFacts(id: process.processIdentifier) }
    func cpuSeconds() -> Double { facts.cpuSeconds() }
    func residentBytes() -> Int { facts.residentBytes() }
    func voluntarySwitches(threads prefix: String = "") -> Int { facts.voluntarySwitches(threads: prefix) }
}

/// What /proc says of a process (proc(5)).
struct ProcessFacts {
    let id: pid_t

    /// CPU seconds, user and system, of all threads.
    func cpuSeconds() -> Double {
        // The second field may hold blanks; what follows its closing bracket does not.
        let fields = read("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Bytes of memory that are resident.
    func residentBytes() -> Int { (field("VmRSS", in: read("status")) ?? 0) * 1024 }

    /// How often its threads, those whose names begin so, were put to sleep by themselves: one for each wake-up.
    func voluntarySwitches(threads prefix: String = "") -> Int {
        let tasks =
            (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task")) ?? []
        return tasks.filter { read("task/\($0)/comm").hasPrefix(prefix) }
            .compactMap { field("voluntary_ctxt_switches", in: read("task/\($0)/status")) }.reduce(0, +)
    }

    private func read(_ name: String) -> String {
        (try? String(contentsOfFile: "/proc/\(id)/\(name)", encoding: .utf8)) ?? ""
    }

    private func field(_ name: String, in text: String) -> Int? {
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line?.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " }).dropFirst().first.flatMap {
            Int($0)
        }
    }
}

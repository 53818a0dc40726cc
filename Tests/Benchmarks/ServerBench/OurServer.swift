import Foundation

/// The real avatar-server over its embedded stores, in a folder of its own.
final class OurServer {
    /// Users that it knows, uid 1 and up: one for each client.
    static let usersMax = 64

    let port: Int
    private let process: Child
    private let tokens: [String]
    private let chunkBytes: Int

    /// - Parameter users: every start of the program that makes one costs some milliseconds.
    init(program: String, place: Workplace, sync: String, users: Int, chunkBytes: Int = 2048) throws {
        let folder = try place.subfolder("ours-\(sync)-\(UUID().uuidString.prefix(4))")
        let storage = [
            "--storage-root", folder + "/files", "--stores-sqlite-file", folder + "/ours.sqlite", "--storage-sync",
            sync,
        ]
        tokens = try (1...users).map {
            try String(runProgram(program, ["user", "add", "--uid", "\($0)"] + storage).dropLast())
        }
        self.chunkBytes = chunkBytes
        process = try Child(
            program,
            [
                "serve", "--ready-fd", "1", "--port-file", folder + "/port", "--listen-port", "0", "--log-level",
                "error", "--classic-chunk-bytes", "\(chunkBytes)",
            ] + storage)
        _ = process.firstWords()
        port = Int(try String(contentsOfFile: folder + "/port", encoding: .utf8).dropLast()) ?? 0
    }

    /// The account of client number `index`, counted from 0.
    func account(_ index: Int) -> Account {
        Account(
            port: port, uid: Int64(index % tokens.count) + 1, token: tokens[index % tokens.count],
            chunkBytes: chunkBytes)
    }

    /// Bytes of its memory that are in RAM (VmRSS, proc(5)).
    func residentBytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) * 1024
    }

    /// Seconds of CPU that it has used, in user and in kernel mode (proc(5), `stat`).
    func cpuSeconds() throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8)
        // The second field is the program's name in parentheses; utime and stime are the 14th and 15th.
        guard let end = stat.lastIndex(of: ")") else { return 0 }
        let fields = stat[end...].split(separator: " ")
        let ticks = (Double(fields[12]) ?? 0) + (Double(fields[13]) ?? 0)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    func stop() { process.stop() }
}

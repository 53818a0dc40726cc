import Foundation

/// The whole run: starts the peers, measures, prints one table, stops everything.
struct Bench {
    let server: String
    let rounds: Int
    let sync: String
    private let folder: URL

    init(server: String, rounds: Int, sync: String) throws {
        self.server = server
        self.rounds = rounds
        self.sync = sync
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "avatar-bench-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func run() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let sets = [
            ("200 x 20 KiB", try makeFiles("small", 200, 20 * 1024)), ("1 x 2 MiB", try makeFiles("large", 1, 2 << 20)),
        ]
        let ours = try AvatarServerPeer(program: server, folder: folder, sync: sync)
        defer { ours.stop() }
        let nginx = Nginx.isInstalled ? try Nginx(folder: folder) : nil
        defer { nginx?.stop() }
        print(
            "medians of \(rounds) rounds, seconds; avatar-server with storage.sync \(sync), chunks of 2048 bytes, stop and wait"
        )
        for (title, files) in sets {
            var rows: [(String, Double, Double)] = []
            rows.append(
                (
                    "avatar-server, classic", try median { try ours.upload(files, round: $0) },
                    try median { try ours.download(files, round: $0) }
                ))
            if let nginx {
                rows.append(
                    (
                        "nginx + curl", try median { _ in try nginx.upload(files) },
                        try median { _ in try nginx.download(files) }
                    ))
            }
            if let rsync = try Rsync(folder: folder) {
                defer { rsync.stop() }
                rows.append(
                    (
                        "rsync daemon", try median { _ in try rsync.upload(files) },
                        try median { _ in try rsync.download(files) }
                    ))
            }
            report(title, rows)
        }
    }

    private func report(_ title: String, _ rows: [(String, Double, Double)]) {
        print("\n\(title)\n  \(pad("peer"))  up      down")
        for (name, up, down) in rows {
            print("  \(pad(name))  \(String(format: "%.3f   %.3f", up, down))")
        }
        guard rows.count > 1 else { return }
        print(
            "  ratio to curl: up \(String(format: "%.2f", rows[0].1 / rows[1].1)), down \(String(format: "%.2f", rows[0].2 / rows[1].2))"
        )
    }

    private func pad(_ text: String) -> String { text.padding(toLength: 24, withPad: " ", startingAt: 0) }

    private func median(_ body: (Int) throws -> Void) throws -> Double {
        let times = try (0..<rounds).map { round in
            let started = ContinuousClock.now
            try body(round)
            let passed = (ContinuousClock.now - started).components
            return Double(passed.seconds) + Double(passed.attoseconds) / 1e18
        }
        return times.sorted()[rounds / 2]
    }

    private func makeFiles(_ name: String, _ count: Int, _ size: Int) throws -> [URL] {
        let place = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        return try (0..<count).map { index in
            let file = place.appendingPathComponent("\(name)-\(index).png")
            try Data((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251 &+ index) }).write(to: file)
            return file
        }
    }
}

/// Runs a program to its end; throws when it fails.
@discardableResult
func run(_ program: String, _ arguments: [String]) throws -> String {
    struct Failed: Error { let program: String, code: Int32 }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed(program: program, code: process.terminationStatus) }
    return String(decoding: text, as: UTF8.self)
}

/// A loopback port that was free a moment ago, for peers that cannot be told to choose one themselves.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
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
        if (try? WaitingClient(port: port)) != nil { return }
        sched_yield()
    }
    throw Nobody(port: port)
}

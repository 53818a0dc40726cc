internal import AvatarCore
internal import BusTestSupport
internal import Foundation
internal import PosixFiles
internal import TestPictures

/// avatard and avatar-server as they are installed, and subscribers of one picture that is deleted and fetched again: how long after its
/// commit is it told?
final class AgentBench {
    /// A program that is not there, or ended.
    struct Unusable: Error, CustomStringConvertible { let description: String }

    /// Nanoseconds to each subscriber's read, of all rounds, and the agent's CPU seconds of one.
    struct Latencies {
        /// From the rename into place.
        var sinceRename: [Int] = []
        /// From the write of the final row.
        var sinceRecord: [Int] = []
        var cpuSeconds = 0.0
    }

    private static let picture = "p.png"
    /// How many pictures of 20 KiB come at once, and how often.
    static let bulkCount = 200
    private static let bulkRounds = 7
    private static let register =
        #"{"method":"org.avatard.Agent.Register","parameters":{"labels":[{"label":"peer","name":"p.png"}],"#
        + #""keep":true},"more":true}"#
    private let folder: String
    private let server: Process
    private let agent: Process
    private let clock: CommitClock
    private var socket: String { folder + "/agent.sock" }
    private var cached: String { folder + "/cache/" + Self.picture }

    /// Starts both in `folder`, which is made.
    init(folder: String, sync: String) throws {
        self.folder = folder
        let root = folder + "/srv/1001"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let picture = URL(fileURLWithPath: root + "/" + Self.picture)
        try Data(try TestPictures.padded(.png, to: 20 * 1024)).write(to: picture)
        for name in (0..<Self.bulkRounds).flatMap(Self.bulkNames) {
            try FileManager.default.linkItem(atPath: picture.path, toPath: root + "/" + name)
        }
        let stores = ["--storage-root", folder + "/srv", "--stores-sqlite-file", folder + "/srv.sqlite"]
        let token = folder + "/token"
        try Data("a-token-for-this-run\n".utf8).write(to: URL(fileURLWithPath: token))
        chmod(token, 0o600)
        try Self.launch("avatar-server", ["user", "add", "--uid", "1001", "--token-file", token] + stores)
            .waitUntilExit()
        let portFile = folder + "/port"
        let serving = ["serve", "--listen-port", "0", "--port-file", portFile, "--storage-sync", "none"]
        server = try Self.launch("avatar-server", serving + ["--log-level", "error"] + stores)
        let port = try Self.wait("the server's port") {
            (try? String(contentsOfFile: portFile, encoding: .utf8)).flatMap { Int($0.dropLast()) }
        }
        agent = try Self.launch(
            "avatard",
            [
                "--server-host", "127.0.0.1", "--server-port", "\(port)", "--identity-uid", "1001",
                "--identity-token-file", token, "--cache-directory", folder + "/cache", "--upload-directory",
                folder + "/crops", "--state-directory", folder + "/state", "--bus-socket", folder + "/agent.sock",
                "--storage-sync", sync, "--log-level", "error",
            ])
        let path = folder + "/agent.sock"
        _ = try Self.wait("the agent's socket") { (try? UnixSocket.probe(path)) == .answered ? true : nil }
        clock = try CommitClock(cache: folder + "/cache", journal: folder + "/state/catalog.sqlite-wal")
    }

    func stop() {
        for process in [agent, server] {
            process.terminate()
            process.waitUntilExit()
        }
        clock.stop()
    }

    /// Lets the picture come anew for so many subscribers, so many times.
    func latencies(subscribers: Int, rounds: Int) throws -> Latencies {
        let control = try ClientSocket(path: socket)
        let audience = try Audience(subscribers, path: socket, call: Self.register)
        _ = try audience.hear(Self.state("ready"))
        let facts = ProcessFacts(id: agent.processIdentifier)
        var latencies = Latencies()
        for _ in 0..<rounds {
            // Everybody has heard that it is gone before it comes again, so that only its coming is measured.
            try control.call(#"{"method":"org.avatard.Agent.Pause"}"#)
            try FileManager.default.removeItem(atPath: cached)
            _ = try audience.hear(Self.state("paused"))
            clock.reset()
            let before = facts.cpuSeconds()
            try control.call(#"{"method":"org.avatard.Agent.Resume"}"#)
            let times = try audience.hear(Self.state("ready")).times
            latencies.cpuSeconds += (facts.cpuSeconds() - before) / Double(rounds)
            let commit = clock.commit(before: times.first ?? 0)
            latencies.sinceRename += times.map { $0 - commit.renamed }
            latencies.sinceRecord += times.map { $0 - commit.recorded }
        }
        return latencies
    }

    /// Seconds from a Fetch of ``bulkCount`` pictures, none of which is there, to the last of them; one for each round.
    func bulk() throws -> [Double] {
        try (0..<Self.bulkRounds).map { round in
            let client = try ClientSocket(path: socket)
            let names = Self.bulkNames(of: round).map { "\"\($0)\"" }.joined(separator: ",")
            let start = monotonicNanoseconds()
            try client.send(#"{"method":"org.avatard.Agent.Fetch","parameters":{"names":[\#(names)]},"more":true}"#)
            while try client.answer().contains(#""continues":true"#) {}
            return Double(monotonicNanoseconds() - start) / 1e9
        }
    }

    private static func bulkNames(of round: Int) -> [String] { (0..<bulkCount).map { "bulk-\(round)-\($0).png" } }

    /// The agent with so many subscribers that nothing happens to: bytes for each, with all that was allocated for the first time, and how
    /// often it was woken in so many seconds. To be asked first of all.
    func idle(subscribers: Int, seconds: Int) throws -> (bytesEach: Int, wakeUps: Int) {
        let facts = ProcessFacts(id: agent.processIdentifier)
        // The picture is there before them, as for most of a long day.
        _ = try Audience(1, path: socket, call: Self.register).hear(Self.state("ready"))
        try untilQuiet(facts)
        let empty = facts.residentBytes()
        let audience = try Audience(subscribers, path: socket, call: Self.register)
        _ = try audience.hear(Self.state("ready"))
        return try withExtendedLifetime(audience) {
            try untilQuiet(facts)
            let full = facts.residentBytes()
            let before = facts.voluntarySwitches()
            sleep(UInt32(seconds))
            return ((full - empty) / subscribers, facts.voluntarySwitches() - before)
        }
    }

    /// Waits until two seconds have passed without a wake-up.
    private func untilQuiet(_ facts: ProcessFacts) throws {
        for _ in 0..<15 {
            let before = facts.voluntarySwitches()
            sleep(2)
            if facts.voluntarySwitches() == before { return }
        }
        throw Unusable(description: "avatard does not come to rest")
    }

    private static func state(_ word: String) -> String { "\"state\":\"\(word)\"" }

    private static func launch(_ program: String, _ arguments: [String]) throws -> Process {
        let process = Process()
        let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let path = own.deletingLastPathComponent().appendingPathComponent(program)
        guard FileManager.default.isExecutableFile(atPath: path.path) else {
            throw Unusable(description: "\(program) is not built beside this program: make bench builds it")
        }
        process.executableURL = path
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }

    private static func wait<T>(_ what: String, _ look: () -> T?) throws -> T {
        for _ in 0..<1000 {
            if let found = look() { return found }
            usleep(10_000)
        }
        throw Unusable(description: "waited 10 s for \(what)")
    }
}

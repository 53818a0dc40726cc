import ArgumentParser
import Foundation

/// Measures the real avatar-server beside what else moves files, in one run on one machine.
@main
struct ServerBench: ParsableCommand {
    enum Part: String, ExpressibleByArgument, CaseIterable {
        case transfers
        case crowd
        case stuck
        case idle
    }

    static let configuration = CommandConfiguration(
        abstract: "avatar-server beside nginx with curl and rsync's daemon: transfers, crowds, idle connections.")

    @Option(help: "The server's program; the one beside this one unless given.")
    var server: String?
    @Option(help: "Rounds of every transfer; the medians are shown.")
    var rounds = 5
    @Option(help: "transfers, crowd, stuck or idle, more than one parted by commas; all unless given.")
    var parts: String?
    @Option(help: "Clients that move files at once, parted by commas.")
    var clients = "1,8,64"
    @Flag(help: "Leave out the peers.")
    var alone = false

    func run() throws {
        // A server that closes must not end the run.
        signal(SIGPIPE, SIG_IGN)
        raiseFileLimit()
        let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
        let program = server ?? own.appendingPathComponent("avatar-server").path
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw ValidationError("there is no program \(program): swift build -c release --product avatar-server")
        }
        let parts = try (parts?.split(separator: ",").map(String.init) ?? Part.allCases.map(\.rawValue)).map { name in
            guard let part = Part(rawValue: name) else { throw ValidationError("there is no part \(name)") }
            return part
        }
        let counts = try clients.split(separator: ",").map { text in
            guard let count = Int(text), (1...OurServer.usersMax).contains(count) else {
                throw ValidationError("--clients must be from 1 to \(OurServer.usersMax)")
            }
            return count
        }
        let place = try Workplace()
        defer { place.remove() }
        if parts.contains(.transfers) {
            try TransferBench(program: program, place: place, rounds: max(1, rounds), withPeers: !alone).run(counts)
        }
        if parts.contains(.crowd) { try ConnectionBench(program: program, place: place).crowd(2000) }
        if parts.contains(.stuck) { try ConnectionBench(program: program, place: place).stuckReader() }
        if parts.contains(.idle) { try ConnectionBench(program: program, place: place).idle(10_000) }
    }

    private func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

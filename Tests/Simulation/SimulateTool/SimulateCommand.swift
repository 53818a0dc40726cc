import ArgumentParser
import Simulation

@main
struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Lives through simulated lives, and stops at the first that breaks a promise.")

    @Option(help: "How many seeds to live through.") var seeds: UInt64 = 1000
    @Option(help: "The first seed.") var from: UInt64 = 1
    @Option(help: "Build this mutation in, and see how soon it is caught.") var mutation: String?
    @Option(help: "How many of the last events a failure shows.") var tail = 50
    @Flag(help: "Try every mutation.") var mutations = false
    @Flag(help: "Print the digest of all event logs, to compare two processes.") var digest = false

    func run() throws {
        if mutations {
            for mutation in Mutation.allCases { try hunt(mutation) }
            return
        }
        let clock = ContinuousClock()
        let start = clock.now
        var events = 0
        var digests: UInt64 = 0xcbf2_9ce4_8422_2325
        var slowest = Duration.zero
        for seed in from..<from + seeds {
            let report = try Life(seed: seed, mutation: try chosen(), tailMax: tail).run()
            events += report.events
            digests = (digests ^ report.digest) &* 0x0000_0100_0000_01b3
            slowest = max(slowest, report.converged ?? .zero)
            guard let violation = report.violation else { continue }
            for line in report.tail { print("  ", line.description) }
            print("options: \(report.options)")
            print("seed \(seed): \(violation)")
            print("replay: make simulate SEEDS=1 FROM=\(seed)")
            throw ExitCode.failure
        }
        let seconds =
            Double((clock.now - start).components.seconds) + Double((clock.now - start).components.attoseconds) / 1e18
        print(
            "\(seeds) lives, \(events / Int(max(1, seeds))) events each, \(Int(Double(seeds) / seconds)) lives/s on one core"
        )
        print("in order at most \(slowest.components.seconds) virtual seconds after the last fault")
        if digest { print("digest \(String(digests, radix: 16))") }
    }

    private func chosen() throws -> Mutation? {
        guard let mutation else { return nil }
        guard let known = Mutation(rawValue: mutation) else {
            throw ValidationError(
                "no such mutation; known: \(Mutation.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return known
    }

    private func hunt(_ mutation: Mutation) throws {
        for seed in from..<from + seeds {
            if let violation = try Life(seed: seed, mutation: mutation).run().violation {
                print("\(mutation.rawValue) | \(seed - from + 1) | \(violation)")
                return
            }
        }
        print("\(mutation.rawValue) | not caught in \(seeds) seeds |")
        throw ExitCode.failure
    }
}

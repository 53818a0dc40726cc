import ArgumentParser
import BusTestSupport
import LabelBus

/// Throws broken messages at the label bus until the time is up: at the JSON reader, the calls' parameters, the framing,
/// and a whole connection. Every run can be repeated from its seed.
@main
struct BusFuzz: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Fuzzes the label bus's decoders.")

    @Option(help: "How long.")
    var seconds = 10

    @Option(help: "Where the random numbers begin; otherwise it is drawn, and printed.")
    var seed: UInt64?

    func run() throws {
        let seed = seed ?? UInt64.random(in: 1...1_000_000_000)
        print("BusFuzz: seed \(seed), \(seconds) s")
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var round: UInt64 = 0
        while clock.now < end {
            // A seed of its own for every round, so that one round can be run again without those before it.
            var mutator = Mutator(seed: seed &+ round)
            do {
                for _ in 0..<200 { try Invariants.check(message: mutator.message()) }
                try Invariants.checkFraming(mutator.stream(), splitBy: &mutator)
                try Invariants.checkConnection(mutator.stream(), splitBy: &mutator)
            } catch {
                print("BusFuzz: broken with --seed \(seed &+ round): \(error)")
                throw ExitCode.failure
            }
            round += 1
        }
        print("BusFuzz: \(round * 200) messages and \(round * 2) streams, nothing broken")
    }
}

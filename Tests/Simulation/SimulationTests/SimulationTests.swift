import Foundation
import Simulation
import Testing

/// Fixed lives, so that a change that breaks a promise is seen at once; `make simulate SEEDS=n` lives through others.
@Suite struct SimulationTests {
    /// Lives are independent of each other: a share for each test, so that they run beside each other.
    @Test(arguments: 0..<8) func aThousandLivesKeepEveryPromise(share: UInt64) throws {
        for seed in (share * 125 + 1)...(share * 125 + 125) {
            let report = try Life(seed: seed).run()
            guard let violation = report.violation else { continue }
            Issue.record("seed \(seed): \(violation)\nreplay: make simulate SEEDS=1 FROM=\(seed)\n\(report.options)")
            return
        }
    }

    /// Seeds that once failed, each with what it found.
    @Test(arguments: try FoundFaults.all()) func aSeedThatOnceFailedFailsNoMore(fault: FoundFaults.Fault) throws {
        let report = try Life(seed: fault.seed).run()
        #expect(report.violation == nil, "seed \(fault.seed), which once found: \(fault.found)")
    }

    /// The oracles can fail: each mutation is caught.
    @Test(arguments: Mutation.allCases) func aMutationIsCaught(mutation: Mutation) throws {
        for seed in 1...UInt64(1000) where try Life(seed: seed, mutation: mutation).run().violation != nil { return }
        Issue.record("\(mutation.rawValue) went through 1000 lives unseen")
    }

    /// Three crops are on their way at once, and the connection is cut at every place: within each message at least twice, be it a chunk or an
    /// answer.
    @Test(arguments: Life.Server.allCases) func uploadsOutliveACutAtEveryPlace(server: Life.Server) throws {
        var places = 0
        for bytes in stride(from: 0, through: 60_000, by: 37) {
            guard try livesThrough(cuts: [bytes], server) == 1 else { break }
            places += 1
        }
        // A cut behind everything is none; before that there were many.
        #expect(places > 150 && places < 60_000 / 37)
    }

    /// The connection on which the crops go on is cut, too.
    @Test(arguments: Life.Server.allCases) func uploadsOutliveTwoCutsAtAnyPlaces(server: Life.Server) throws {
        for first in stride(from: 100, through: 8_000, by: 613) {
            for second in stride(from: 50, through: 8_000, by: 487) {
                _ = try livesThrough(cuts: [first, second], server)
            }
        }
    }

    /// It goes up in pieces, and each connection goes on where the one before was cut.
    @Test func aLargeCropOutlivesCutsAtManyPlaces() throws {
        for bytes in stride(from: 500, through: 250_000, by: 12_347) {
            let report = try Life(largeCropCutAfter: Array(repeating: bytes, count: 4)).run()
            #expect(report.violation == nil, "cut after \(bytes) bytes, four times")
        }
    }

    /// How many of the cuts were made.
    private func livesThrough(cuts: [Int], _ server: Life.Server) throws -> Int {
        let life = try Life(cropsCutAfter: cuts, server: server)
        let report = life.run()
        #expect(report.violation == nil, "cut after \(cuts) bytes, \(server)")
        return life.cutsMade
    }

    /// One seed is one life: the same events in the same order.
    @Test func aSeedIsAlwaysTheSameLife() throws {
        for seed in UInt64(1)...5 {
            #expect(try Life(seed: seed).run().digest == Life(seed: seed).run().digest)
        }
    }

    /// Sets and dictionaries are hashed anew in every process: results must not depend on their order.
    @Test func twoProcessesLiveTheSameLives() throws {
        let tool = Bundle.main.bundleURL.appendingPathComponent("simulate")
        let digests = try (0..<2).map { _ in
            let process = Process()
            let output = Pipe()
            process.executableURL = tool
            process.arguments = ["--seeds", "25", "--digest"]
            process.standardOutput = output
            try process.run()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
            return try #require(text.split(separator: "\n").last { $0.hasPrefix("digest ") })
        }
        #expect(digests[0] == digests[1])
    }
}

/// `found.txt`: a seed and a line on what it found.
enum FoundFaults {
    struct Fault: Sendable, CustomTestStringConvertible {
        let seed: UInt64
        let found: String
        var testDescription: String { "\(seed)" }
    }

    static func all() throws -> [Fault] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("found.txt")
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            guard let seed = parts.first.flatMap({ UInt64($0) }), parts.count == 2 else { return nil }
            return Fault(seed: seed, found: String(parts[1]))
        }
    }
}

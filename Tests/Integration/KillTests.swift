import AvatarAgentClient
import AvatarCore
import Foundation
import LabelBus
import TestPictures
import Testing

extension RealPrograms {
    /// Either program is killed with SIGKILL at random bytes of a transfer and started again: every transfer ends with equal
    /// digests, and no final name ever holds anything but a whole picture.
    @Suite("SIGKILL at random points")
    struct Kills {
        static let trials = 20

        /// Who is killed.
        enum Victim: String, CaseIterable, CustomTestStringConvertible {
            case agent
            case server
            var testDescription: String { rawValue }
        }

        /// Several times what is on its way at once, so that a picture that is sent anew shows.
        static let large = 10 * Int(Limits.Flight.bytes.lowerBound)
        /// What a kill may cost: the chunks that were on their way. On the wire a chunk has half as many bytes again, and the window may
        /// have grown twice on a busy machine.
        static let window = 4 * Int(Limits.Flight.bytes.lowerBound) * 3 / 2

        private func picture(_ trial: Int) throws -> [UInt8] {
            try TestPictures.padded(.png, to: Self.large + trial, seed: UInt8(trial))
        }

        /// Begins something, kills the victim once `bytes` of it have gone that way and some microseconds later, and starts it again.
        private func kill(
            _ victim: Victim, after bytes: Int, _ direction: Wire.Direction, delay: Int, on stage: Stage,
            begin: () throws -> Void, whenDead: () -> Void
        ) async throws {
            let program = try victim == .agent ? stage.agent.program : stage.server.program
            stage.wire.strike(after: bytes, direction) {
                // Not a wait: the random part of the moment, so that the writing and committing behind the byte are hit as well.
                DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(delay)) { program.signal(SIGKILL) }
            }
            try begin()
            let ending = try await program.ended.wait("the \(victim) to be killed")
            #expect(ending.wasSignalled && ending.status == SIGKILL)
            whenDead()
            switch victim {
            case .agent: try await stage.startAgent()
            case .server: try await stage.server.start()
            }
        }

        @Test("downloads go on where they stopped", arguments: Victim.allCases)
        func downloads(victim: Victim) async throws {
            var dice = Dice()
            print("downloads, \(victim) killed: AVATARD_TEST_SEED=\(dice.seed)")
            try await Stage.run { stage in
                let finals = try FinalNames(stage.agent.cache)
                for trial in 0...Self.trials {
                    let bytes = try picture(trial)
                    try stage.server.place(bytes, "down-\(trial).png", for: stage.ada)
                    finals.expect(sha256(bytes), at: "down-\(trial).png")
                }
                try await stage.startAgent()
                try await stage.agent.fetch(["down-0.png"])
                let whole = stage.wire.passed(.down)
                for trial in 1...Self.trials {
                    let name = "down-\(trial).png"
                    let before = stage.wire.passed(.down)
                    let point = Int.random(in: 1...whole, using: &dice)
                    let delay = Int.random(in: 0...4000, using: &dice)
                    let fetching = Occasion<Task<Void, any Error>>()
                    try await kill(victim, after: point, .down, delay: delay, on: stage) {
                        fetching.happen(Task { try await stage.agent.fetch([name]) })
                    } whenDead: {
                        finals.check()
                    }
                    // The fetch of an agent that was killed is over with it; the other one goes on by itself.
                    if victim == .agent {
                        _ = await fetching.value?.result
                        try await stage.agent.fetch([name])
                    } else {
                        try await fetching.value?.value
                    }
                    finals.check()
                    #expect(
                        sha256(ofFile: stage.agent.cached(name)) == sha256(try picture(trial)),
                        "trial \(trial), byte \(point) of \(whole), seed \(dice.seed)")
                    // What was written is not fetched again: at most a window of chunks that were on their way, and replies that
                    // the kernel held.
                    let cost = stage.wire.passed(.down) - before
                    #expect(cost < whole + Self.window, "trial \(trial): \(cost) bytes for a picture of \(whole)")
                }
                #expect(finals.lookCount > Self.trials)
            }
        }

        @Test("uploads go on where they stopped, and end as the icon", arguments: Victim.allCases)
        func uploads(victim: Victim) async throws {
            var dice = Dice()
            print("uploads, \(victim) killed: AVATARD_TEST_SEED=\(dice.seed)")
            try await Stage.run { stage in
                let folder = "\(stage.server.root)/\(stage.ada.uid)"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let finals = [try FinalNames(stage.agent.cache), try FinalNames(folder)]
                let names = (-1...Self.trials).map { "up-\($0).png" }
                for (index, name) in names.enumerated() {
                    for final in finals { final.expect(sha256(try picture(index)), at: name) }
                }
                try await stage.startAgent()
                // The first crop on a connection goes in more chunks than those behind it, and so takes more bytes.
                try write(try picture(0), to: stage.agent.crop(names[0]))
                try await stage.agent.change(.ready, of: names[0])
                let first = stage.wire.passed(.up)
                try write(try picture(1), to: stage.agent.crop(names[1]))
                try await stage.agent.change(.ready, of: names[1])
                let whole = stage.wire.passed(.up) - first
                for trial in 2...Self.trials + 1 {
                    let point = Int.random(in: 1...whole, using: &dice)
                    let delay = Int.random(in: 0...4000, using: &dice)
                    let before = stage.wire.passed(.up)
                    try await kill(victim, after: point, .up, delay: delay, on: stage) {
                        try write(try picture(trial), to: stage.agent.crop(names[trial]))
                    } whenDead: {
                        for final in finals { final.check() }
                    }
                    try await stage.agent.change(.ready, of: names[trial])
                    for final in finals { final.check() }
                    for path in [stage.server.path(stage.ada, names[trial]), stage.agent.cached(names[trial])] {
                        #expect(
                            sha256(ofFile: path) == sha256(try picture(trial)),
                            "trial \(trial), byte \(point) of \(whole), seed \(dice.seed)")
                    }
                    #expect(try await stage.server.icons()[1001] == names[trial])
                    let cost = stage.wire.passed(.up) - before
                    #expect(cost < first + Self.window, "trial \(trial): \(cost) bytes for a crop of \(first)")
                }
                #expect(try visibleNames(in: folder) == names.sorted())
                // A server that dies between a part and its row leaves the part, which is cleared away after an upload's life.
                let parts = try FileManager.default.contentsOfDirectory(atPath: stage.server.root + "/.parts")
                #expect(parts.count <= (victim == .server ? 2 : 0), "\(parts)")
                // Each of them once, in the order in which they were closed.
                #expect(try await stage.agent.changes(.uploaded) == names.map { "uploaded \($0)" })
            }
        }
    }
}

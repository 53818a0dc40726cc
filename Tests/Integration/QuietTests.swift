import BusTestSupport
import Foundation
import Glibc
import TestPictures
import Testing

extension RealPrograms {
    /// Programs that run all day are not to wake the processor for nothing.
    @Suite("Quiet")
    struct Quiet {
        @Test("an idle server does not wake in ten seconds, with nobody there and with an agent connected")
        func server() async throws {
            try await Stage.run { stage in
                let facts = ProcessFacts(id: try stage.server.program.pid)
                try await expectQuiet(facts)
                try stage.server.place(try TestPictures.picture("ada.png"), "ada.png", for: stage.ada)
                let agent = try await stage.startAgent()
                try await stage.agent.fetch(["ada.png"])
                try await expectQuiet(facts)
                try await expectQuiet(ProcessFacts(id: agent.pid))
            }
        }

        /// libdispatch gives the thread that serves its sources a nice value of -4, and writes into the journal where it may not.
        @Test(
            "no thread asks for more of the processor than its program has",
            .enabled(if: geteuid() == 0, "needs root"))
        func priorities() async throws {
            try await Stage.run { stage in
                let agent = try await stage.startAgent()
                for id in [agent.pid, try stage.server.program.pid] {
                    let values = try niceValues(ofThreadsOf: id)
                    #expect(values.count > 1)
                    #expect(values.filter { $0 < getpriority(Int32(PRIO_PROCESS.rawValue), 0) } == [])
                }
            }
        }

        /// Field 19 of each thread's stat (proc(5)); the second field may hold blanks, what follows its closing bracket does not.
        private func niceValues(ofThreadsOf id: pid_t) throws -> [Int32] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task").compactMap { task in
                let stat = contents("/proc/\(id)/task/\(task)/stat").map { String(decoding: $0, as: UTF8.self) }
                let fields = stat?.split(separator: ")").last?.split(separator: " ") ?? []
                return fields.count > 16 ? Int32(fields[16]) : nil
            }
        }

        /// Threads that did some work go after a while; then ten seconds in a row have to be silent.
        private func expectQuiet(_ facts: ProcessFacts) async throws {
            var wakeUps: [Int] = []
            for _ in 0..<4 where wakeUps.last != 0 {
                let before = facts.voluntarySwitches()
                // A measurement over a while, not a wait for something.
                try await Task.sleep(for: .seconds(10))
                wakeUps.append(facts.voluntarySwitches() - before)
            }
            #expect(wakeUps.last == 0, "wake-ups in each ten seconds: \(wakeUps)")
        }
    }
}

internal import Foundation

/// What /proc says of a process (proc(5)).
package struct ProcessFacts: Sendable {
    private let id: Int32

    package init(id: Int32) { self.id = id }

    /// CPU seconds, user and system, of all threads.
    package func cpuSeconds() -> Double {
        // The second field may hold blanks; what follows its closing bracket does not.
        let fields = read("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Bytes of memory that are resident.
    package func residentBytes() -> Int { (field("VmRSS", in: read("status")) ?? 0) * 1024 }

    /// How often its threads were put to sleep by themselves: one for each wake-up.
    package func voluntarySwitches() -> Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/task")) ?? []
        return tasks.compactMap { field("voluntary_ctxt_switches", in: read("task/\($0)/status")) }.reduce(0, +)
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

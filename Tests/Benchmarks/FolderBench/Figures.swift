import Foundation

/// A folder for one benchmark, on the disk that `AVATARD_BENCH_DIR` names (default: the system's temporary folder).
final class BenchFolder {
    let path: String

    init() throws {
        let base = ProcessInfo.processInfo.environment["AVATARD_BENCH_DIR"] ?? NSTemporaryDirectory()
        path = (base.hasSuffix("/") ? base : base + "/") + "avatard-bench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension Array where Element == Duration {
    /// The middle one, or the mean of the two in the middle.
    var median: Duration {
        let sorted = sorted()
        guard !sorted.isEmpty else { return .zero }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}

extension Duration {
    var milliseconds: Double { Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15 }
    var text: String { String(format: "%.1f ms", milliseconds) }
}

/// Kilobytes of memory that this process has now (proc(5), `status`: VmRSS) or had at most (VmHWM).
func residentKilobytes(_ field: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(field) } ?? ""
    return Int(line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first ?? "0") ?? 0
}

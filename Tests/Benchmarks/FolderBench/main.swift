import Foundation

let benchmarks = Set(CommandLine.arguments.dropFirst())
do {
    if benchmarks.isEmpty || benchmarks.contains("commit") { try CommitBench.run() }
    if benchmarks.isEmpty || benchmarks.contains("reconcile") { try ReconcileBench.run() }
    if benchmarks.isEmpty || benchmarks.contains("settle") { try SettleBench.run() }
} catch {
    FileHandle.standardError.write(Data("folder-bench: \(error)\n".utf8))
    exit(1)
}

import AvatarCore
import Digests
import Foundation
import NIOCore
import WireProtocol

// Compares avatar-server's classic dialect with nginx and curl, and with rsync's daemon, in one run on one machine:
// 200 files of 20 KiB and one of 2 MiB, up and down, one client that waits for every reply. Medians of five rounds.
//
//   ServerBench [--server PATH] [--rounds N] [--sync none|full]

let arguments = CommandLine.arguments
func option(_ name: String, _ fallback: String) -> String {
    guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return fallback }
    return arguments[index + 1]
}

let own = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
let bench = try Bench(
    server: option("--server", own.appendingPathComponent("avatar-server").path),
    rounds: max(1, Int(option("--rounds", "5")) ?? 5), sync: option("--sync", "none"))
try bench.run()

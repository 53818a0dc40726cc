import AvatarCache
import AvatarCore
import Foundation
import TestPictures

/// A cache of 100,000 files compared with its catalog, the page cache warm, a handful of differences among them.
enum ReconcileBench {
    static let files = 100_000
    static let rounds = 5

    static func run() throws {
        let root = try BenchFolder()
        let boot = try BootID.current()
        let catalog = try Catalog(stateDirectory: root.path + "/state", sync: .none, bootID: boot, newEpoch: "bench")
        let cache = try CacheFolder(path: root.path + "/avatars", catalog: catalog, bootID: boot)
        let picture = Data(try TestPictures.tiny(.webp))
        for index in 0..<files {
            try picture.write(to: URL(fileURLWithPath: root.path + "/avatars/avatar-of-user-\(index).webp"))
        }
        let baseline = try cache.adoptBaseline(shared: true, at: UnixTime(milliseconds: 0))
        try FileManager.default.removeItem(atPath: root.path + "/avatars/avatar-of-user-7.webp")
        try picture.write(to: URL(fileURLWithPath: root.path + "/avatars/new.webp"))
        let before = residentKilobytes("VmRSS")
        try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        var times: [Duration] = []
        var differences = 0
        for _ in 0..<rounds {
            differences = 0
            times.append(
                try ContinuousClock().measure { _ = try cache.compare { differences += $0.count } })
        }
        let extra = residentKilobytes("VmHWM") - before
        print(
            "reconcile of \(baseline.adopted) files, warm, \(differences) differences, storage.sync none (nothing is written)"
        )
        print("  median of \(rounds): \(times.median.text), wanted under 2000 ms")
        print("  extra memory at most: \(extra / 1024) MiB, wanted under 40 MB")
    }
}

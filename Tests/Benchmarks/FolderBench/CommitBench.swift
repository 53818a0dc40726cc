import AvatarCache
import AvatarCore
import TestPictures

/// 1,000 files of 20 KiB, from parts that are whole to the final rows, durably and without waiting for the disk; the two settings
/// take turns, so that a disk that is busy meanwhile is busy for both.
enum CommitBench {
    static let files = 1000
    static let bytes = 20 * 1024
    static let rounds = 7

    static func run() throws {
        var times: [SyncLevel: [Duration]] = [.full: [], .none: []]
        for _ in 0..<rounds {
            for level in [SyncLevel.none, .full] {
                times[level, default: []].append(try once(level))
            }
        }
        let full = (times[.full] ?? []).median
        let none = (times[.none] ?? []).median
        print("commit of \(files) files of \(bytes) bytes, medians of \(rounds) rounds that took turns")
        print("  storage.sync full: \(full.text)   (all: \((times[.full] ?? []).map(\.text).joined(separator: ", ")))")
        print("  storage.sync none: \(none.text)   (all: \((times[.none] ?? []).map(\.text).joined(separator: ", ")))")
        print("  full / none: \((full.milliseconds / none.milliseconds * 100).rounded() / 100), wanted at most 3")
    }

    private static func once(_ level: SyncLevel) throws -> Duration {
        let root = try BenchFolder()
        let boot = try BootID.current()
        let catalog = try Catalog(stateDirectory: root.path + "/state", sync: level, bootID: boot, newEpoch: "bench")
        let cache = try CacheFolder(path: root.path + "/avatars", catalog: catalog, bootID: boot)
        let names = try (0..<files).map { try AvatarName("avatar-\($0).png") }
        let pictures = try (0..<16).map { try TestPictures.padded(.png, to: bytes, seed: UInt8($0)) }
        return try ContinuousClock().measure {
            for start in stride(from: 0, to: files, by: 100) {
                try fetch(cache, Array(names[start..<start + 100]), pictures)
            }
            try commit(cache, names)
        }
    }

    private static func fetch(_ cache: CacheFolder, _ names: [AvatarName], _ pictures: [[UInt8]]) throws {
        for name in names {
            try cache.beginPart(
                PartStart(name: name, totalSize: Int64(bytes), chunkSize: 2048, serverKey: "bench"), now: .zero)
        }
        let appends = names.enumerated().map { PartAppend(name: $1, offset: 0, bytes: pictures[$0 % pictures.count]) }
        _ = try cache.appendParts(appends)
    }

    private static func commit(_ cache: CacheFolder, _ names: [AvatarName]) throws {
        let now = UnixTime(milliseconds: 0)
        let verified = try cache.verify(names)
        _ = try cache.syncParts(names)
        try cache.writeIntents(
            zip(names, verified).map { name, result in
                CommitCandidate(
                    name: name, owner: nil, origin: .downloaded, part: try result.get(),
                    lastWanted: now)
            })
        guard try cache.renameIntoPlace(names).allSatisfy({ $0 == .placed }) else {
            throw CacheError(.io, "renaming in the benchmark")
        }
        try cache.syncCacheFolder(placed: names)
        guard try cache.recordFinal(names, at: now).count == names.count else {
            throw CacheError(.io, "recording in the benchmark")
        }
    }
}

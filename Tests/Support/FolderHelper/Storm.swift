import AvatarCache
import AvatarCore
import Foundation
import TestPictures

/// Commits batches of pictures under a few names, so that most commits replace an earlier version, until the process is killed.
struct Storm {
    private static let names = 24
    private let cache: CacheFolder
    private var version: Int

    init(root: String, round: Int) throws {
        let boot = try BootID.current()
        let catalog = try Catalog(stateDirectory: root + "/state", sync: .full, bootID: boot, newEpoch: "storm")
        cache = try CacheFolder(path: root + "/avatars", catalog: catalog, bootID: boot)
        version = round * 1000
        _ = try cache.recoverIntents(at: UnixTime(milliseconds: 0))
        tell()
    }

    mutating func rage() throws {
        while true {
            version += 1
            let first = version % Self.names
            let names = try (first..<first + 6).map { try AvatarName("p\($0 % Self.names).png") }
            for (index, name) in names.enumerated() {
                try fetch(name, seed: UInt8(truncatingIfNeeded: version + index))
            }
            try commit(names)
        }
    }

    private func fetch(_ name: AvatarName, seed: UInt8) throws {
        let bytes = try TestPictures.padded(.png, to: 4000 + version % 500, seed: seed)
        try cache.beginPart(
            PartStart(name: name, totalSize: Int64(bytes.count), chunkSize: 2048, serverKey: "storm"), now: .zero)
        for start in stride(from: 0, to: bytes.count, by: 2048) {
            let chunk = Array(bytes[start..<min(start + 2048, bytes.count)])
            _ = try cache.appendParts([PartAppend(name: name, offset: Int64(start), bytes: chunk)])
        }
        tell()
    }

    private func commit(_ names: [AvatarName]) throws {
        let now = UnixTime(milliseconds: Int64(version))
        let verified = try cache.verify(names)
        _ = try cache.syncParts(names)
        tell()
        try cache.writeIntents(
            zip(names, verified).map { name, result in
                CommitCandidate(
                    name: name, owner: nil, origin: .downloaded, part: try result.get(),
                    lastWanted: now)
            })
        tell()
        let outcomes = try cache.renameIntoPlace(names)
        guard outcomes.allSatisfy({ $0 == .placed }) else { throw CacheError(.io, "renaming: \(outcomes)") }
        tell()
        try cache.syncCacheFolder(placed: names)
        tell()
        _ = try cache.recordFinal(names, at: now)
        tell()
    }

    /// One step is done.
    private func tell() { FileHandle.standardOutput.write(Data([UInt8(ascii: ".")])) }
}

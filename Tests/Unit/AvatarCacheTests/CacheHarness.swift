import AvatarCore
import Foundation
import PosixFiles
import TestPictures

@testable import AvatarCache

/// A folder that goes when the test does.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "avatard-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

    func names(in subfolder: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path + "/" + subfolder).sorted()
    }
}

/// A cache with its catalog and an upload folder in temporary folders, and an hour hand of its own.
final class CacheHarness {
    let root: TemporaryFolder
    var cache: CacheFolder
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    let wall = UnixTime(milliseconds: 1_700_000_000_000)

    var catalog: Catalog { cache.catalog }
    var cachePath: String { root.path + "/avatars" }
    var statePath: String { root.path + "/state" }
    var uploadPath: String { root.path + "/crops" }

    init(sync: SyncLevel = .full, boot: String = "boot-1", epoch: String = "epoch-1") throws {
        root = try TemporaryFolder()
        cache = try Self.open(root.path, sync: sync, boot: boot, epoch: epoch)
    }

    /// Opens everything again, as after a crash (or, with another boot, after a power cut).
    func reopen(boot: String = "boot-1", epoch: String = "epoch-2", sync: SyncLevel = .full) throws {
        cache = try Self.open(root.path, sync: sync, boot: boot, epoch: epoch)
    }

    /// A crop in the upload folder, recorded for `account`.
    @discardableResult
    func crop(_ name: AvatarName, account: String?) throws -> CropFacts {
        let upload = try upload()
        try root.write("crops/" + name.string, try TestPictures.tiny(.png))
        guard case .settled(let facts) = examined(name, in: upload) else { throw CacheError(.changed, "\(name)") }
        try catalog.recordCrop(facts, account: account)
        return facts
    }

    private static func open(_ root: String, sync: SyncLevel, boot: String, epoch: String) throws -> CacheFolder {
        let catalog = try Catalog(stateDirectory: root + "/state", sync: sync, bootID: boot, newEpoch: epoch)
        return try CacheFolder(path: root + "/avatars", catalog: catalog, bootID: boot)
    }

    func upload(bytesMax: Int64 = 8 << 20) throws -> UploadFolder {
        try UploadFolder(path: uploadPath, bytesMax: bytesMax)
    }

    /// Fetches `bytes` as `name` in one piece.
    func part(_ name: AvatarName, _ bytes: [UInt8], owner: Int64? = nil, sha256: SHA256Digest? = nil) throws {
        try cache.beginPart(
            PartStart(
                name: name, owner: owner.flatMap { UserID($0) }, totalSize: Int64(bytes.count), chunkSize: 2048,
                serverKey: "s", sha256: sha256), now: now)
        _ = try cache.appendParts([PartAppend(name: name, offset: 0, bytes: bytes)])
    }

    /// Verifies parts and writes their intents: everything before the rename.
    func intend(
        _ names: [AvatarName], origin: Origin = .downloaded, wanted: UnixTime? = nil, owner: UserID? = nil
    ) throws {
        let verified = try cache.verify(names)
        _ = try cache.syncParts(names)
        try cache.writeIntents(
            zip(names, verified).map { name, result in
                CommitCandidate(
                    name: name, owner: owner, origin: origin, part: try result.get(),
                    lastWanted: wanted ?? wall)
            })
    }

    /// The whole commit, in the order of promise 1.
    @discardableResult
    func commit(
        _ names: [AvatarName], origin: Origin = .downloaded, wanted: UnixTime? = nil, owner: UserID? = nil
    ) throws -> [Committed] {
        try intend(names, origin: origin, wanted: wanted, owner: owner)
        let outcomes = try cache.renameIntoPlace(names)
        try cache.syncCacheFolder(placed: names)
        let placed = zip(names, outcomes).filter { $0.1 == .placed }.map(\.0)
        return try cache.recordFinal(placed, at: wall)
    }

    /// A committed picture.
    @discardableResult
    func fetched(
        _ name: AvatarName, size: Int = 2048, seed: UInt8 = 0, wanted: UnixTime? = nil, owner: UserID? = nil
    ) throws -> AvatarRow {
        try part(name, try TestPictures.padded(.png, to: size, seed: seed))
        guard let committed = try commit([name], wanted: wanted, owner: owner).first else {
            throw CacheError(.notFound, "commit")
        }
        return committed.avatar
    }
}

/// What `upload` finds at `name` once nobody has it open. A process that another test starts holds every open descriptor until it
/// runs its own program, so a file that was closed here may be busy for a moment. An agent hears the last close; here it is waited
/// for.
func examined(_ name: AvatarName, in upload: UploadFolder) -> CropFinding {
    let deadline = ContinuousClock.now + .seconds(5)
    while upload.examine(name) == .busy, ContinuousClock.now < deadline { sched_yield() }
    return upload.examine(name)
}

/// The digest of a text, where any digest will do.
func sha256(_ text: String) throws -> SHA256Digest { try unsafe SHA256Digest(of: Array(text.utf8).span.bytes) }

func named(_ name: String) throws -> AvatarName { try AvatarName(name) }

extension UnixTime {
    static func at(_ seconds: Int64) -> UnixTime { UnixTime(milliseconds: seconds * 1000) }
}

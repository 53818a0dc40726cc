import AvatarCore
import Digests
import EmbeddedStores
import Foundation
import Logging
import NIOCore
import ServerFiles
import ServerRuntime
import WireProtocol

/// A server of this process on a free loopback port, over stores in a temporary folder that goes with it.
struct TestServer {
    let folder: URL
    let port: Int
    let users: EmbeddedUsers
    private let server: AvatarServer<FolderFileStore>

    /// Two users, 1019 with the token "token-1019" and 1020 with "token-1020", unless `body` adds more.
    static func with(
        _ settings: ServerSettings = ServerSettings(), _ body: (TestServer) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-server-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let test = try await TestServer(folder: folder, settings)
        do {
            try await body(test)
        } catch {
            await test.server.stop()
            throw error
        }
        await test.server.stop()
    }

    private init(folder: URL, _ given: ServerSettings) async throws {
        self.folder = folder
        var settings = given
        settings.listenPort = 0
        settings.storageRoot = folder.appendingPathComponent("files").path
        settings.storageSync = .none
        let database = try EmbeddedDatabase(path: folder.appendingPathComponent("db.sqlite").path, isDurable: false)
        users = EmbeddedUsers(database)
        for uid in [Int64(1019), 1020] {
            guard let user = UserID(uid) else { continue }
            _ = try users.add(user, name: "user \(uid)", token: "token-\(uid)")
        }
        let stores = Stores(
            users: users,
            progress: EmbeddedProgress(database, secondsSince1970: { Int64(Date().timeIntervalSince1970) }),
            files: try FolderFileStore(root: settings.storageRoot, isDurable: false))
        server = AvatarServer(
            settings, stores: stores, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        port = try await server.start().port ?? 0
    }

    /// Stops before the body ends, to see how that goes.
    func stop() async { await server.stop() }

    func file(_ uid: Int64, _ name: String) -> URL {
        folder.appendingPathComponent("files/\(uid)/\(name)")
    }

    /// Puts a complete file in its place, as if it had been uploaded long ago.
    func place(_ bytes: [UInt8], _ uid: Int64, _ name: String) throws {
        let file = file(uid, name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    func bytes(_ uid: Int64, _ name: String) -> [UInt8]? {
        (try? Data(contentsOf: file(uid, name))).map(Array.init)
    }
}

/// Bytes that differ from chunk to chunk.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 251) }
}

func md5(_ bytes: [UInt8]) throws -> String { try MD5Digest(of: bytes.span.bytes).hex }

/// All chunks of a file as a client that does it right cuts them.
func chunks(
    of bytes: [UInt8], name: String, uid: Int64 = 1019, token: String? = nil, size: Int = 2048
) throws -> [UploadChunk] {
    let digest = try md5(bytes)
    let count = max(1, (bytes.count + size - 1) / size)
    return (1...count).map { seq in
        let end = min(seq * size, bytes.count)
        return UploadChunk(
            md5: digest, name: name, seq: Int64(seq), totalSize: Int64(bytes.count), transSize: Int64(end),
            last: seq == count, lastSeq: Int64(count), data: Array(bytes[((seq - 1) * size)..<end]), uid: uid,
            token: seq == 1 ? token ?? "token-\(uid)" : nil)
    }
}

extension ServerSettings {
    /// The defaults, but for what a test is about.
    init(openUpload: Bool = false, uploadBytesMax: Int64 = 8_388_608, quotaBytesPerUser: Int64? = nil) {
        self.init()
        classicOpenUpload = openUpload
        self.uploadBytesMax = uploadBytesMax
        self.quotaBytesPerUser = quotaBytesPerUser
    }
}

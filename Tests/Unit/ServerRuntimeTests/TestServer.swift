import AvatarCore
import Foundation
import Logging
import NIOCore
import PosixFiles
import ServerRuntime
import ServerStores
import TransferMachines
import WireProtocol

/// A server of this process on a free loopback port, over stores that go with it.
struct TestServer {
    let backend: TestBackend
    let port: Int
    private let server: AvatarServer
    private let stores: Stores

    var folder: URL { backend.folder }

    /// Two users, 1019 with the token "token-1019" and 1020 with "token-1020".
    static func with(
        _ kind: StoreKind = .embedded, _ settings: ServerSettings = ServerSettings(),
        timeouts: ServerSession.Timeouts = .init(), _ body: (TestServer) async throws -> Void
    ) async throws {
        try await TestBackend.with(kind) { backend async throws in
            try await TestServer.with(backend, settings, timeouts: timeouts, body)
        }
    }

    /// A server over stores that are there already, beside others perhaps.
    static func with(
        _ backend: TestBackend, _ settings: ServerSettings = ServerSettings(),
        timeouts: ServerSession.Timeouts = .init(), _ body: (TestServer) async throws -> Void
    ) async throws {
        let test = try await TestServer(backend, settings, timeouts: timeouts)
        do {
            try await body(test)
        } catch {
            await test.server.stop()
            throw error
        }
        await test.server.stop()
    }

    init(
        _ backend: TestBackend, _ given: ServerSettings = ServerSettings(), timeouts: ServerSession.Timeouts = .init()
    ) async throws {
        self.backend = backend
        var settings = given
        settings.listenPort = 0
        settings.storageRoot = backend.root
        settings.storageSync = .none
        stores = try backend.stores()
        server = AvatarServer(
            settings, stores: stores,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), timeouts: timeouts)
        port = try await server.start().port ?? 0
    }

    /// Stops before the body ends, to see how that goes.
    func stop() async { await server.stop() }

    /// What another front needs.
    var avatars: AvatarService { server.avatars }

    var metrics: ServerMetrics { server.metrics }

    /// The port of the pages for monitors; nil where the settings name none.
    var metricsPort: Int? { server.metricsPort }

    /// Which services are thought to be up.
    var storesUp: [String: Bool] { Dictionary(uniqueKeysWithValues: stores.health().map { ($0.service, $0.isUp) }) }

    /// What Prometheus would read under that name.
    func metric(_ name: String) -> Int? {
        metrics.prometheusText().split(separator: "\n").first { $0.hasPrefix("avatar_server_\(name) ") }
            .flatMap { $0.split(separator: " ").last }.flatMap { Int($0) }
    }

    func icon(of uid: Int64) throws -> String? {
        try UserID(uid).flatMap { try backend.users.icon(of: $0) }
    }

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

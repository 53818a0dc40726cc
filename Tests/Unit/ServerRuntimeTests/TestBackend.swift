import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import ServerStores
import Synchronization

/// Which stores a test runs against: every test of the server's behaviour runs against both.
enum StoreKind: String, CaseIterable, CustomStringConvertible, Sendable {
    case embedded
    case cluster

    var description: String { rawValue }
}

/// The stores of one test: a temporary folder, and for the cluster a Redis of its own and a schema of its own.
final class TestBackend: Sendable {
    let kind: StoreKind
    let folder: URL
    /// Seconds added to the clock that the stores read.
    let secondsAhead = Mutex<Int64>(0)
    let redis: RedisDaemon?
    let schema: String

    var root: String { folder.appendingPathComponent("files").path }

    static func with(_ kind: StoreKind, _ body: (TestBackend) async throws -> Void) async throws {
        let backend = try TestBackend(kind)
        defer { backend.end() }
        for uid in [Int64(1019), 1020] { try backend.addUser(uid) }
        try await body(backend)
    }

    private init(_ kind: StoreKind) throws {
        self.kind = kind
        // Short, since a Unix socket's path has 107 bytes.
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("av-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        schema = "av_\(UUID().uuidString.prefix(8).lowercased())"
        redis = kind == .cluster ? try RedisDaemon(folder: folder) : nil
        if kind == .cluster {
            try MariaDBDaemon.shared.get().makeSchema(schema)
            try connectMySQL()
        }
    }

    /// The way to MariaDB, which all tests share: a test can cut its own.
    private var mysqlSocket: String { folder.appendingPathComponent("mysql").path }

    func connectMySQL() throws {
        try FileManager.default.createSymbolicLink(
            atPath: mysqlSocket, withDestinationPath: try MariaDBDaemon.shared.get().socket)
    }

    /// No connection to this test's schema comes about any more, and those that are there end.
    func cutMySQL() throws {
        try FileManager.default.removeItem(atPath: mysqlSocket)
        let daemon = try MariaDBDaemon.shared.get()
        let open = try daemon.run("SELECT id FROM information_schema.processlist WHERE db = '\(schema)'", schema: nil)
        for id in open.split(separator: "\n").dropFirst() { try daemon.run("KILL \(id)", schema: nil) }
    }

    private func end() {
        redis?.stop()
        if kind == .cluster { _ = try? MariaDBDaemon.shared.get().run("DROP DATABASE \(schema)", schema: nil) }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Fresh stores over the same data, as another instance or another run has them.
    func stores() throws -> Stores {
        let files = try FolderFileStore(root: root, sync: .none)
        switch kind {
        case .embedded:
            let database = try database()
            return Stores(
                users: EmbeddedUsers(database), avatars: EmbeddedAvatars(database),
                progress: try EmbeddedProgress(database, secondsSince1970: { [self] in now }), files: files,
                probe: StoreProbe.embedded(database, root: root))
        case .cluster:
            let cluster = try cluster()
            return Stores(
                users: ClusterUsers(cluster), avatars: ClusterAvatars(cluster),
                progress: ClusterProgress(cluster, root: root, secondsSince1970: { [self] in now }), files: files,
                health: { cluster.state }, probe: StoreProbe.cluster(cluster, root: root))
        }
    }

    var users: any UserStore {
        get throws { try stores().users }
    }

    /// Avatars whose log keeps only so many changes.
    func avatars(changesKept: Int) throws -> any AvatarStore {
        switch kind {
        case .embedded: EmbeddedAvatars(try database(), changesKept: changesKept)
        case .cluster: ClusterAvatars(try cluster(), changesKept: changesKept)
        }
    }

    /// What an operator uses beside the servers.
    func administration() throws -> any UserAdministration {
        switch kind {
        case .embedded: EmbeddedAdministration(try database())
        case .cluster: ClusterAdministration(try cluster(), root: root, secondsSince1970: { [self] in now })
        }
    }

    func cluster() throws -> Cluster {
        var redisSettings = ServerSettings.Redis()
        redisSettings.socket = redis?.socket
        var mysqlSettings = ServerSettings.MySQL()
        mysqlSettings.socket = mysqlSocket
        mysqlSettings.user = "root"
        mysqlSettings.schema = schema
        return Cluster(redis: redisSettings, mysql: mysqlSettings)
    }

    /// What the real program needs to stand on the same stores.
    var flags: [String] {
        guard let redis else { return [] }
        return [
            "--stores-kind", "cluster", "--redis-socket", redis.socket, "--mysql-socket", mysqlSocket, "--mysql-user",
            "root", "--mysql-schema", schema,
        ]
    }

    /// A user as the chat system would have left them, with the token "token-<uid>" unless another is given.
    func addUser(_ uid: Int64, token: String? = nil) throws {
        let token = token ?? "token-\(uid)"
        switch kind {
        case .embedded:
            guard let user = UserID(uid) else { return }
            _ = try EmbeddedUsers(database()).add(user, name: "user \(uid)", token: token)
        case .cluster:
            try MariaDBDaemon.shared.get().run(
                """
                INSERT INTO user (uid, name, email, pwd, nick, `desc`, sex, icon) VALUES
                    (\(uid), 'user \(uid)', '\(uid)@example.org', 'pw', 'nick "\(uid)"', 'desc', 1, ':/res/head_1.jpg')
                """, schema: schema)
            _ = try redis?.command(["SET", "utoken_\(uid)", token])
        }
    }

    /// Gives a user another token, as a login in the chat system does.
    func replaceToken(of uid: Int64, with token: String) throws {
        switch kind {
        case .embedded:
            if let user = UserID(uid) { _ = try EmbeddedUsers(database()).setToken(token, of: user) }
        case .cluster: _ = try redis?.command(["SET", "utoken_\(uid)", token])
        }
    }

    private var now: Int64 { Int64(Date().timeIntervalSince1970) + secondsAhead.withLock { $0 } }

    private func database() throws -> EmbeddedDatabase {
        try EmbeddedDatabase(path: folder.appendingPathComponent("db.sqlite").path, isDurable: false)
    }
}

import AvatarCore
import Foundation
import ServerRuntime
import ServerStores
import Testing

/// What the stores' libraries refuse reaches an administrator in words: what happened, where, and what to do.
@Suite struct FaultWordsTests {
    /// What no library may say to a person.
    private static let dumps = ["Error Domain", "SQLite error", "SocketAddressError", "IOError", "errno", "(error "]

    private func faults(of settings: [String], in folder: URL) throws -> String {
        let result = try ServerProcess.run(["check", "--storage-root", folder.path] + settings)
        for dump in Self.dumps { #expect(!result.output.contains(dump), "\(result.output)") }
        return result.output
    }

    @Test(arguments: [
        (
            "no database at all, this is plain text, long enough for a header: \(String(repeating: "x", count: 4096))",
            "the file is damaged, or is no SQLite database"
        ),
        ("", "no such table"),
    ])
    func aDatabaseThatIsNone(_ contents: String, _ words: String) async throws {
        try await withFolder { folder async throws in
            let file = folder.appendingPathComponent("db.sqlite")
            try Data(contents.utf8).write(to: file)
            let output = try faults(of: ["--stores-sqlite-file", file.path], in: folder)
            #expect(output.contains("FAIL  database \(file.path): it cannot be read: \(words)"), "\(output)")
            guard !contents.isEmpty else { return }
            let list = try ServerProcess.run(["user", "list", "--stores-sqlite-file", file.path])
            #expect(
                list.errors == "avatar-server: the database \(file.path) cannot be opened: \(words); "
                    + "move it away, or put a copy of it back\n", "\(list.errors)")
        }
    }

    @Test func aDatabaseWhereNoFolderCanBe() async throws {
        try await withFolder { folder async throws in
            try Data().write(to: folder.appendingPathComponent("file"))
            let path = folder.path + "/file/below/db.sqlite"
            let result = try ServerProcess.run(["user", "add", "7", "--stores-sqlite-file", path])
            #expect(
                result.errors.hasPrefix("avatar-server: the database \(path) cannot be opened: "), "\(result.errors)")
            #expect(result.errors.contains("Not a directory"), "\(result.errors)")
        }
    }

    @Test func aClusterThatIsNotThere() async throws {
        try await withFolder { folder async throws in
            let output = try faults(
                of: [
                    "--stores-kind", "cluster", "--redis-host", "127.0.0.1:1", "--mysql-host", "127.0.0.1:1",
                ], in: folder)
            #expect(output.contains("FAIL  Redis: Redis at 127.0.0.1:1: Connection refused"), "\(output)")
            #expect(output.contains("MariaDB at 127.0.0.1:1: nobody answers there: see whether it runs"), "\(output)")
        }
    }

    @Test func aPasswordThatRedisRefuses() async throws {
        try await withFolder { folder async throws in
            let redis = try RedisDaemon(folder: folder)
            defer { redis.stop() }
            try redis.command(["CONFIG", "SET", "requirepass", "right"])
            let place = ["--stores-kind", "cluster", "--redis-socket", redis.socket, "--mysql-socket", "/none"]
            let none = try faults(of: place, in: folder)
            #expect(none.contains("Redis at \(redis.socket): it wants a password: see redis.password"), "\(none)")
            let wrong = try faults(of: place + ["--redis-password", "wrong"], in: folder)
            #expect(wrong.contains("Redis at \(redis.socket): it refuses the password: see redis.password"), "\(wrong)")
        }
    }

    @Test func aLoginThatMariaDBRefuses() async throws {
        let daemon = try MariaDBDaemon(withAccounts: true)
        defer { daemon.stop() }
        try daemon.run("CREATE USER chat@localhost IDENTIFIED BY 'right'", schema: nil)
        try await withFolder { folder async throws in
            func check(_ password: String, _ schema: String) throws -> String {
                try faults(
                    of: [
                        "--stores-kind", "cluster", "--redis-socket", "/none", "--mysql-socket", daemon.socket,
                        "--mysql-user", "chat", "--mysql-password", password, "--mysql-schema", schema,
                    ], in: folder)
            }
            let wrong = try check("wrong", "chat")
            #expect(
                wrong.contains(
                    "MariaDB at \(daemon.socket): the user chat or the password is refused: see mysql.user"), "\(wrong)"
            )
            #expect(try check("right", "none").contains("the user chat may not use the schema none: see mysql.schema"))
        }
    }

    @Test func anAddressThatNobodyCanListenAt() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            let foreign = try ServerProcess.run(["serve", "--listen-host", "192.0.2.1:1"] + storage)
            #expect(foreign.code == 69)
            #expect(
                foreign.errors.contains("avatar-server: cannot listen on 192.0.2.1:1: Cannot assign requested address"),
                "\(foreign.errors)")
            let unknown = try ServerProcess.run(["serve", "--listen-host", "nobody.invalid:1"] + storage)
            #expect(unknown.errors.contains("avatar-server: cannot listen on nobody.invalid:1: "), "\(unknown.errors)")
            #expect(unknown.errors.contains("host"), "\(unknown.errors)")
            for dump in Self.dumps { #expect(!unknown.errors.contains(dump), "\(unknown.errors)") }
        }
    }

    @Test func aCertificateThatIsNone() async throws {
        try await withFolder { folder async throws in
            let words = folder.appendingPathComponent("words.pem")
            try Data("words\n".utf8).write(to: words)
            func refusal(_ certificate: String, _ key: String) throws -> String {
                try ServerProcess.run(
                    [
                        "serve", "--http-tls-certificate-file", certificate, "--http-tls-key-file", key,
                        "--listen-port", "0",
                    ]
                        + ServerProcess.storage(folder)
                ).errors
            }
            #expect(try refusal("/none.pem", words.path).contains("http.tls.certificateFile: cannot be read: open"))
            #expect(try refusal(words.path, "/none.pem").contains("http.tls.keyFile: cannot be read: open"))
            let none = try refusal(words.path, words.path)
            #expect(none.contains("http.tls.certificateFile: \(words.path) has no certificate"), "\(none)")
        }
    }

    @Test func aPortFileThatCannotBeWritten() async throws {
        try await withFolder { folder async throws in
            let result = try ServerProcess.run(
                ["serve", "--listen-port", "0", "--port-file", folder.path + "/none/port"]
                    + ServerProcess.storage(folder))
            #expect(result.code == 69)
            #expect(result.errors.contains("No such file or directory"), "\(result.errors)")
            for dump in Self.dumps { #expect(!result.errors.contains(dump), "\(result.errors)") }
        }
    }
}

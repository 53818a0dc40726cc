import Foundation
import Testing

/// `avatar-server check` looks at the certificate and at what the server may do in MariaDB.
@Suite struct CheckTests {
    /// Makes a certificate whose time is `days`, which may be one that ended, and its key.
    private func makePair(_ name: String, days: ClosedRange<Int> = -1...30, in folder: URL) throws -> [String] {
        let files = ["cert", "key"].map { folder.appendingPathComponent("\(name)-\($0).pem").path }
        func date(_ day: Int) -> String {
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.timeZone = TimeZone(secondsFromGMT: 0)
            formatter.dateFormat = "yyyyMMddHHmmss'Z'"
            return formatter.string(from: Date(timeIntervalSinceNow: Double(day) * 86_400 + 60))
        }
        _ = try runProgram(
            "openssl",
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"]
                + ["-keyout", files[1], "-out", folder.appendingPathComponent("\(name).csr").path])
        // Of openssl's commands this one takes a beginning and an end.
        let place = folder.appendingPathComponent("\(name)-ca").path
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let settings = """
            [ca]
            default_ca = own
            [own]
            database = \(place)/index
            new_certs_dir = \(place)
            rand_serial = yes
            default_md = sha256
            policy = any
            [any]
            commonName = supplied
            """
        try Data().write(to: URL(fileURLWithPath: place + "/index"))
        try Data(settings.utf8).write(to: URL(fileURLWithPath: place + "/settings"))
        _ = try runProgram(
            "openssl",
            ["ca", "-batch", "-selfsign", "-notext", "-config", place + "/settings", "-keyfile", files[1]]
                + ["-in", folder.appendingPathComponent("\(name).csr").path, "-out", files[0]]
                + ["-startdate", date(days.lowerBound), "-enddate", date(days.upperBound)])
        return files
    }

    private func check(_ files: [String], _ folder: URL) throws -> (code: Int32, output: String) {
        let result = try ServerProcess.run(
            ["check", "--http-tls-certificate-file", files[0], "--http-tls-key-file", files[1]]
                + ServerProcess.storage(folder))
        return (result.code, result.output)
    }

    @Test func aCertificateIsSaidWithTheDaysThatAreLeft() async throws {
        try await withFolder { folder async throws in
            #expect(try ServerProcess.run(["user", "add", "7"] + ServerProcess.storage(folder)).code == 0)
            try FileManager.default.createDirectory(atPath: folder.path + "/files", withIntermediateDirectories: true)
            let files = try makePair("good", in: folder)
            let good = try check(files, folder)
            #expect(good.code == 0, "\(good)")
            #expect(good.output.contains("ok    certificate \(files[0]), valid until 20"), "\(good)")
            #expect(good.output.contains("Z, 30 days left\n"), "\(good)")
        }
    }

    @Test func aCertificateThatCannotBeUsedIsSaidWithItsRemedy() async throws {
        try await withFolder { folder async throws in
            let (good, other) = (try makePair("good", in: folder), try makePair("other", in: folder))
            let old = try makePair("old", days: -10...(-2), in: folder)
            let early = try makePair("early", days: 3...10, in: folder)
            let cases: [([String], String)] = [
                (["/none.pem", good[1]], "http.tls.certificateFile: cannot be read: open /none.pem: No such file"),
                ([good[0], "/none.pem"], "http.tls.keyFile: cannot be read: open /none.pem: No such file"),
                ([good[1], good[1]], "http.tls.certificateFile: \(good[1]) has no certificate in PEM"),
                ([good[0], good[0]], "http.tls.keyFile: \(good[0]) has no private key in PEM"),
                ([good[0], other[1]], "\(other[1]) is not the key of the certificate in \(good[0])"),
                (old, "it has expired, at 20"), (early, "it is not valid before 20"),
            ]
            for (files, words) in cases {
                let result = try check(files, folder)
                #expect(result.code == 69)
                let line = result.output.split(separator: "\n").first { $0.contains("certificate") }
                #expect(line?.hasPrefix("FAIL  certificate \(files[0]): ") == true, "\(result)")
                #expect(line?.contains(words) == true, "\(result)")
            }
        }
    }

    @Test func whatTheUserOfMariaDBMayNotDoIsSaidWithTheLinesToType() async throws {
        let daemon = try MariaDBDaemon(withAccounts: true)
        defer { daemon.stop() }
        try daemon.makeSchema("chat")
        try daemon.run(
            "CREATE USER avatar@localhost; GRANT SELECT, UPDATE ON chat.user TO avatar@localhost", schema: nil)
        try await withFolder { folder async throws in
            let redis = try RedisDaemon(folder: folder)
            defer { redis.stop() }
            try FileManager.default.createDirectory(atPath: folder.path + "/files", withIntermediateDirectories: true)
            let flags =
                [
                    "check", "--stores-kind", "cluster", "--redis-socket", redis.socket, "--mysql-socket",
                    daemon.socket, "--mysql-user", "avatar", "--mysql-schema", "chat",
                ] + ServerProcess.storage(folder)
            let none = try ServerProcess.run(flags)
            #expect(none.code == 69)
            #expect(none.output.contains("ok    MariaDB, table user\n"), "\(none)")
            #expect(
                none.output.contains(
                    """
                    FAIL  MariaDB, rights: the user may not do CREATE, SELECT, INSERT, UPDATE on avatard_avatar; \
                    CREATE, SELECT, INSERT, DELETE on avatard_change; CREATE, SELECT, INSERT, UPDATE on avatard_log
                          type, as an administrator of the database:
                          GRANT CREATE, SELECT, INSERT, UPDATE ON `chat`.`avatard_avatar` TO 'avatar'@'localhost';

                    """), "\(none)")
            let grants = none.output.split(separator: "\n").map { $0.drop { $0 == " " } }.filter {
                $0.hasPrefix("GRANT ")
            }
            #expect(grants.count == 3)
            try daemon.run(grants.joined(separator: "\n"), schema: nil)
            let all = try ServerProcess.run(flags)
            #expect(all.code == 0, "\(all)")
            #expect(all.output.contains("ok    MariaDB, rights\n"), "\(all)")
            #expect(try daemon.run("SHOW TABLES", schema: "chat") == "Tables_in_chat\nuser\n", "nothing was made")
        }
    }

    @Test func rightsOnTheWholeSchemaAreEnough() async throws {
        let daemon = try MariaDBDaemon(withAccounts: true)
        defer { daemon.stop() }
        try daemon.makeSchema("chat")
        try daemon.run(
            "CREATE USER avatar@localhost; CREATE ROLE keeper; GRANT CREATE, INSERT, SELECT, UPDATE ON chat.* TO keeper;"
                + "GRANT keeper TO avatar@localhost; SET DEFAULT ROLE keeper FOR avatar@localhost", schema: nil)
        try await withFolder { folder async throws in
            let result = try ServerProcess.run(
                [
                    "check", "--stores-kind", "cluster", "--redis-socket", "/none", "--mysql-socket", daemon.socket,
                    "--mysql-user", "avatar", "--mysql-schema", "chat",
                ] + ServerProcess.storage(folder))
            #expect(result.output.contains("rights: the user may not do DELETE on avatard_change\n"), "\(result)")
        }
    }
}

import Foundation
import Testing

/// What a person sees who makes a mistake: the key, the place, the reason, and an exit code that says which kind.
@Suite struct CommandTests {
    @Test(arguments: [
        ("listen:\n  prot: 1\n", "listen.prot: there is no such key; is listen.port meant?"),
        ("listen:\n  port: 70000\n", "listen.port: \"70000\" must lie from 0 to 65535"),
        ("listen:\n  port: nine\n", "listen.port: \"nine\" must be a whole number"),
        ("storage:\n  sync: maybe\n", "storage.sync: \"maybe\" must be one of full, none"),
        ("storage:\n  root: files\n", "storage.root: \"files\" must be an absolute path"),
        ("classic:\n  openUpload: perhaps\n", "classic.openUpload: \"perhaps\" must be true or false"),
        ("classic:\n  bodyBytesMax: 100\n", "classic.bodyBytesMax: \"100\" must lie from 4096 to 6291456"),
        ("redis: 5\n", "redis: there is no such key"),
    ])
    func aMistakeInTheFileStopsTheProgram(yaml: String, reason: String) async throws {
        try await withFolder { folder async throws in
            let file = folder.appendingPathComponent("c.yaml")
            try Data(yaml.utf8).write(to: file)
            let result = try ServerProcess.run(["serve", "--config", file.path])
            #expect(result.code == 78)
            #expect(result.errors == "avatar-server: \(file.path):\(yaml.count { $0 == "\n" }): \(reason)\n")
        }
    }

    @Test func aMisspeltVariableStopsTheProgram() throws {
        let result = try ServerProcess.run(["serve"], environment: ["AVATAR_SERVER_LISTEN_PROT": "1"])
        #expect(result.code == 78)
        #expect(
            result.errors.contains(
                "AVATAR_SERVER_LISTEN_PROT: there is no such key; is AVATAR_SERVER_LISTEN_PORT meant?"))
    }

    @Test func theEnvironmentComesBeforeTheFileAndAFlagBeforeBoth() async throws {
        try await withFolder { folder async throws in
            let file = folder.appendingPathComponent("c.yaml")
            try Data("storage: {sync: file}\n".utf8).write(to: file)
            let fromFile = try ServerProcess.run(["serve", "--config", file.path])
            #expect(fromFile.errors.contains("c.yaml:1: storage.sync: \"file\""))
            let variable = ["AVATAR_SERVER_STORAGE_SYNC": "variable"]
            let fromVariable = try ServerProcess.run(["serve", "--config", file.path], environment: variable)
            #expect(
                fromVariable.errors.contains(
                    "the environment variable AVATAR_SERVER_STORAGE_SYNC: storage.sync: \"variable\""))
            let fromFlag = try ServerProcess.run(
                ["serve", "--config", file.path, "--storage-sync", "flag"], environment: variable)
            #expect(fromFlag.errors.contains("--storage-sync: storage.sync: \"flag\""))
            #expect(fromFlag.code == 2)
        }
    }

    @Test func usersAreAddedOnceAndTheirTokensRenewed() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            let added = try ServerProcess.run(["user", "add", "--uid", "7", "--name", "seven"] + storage)
            #expect(added.code == 0)
            #expect(added.output.count == 33)
            let again = try ServerProcess.run(["user", "add", "--uid", "7"] + storage)
            #expect(again.code == 1)
            #expect(again.errors.contains("there is a user 7 already"))
            let renewed = try ServerProcess.run(["user", "token", "--uid", "7"] + storage)
            #expect(renewed.code == 0)
            #expect(renewed.output != added.output)
            #expect(try ServerProcess.run(["user", "token", "--uid", "8"] + storage).code == 1)
            #expect(try ServerProcess.run(["user", "list"] + storage).output == "7\tseven\t-\ttoken\t-\t0\t0\n")
            #expect(try ServerProcess.run(["user", "add", "--uid", "0"] + storage).code == 2)
        }
    }

    @Test func aUserIsListedWithSizesRevokedAndRemoved() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            #expect(try ServerProcess.run(["user", "add", "7", "--name", "a\tb"] + storage).code == 0)
            let pictures = folder.appendingPathComponent("files/7")
            try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
            for (name, count) in [("a.png", 2048), ("b.png", 100)] {
                try Data(count: count).write(to: pictures.appendingPathComponent(name))
            }
            #expect(try ServerProcess.run(["user", "list"] + storage).output == "7\ta?b\t-\ttoken\t-\t2\t2148\n")
            let revoked = try ServerProcess.run(["user", "revoke", "7"] + storage)
            #expect(revoked.code == 0)
            #expect(revoked.output.hasPrefix("the token of user 7 is not valid any more\n"))
            #expect(
                try ServerProcess.run(["user", "revoke", "--uid", "7"] + storage).output == "user 7 has no token\n")
            let removed = try ServerProcess.run(["user", "remove", "7"] + storage)
            #expect(removed.code == 0)
            #expect(
                removed.output
                    == "user 7 is removed, with token and icon\nremoved 2 files (2.0 KiB) from \(pictures.path)\n")
            #expect(!FileManager.default.fileExists(atPath: pictures.path))
            for command in ["revoke", "remove"] {
                let again = try ServerProcess.run(["user", command, "7"] + storage)
                #expect(again.code == 1)
                #expect(again.errors.contains("there is no user 7"))
            }
        }
    }

    @Test func onATerminalUsersAreATableWithSizesAsPeopleReadThem() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            for (uid, name) in [("7", "seven"), ("1001", "ada")] {
                #expect(try ServerProcess.run(["user", "add", uid, "--name", name] + storage).code == 0)
            }
            let pictures = folder.appendingPathComponent("files/7")
            try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
            try Data(count: 2048).write(to: pictures.appendingPathComponent("a.png"))
            let command = ([ServerProcess.executable.path, "user", "list"] + storage).joined(separator: " ")
            let shown = try runProgram("script", ["-qec", command, "/dev/null"])
            #expect(
                shown.split(whereSeparator: \.isNewline) == [
                    "UID   NAME   ICON  TOKEN  PICTURE  FILES  ALL FILES",
                    "7     seven  -     token  -        1      2.0 KiB",
                    "1001  ada    -     token  -        0      0 bytes",
                ])
        }
    }

    @Test func removingCanLeaveTheFiles() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            #expect(try ServerProcess.run(["user", "add", "7"] + storage).code == 0)
            let pictures = folder.appendingPathComponent("files/7")
            try FileManager.default.createDirectory(at: pictures, withIntermediateDirectories: true)
            try Data(count: 100).write(to: pictures.appendingPathComponent("a.png"))
            let removed = try ServerProcess.run(["user", "remove", "7", "--keep-files"] + storage)
            #expect(removed.output.hasSuffix("kept 1 file (100 bytes) in \(pictures.path)\n"), "\(removed)")
            #expect(FileManager.default.fileExists(atPath: pictures.path + "/a.png"))
        }
    }

    @Test(arguments: [
        ([], "the user's number is missing"), (["0"], "the user's number must be 1 or more"),
        (["7", "--uid", "8"], "the user's number is given twice"),
    ])
    func aUserMustBeNamedOnce(arguments: [String], reason: String) throws {
        for command in ["add", "token", "revoke", "remove"] {
            let result = try ServerProcess.run(["user", command] + arguments)
            #expect(result.code == 2)
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
    }

    @Test func checkSaysWhatIsWrongAndWhatToDo() async throws {
        try await withFolder { folder async throws in
            #expect(try ServerProcess.run(["user", "add", "--uid", "7"] + ServerProcess.storage(folder)).code == 0)
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("files"), withIntermediateDirectories: true)
            let good = try ServerProcess.run(["check"] + ServerProcess.storage(folder))
            #expect(good.code == 0)
            #expect(!good.output.contains("FAIL"))
            let bad = try ServerProcess.run(
                [
                    "check", "--storage-root", "/proc/nowhere", "--stores-kind", "cluster", "--redis-socket",
                    folder.path + "/nobody", "--mysql-socket", folder.path + "/nobody", "--classic-chunk-bytes",
                    "65536",
                ])
            #expect(bad.code == 69)
            #expect(bad.output.components(separatedBy: "FAIL").count == 5)
            #expect(bad.output.contains("see redis.host"))
        }
    }

    @Test func checkAndListMakeNothingOnAMistypedPathAndSayWhatIsMissing() async throws {
        try await withFolder { folder async throws in
            let place = folder.appendingPathComponent("mistyped").path
            let storage = ["--storage-root", place + "/files", "--stores-sqlite-file", place + "/db.sqlite"]
            let check = try ServerProcess.run(["check"] + storage)
            #expect(check.code == 69)
            #expect(check.output.contains("FAIL  folder \(place)/files: there is no such folder"), "\(check.output)")
            #expect(check.output.contains("there is no database \(place)/db.sqlite"), "\(check.output)")
            for command in [
                ["user", "list"], ["user", "token", "--uid", "7"], ["user", "revoke", "7"], ["user", "remove", "7"],
            ] {
                let result = try ServerProcess.run(command + storage)
                #expect(result.code == 69)
                #expect(result.errors.contains("there is no database \(place)/db.sqlite"), "\(result.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: place))
        }
    }

    @Test func checkLeavesFolderAndDatabaseAsTheyAre() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            #expect(try ServerProcess.run(["user", "add", "--uid", "7"] + storage).code == 0)
            let files = folder.appendingPathComponent("files")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
            let bytes = try Data(contentsOf: folder.appendingPathComponent("db.sqlite"))
            let check = try ServerProcess.run(["check"] + storage)
            #expect(check.code == 0, "\(check.output)")
            #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() == before)
            #expect(try Data(contentsOf: folder.appendingPathComponent("db.sqlite")) == bytes)
        }
    }

    @Test(arguments: [
        ("listen:\n  host: \"[::1\"\n", "listen.host: \"[::1\" has a [ without its ]"),
        ("listen:\n  host: \"[::1]:80\"\n  port: 81\n", "listen.host: \"[::1]:80\" names the port 80"),
        ("listen:\n  host: ::1:9090\n", "listen.host: \"::1:9090\" can be read in two ways"),
        ("metrics:\n  host: 0.0.0.0\n", "metrics.host: \"0.0.0.0\" must be an address of this machine's loopback"),
        ("redis:\n  host: redis:port\n", "redis.host: \"redis:port\" has the port \"port\""),
        ("mysql:\n  host: \"a b\"\n", "mysql.host: \"a b\" has a blank"),
        ("log:\n  format: xml\n", "log.format: \"xml\" must be one of text, json"),
    ])
    func anAddressThatIsNoneStopsTheProgram(yaml: String, reason: String) async throws {
        try await withFolder { folder async throws in
            let file = folder.appendingPathComponent("c.yaml")
            try Data(yaml.utf8).write(to: file)
            let result = try ServerProcess.run(["serve", "--config", file.path])
            #expect(result.code == 78)
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
    }

    /// The sample says what the defaults are, so it must be readable, and whole.
    @Test func theSampleConfigurationIsTaken() async throws {
        try await withFolder { folder async throws in
            let sample = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../../../config/avatar-server.yaml").standardized
            let server = try ServerProcess(folder: folder, flags: ["--config", sample.path])
            #expect(server.terminate() == 0)
        }
    }
}

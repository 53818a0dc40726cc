import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import ServerStores
import TestPictures
import Testing

/// `avatar-server rebuild`: records of avatars are made again from the files.
@Suite struct RebuildTests {
    private func rebuild(_ backend: TestBackend, all: Bool = false) throws -> [Int64: RecordRebuild.Finding] {
        let stores = try backend.stores()
        let rebuild = RecordRebuild(stores.avatars, stores.files, readsAll: all)
        return Dictionary(
            uniqueKeysWithValues: try backend.administration().users(after: nil, limit: 10).map { user in
                (user.uid.value, try rebuild.rebuild(user.uid, icon: user.icon))
            })
    }

    private func record(_ backend: TestBackend, _ uid: Int64 = 1019) throws -> Avatar? {
        try backend.stores().avatars.current(of: try #require(UserID(uid)))?.record?.avatar
    }

    /// Changes the bytes of a file so that its inode, size and time of change stay.
    private func damage(_ file: URL) throws {
        let before = try #require(try? FileFacts.lying(at: file.path))
        let handle = try FileHandle(forUpdating: file)
        try handle.seek(toOffset: UInt64(before.size) - 1)
        try handle.write(contentsOf: Data([0xFF]))
        try handle.close()
        let time = timespec(
            tv_sec: Int(before.modified / 1_000_000_000), tv_nsec: Int(before.modified % 1_000_000_000))
        #expect(utimensat(AT_FDCWD, file.path, [time, time], 0) == 0)
    }

    @Test(arguments: StoreKind.allCases) func whatAnotherServerHasPutThereIsRecorded(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            // The icon is 1019's from here on, as the old server leaves it: without a record.
            let (old, new) = (try TestPictures.padded(.png, to: 5000), try TestPictures.padded(.png, to: 6000))
            try await upload(old, "head.png", to: server)
            try server.place(new, 1019, "head.png")
            #expect(try rebuild(server.backend) == [1019: .recorded, 1020: .none])
            let recorded = try #require(try record(server.backend))
            #expect(try recorded.sha256 == SHA256Digest(of: new.span.bytes))
            #expect(recorded.size == 6000 && recorded.format == .png && recorded.generation == 2)
            #expect(try server.backend.stores().avatars.changes(after: 0, limit: 10).last?.avatar == recorded)
            #expect(try rebuild(server.backend) == [1019: .right, 1020: .none])
            #expect(try record(server.backend)?.generation == 2, "what fits is no change")
        }
    }

    @Test(arguments: StoreKind.allCases) func bytesThatChangedUnseenAreFoundWhereAllIsRead(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            try await upload(try TestPictures.padded(.png, to: 5000), "head.png", to: server)
            try damage(server.file(1019, "head.png"))
            #expect(try rebuild(server.backend)[1019] == .right)
            #expect(try rebuild(server.backend, all: true)[1019] == .mended)
            let bytes = try #require(server.bytes(1019, "head.png"))
            #expect(try record(server.backend)?.sha256 == SHA256Digest(of: bytes.span.bytes))
            #expect(try rebuild(server.backend, all: true)[1019] == .right)
        }
    }

    @Test(arguments: StoreKind.allCases) func aFileThatIsNotThereIsSaid(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try await upload(try TestPictures.padded(.png, to: 5000), "head.png", to: server)
            try FileManager.default.removeItem(at: server.file(1019, "head.png"))
            #expect(try rebuild(server.backend)[1019] == .missing(AvatarName("head.png")))
        }
    }

    /// Uploads by the classic dialect, which makes icon and record.
    private func upload(_ bytes: [UInt8], _ name: String, to server: TestServer) async throws {
        let pieces = try chunks(of: bytes, name: name)
        try await TestClient.with(server.port) { client async throws in #expect(try await client.upload(pieces) == 0) }
    }

    @Test func theCommandSaysWhatItFoundAndMakesNothingOnAMistypedPath() async throws {
        try await withFolder { folder async throws in
            let storage = ServerProcess.storage(folder)
            #expect(try ServerProcess.run(["user", "add", "7", "--token-file", "/dev/null"] + storage).code != 0)
            let token = folder.appendingPathComponent("token")
            try Data("token-7\n".utf8).write(to: token)
            for uid in ["7", "8"] {
                #expect(try ServerProcess.run(["user", "add", uid, "--token-file", token.path] + storage).code == 0)
            }
            let server = try ServerProcess(folder: folder)
            let client = try BlockingClient(port: server.port)
            let picture = try TestPictures.padded(.png, to: 5000)
            for chunk in try chunks(of: picture, name: "head.png", uid: 7, token: "token-7") {
                #expect(try client.upload(chunk) == 0)
            }
            let file = folder.appendingPathComponent("files/7/head.png")
            try Data(try TestPictures.padded(.png, to: 6000)).write(to: file)
            // The server runs.
            let found = try ServerProcess.run(["rebuild"] + storage)
            #expect(found.code == 0)
            #expect(found.output == "recorded 1, mended 0, right 0, without an avatar 1, failed 0\n")
            server.terminate()
            try FileManager.default.removeItem(at: file)
            let gone = try ServerProcess.run(["rebuild", "--all"] + storage)
            #expect(gone.code == 66)
            #expect(
                gone.output == "user 7: the avatar head.png is not there; nobody is shown it\n"
                    + "recorded 0, mended 0, right 0, without an avatar 1, failed 1\n")
            let place = folder.path + "/mistyped"
            let none = try ServerProcess.run(
                ["rebuild", "--storage-root", place + "/files", "--stores-sqlite-file", place + "/db.sqlite"])
            #expect(none.code == 69)
            #expect(!FileManager.default.fileExists(atPath: place))
        }
    }
}

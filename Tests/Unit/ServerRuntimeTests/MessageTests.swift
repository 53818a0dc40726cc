import AvatarCore
import Foundation
import ServerRuntime
import Testing
import WireProtocol

/// Every message of the classic dialect, answered as docs/protocol.md has it.
@Suite struct MessageTests {
    @Test(arguments: StoreKind.allCases) func testIsEchoed(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                let reply = try await client.ask(.test(TestMessage(data: "你好")))
                #expect(reply == .test(TestMessage(data: "你好", error: 0)))
            }
        }
    }

    @Test(arguments: StoreKind.allCases, [1, 2047, 2048, 2049, 20_480, 2 * 1024 * 1024])
    func anUploadedFileIsThereAndIsTheIconAndComesDownAgain(kind: StoreKind, size: Int) async throws {
        try await TestServer.with(kind) { server async throws in
            let bytes = pattern(size)
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: bytes, name: "head.png")) == 0)
                #expect(try await client.download("head.png") == bytes)
            }
            #expect(server.bytes(1019, "head.png") == bytes)
            #expect(try server.icon(of: 1019) == "head.png")
            #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder.path + "/files/.parts").isEmpty)
        }
    }

    @Test(arguments: StoreKind.allCases) func anAcknowledgementEchoesTheChunkFieldForField(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            let chunk = try chunks(of: pattern(5000), name: "a.png")[0]
            try await TestClient.with(server.port) { client async throws in
                let expected = UploadChunkReply(
                    error: 0, md5: chunk.md5, name: "a.png", seq: 1, totalSize: 5000, transSize: 2048, last: false,
                    lastSeq: 3, uid: 1019, inOrder: true, chunkBytes: Int64(Limits.Wire.ownChunkBytes))
                #expect(try await client.ask(.uploadHead(chunk)) == .uploadHead(expected))
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aDownloadReplyHasPathAndTypeEchoedAndSizes(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(5000), 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                let request = DownloadRequest(
                    name: "a.png", seq: 3, token: "token-1019", uid: 1019, clientPath: "C:/a.png", reqType: "self_icon")
                let expected = DownloadReply(
                    error: 0, name: "a.png", clientPath: "C:/a.png", seq: 3, totalSize: 5000, currentSize: 5000,
                    isLast: true, data: Array(pattern(5000)[4096...]), reqType: "self_icon")
                #expect(try await client.ask(.download(request)) == .download(expected))
            }
        }
    }

    /// A client that says by which chunks it counts is served in those, within bounds; who says nothing in `classic.chunkBytes`.
    @Test(arguments: [
        (Int64?.none, 2048), (1000, 1000), (32 << 10, 32 << 10), (0, 64), (63, 64), (1 << 40, 32 << 10),
    ])
    func aDownloadComesInTheChunksThatTheClientCountsBy(asked: Int64?, bytes: Int) async throws {
        try await TestServer.with(.embedded) { server async throws in
            let picture = pattern(100_000)
            try server.place(picture, 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                for seq in 1...2 {
                    let request = DownloadRequest(
                        name: "a.png", seq: Int64(seq), token: "token-1019", uid: 1019, clientPath: "a.png",
                        chunkBytes: asked)
                    guard case .download(let reply) = try await client.ask(.download(request)) else {
                        throw TestClient.Closed()
                    }
                    #expect(reply.data == Array(picture[bytes * (seq - 1)..<bytes * seq]))
                }
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func syncTellsHowFarAnUploadIs(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let all = try chunks(of: pattern(10_000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<2])) == 0)
                let expected = SyncFileReply(
                    error: 0, md5: all[0].md5, name: "a.png", seq: 2, totalSize: 10_000, transSize: 4096,
                    chunkBytes: 2048)
                // By MD5 alone, since this connection has brought its chunks; and by user and name.
                #expect(try await client.ask(.syncFile(SyncFileRequest(md5: all[0].md5))) == .syncFile(expected))
                let named = SyncFileRequest(md5: all[0].md5, uid: 1019, name: "a.png")
                #expect(try await client.ask(.syncFile(named)) == .syncFile(expected))
                #expect(try await client.upload(Array(all[2...])) == 0)
                guard case .syncFile(let done) = try await client.ask(.syncFile(named)) else {
                    throw TestClient.Closed()
                }
                #expect(done.transSize == 10_000)
            }
            try await TestClient.with(server.port) { stranger async throws in
                let reply = try await stranger.ask(.syncFile(SyncFileRequest(md5: all[0].md5)))
                #expect(reply == .syncFile(SyncFileReply(error: 1012)))
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func openUploadNeedsItsSwitchAndKeepsApartFromUsersFolders(kind: StoreKind)
        async throws
    {
        let bytes = pattern(3000)
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                let chunk = try chunks(of: bytes, name: "a.bin", uid: 0)[0]
                guard case .uploadFile(let reply) = try await client.ask(.uploadFile(chunk)) else {
                    throw TestClient.Closed()
                }
                #expect(reply.error == 1015)
            }
        }
        try await TestServer.with(kind, ServerSettings(openUpload: true)) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                for (name, error) in [("a.bin", 0), ("1019", 1015)] {
                    for chunk in try chunks(of: bytes, name: name, uid: 0) {
                        guard case .uploadFile(let reply) = try await client.ask(.uploadFile(chunk)) else {
                            throw TestClient.Closed()
                        }
                        #expect(reply.error == error)
                        #expect(reply.lastSeq == nil)
                    }
                }
            }
            #expect(try Data(contentsOf: server.folder.appendingPathComponent("files/a.bin")) == Data(bytes))
        }
    }

    /// As the seed's last servers do: in the user's folder, and the user's icon, which others find.
    @Test(arguments: StoreKind.allCases) func anOpenUploadThatNamesAUserIsTheirIcon(kind: StoreKind) async throws {
        let bytes = pattern(3000)
        try await TestServer.with(kind, ServerSettings(openUpload: true)) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                for chunk in try chunks(of: bytes, name: "open.png", uid: 1019) {
                    guard case .uploadFile(let reply) = try await client.ask(.uploadFile(chunk)) else {
                        throw TestClient.Closed()
                    }
                    #expect(reply.error == 0)
                }
                #expect(server.bytes(1019, "open.png") == bytes)
                #expect(try await client.download("open.png", seq: 1).error == 0)
                let stranger = try chunks(of: bytes, name: "open.png", uid: 4711)[0]
                guard case .uploadFile(let reply) = try await client.ask(.uploadFile(stranger)) else {
                    throw TestClient.Closed()
                }
                #expect(reply.error == 1011)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func anUnknownIDGetsNoReplyAndTheConnectionStays(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                try await client.send(1901, "{}")
                try await client.send(4096, "whatever")
                #expect(try await client.ask(.test(TestMessage(data: "x"))) == .test(TestMessage(data: "x", error: 0)))
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aZeroByteFileIsTakenAndItsDownloadAnswers1018(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: [], name: "empty.png")) == 0)
                #expect(server.bytes(1019, "empty.png") == [])
                #expect(try await client.download("empty.png", seq: 1).error == 1018)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aFriendsCurrentIconCanBeFetchedAndTheirOldFilesCannot(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            let old = pattern(100)
            let current = pattern(5000)
            try await TestClient.with(server.port) { owner async throws in
                #expect(try await owner.upload(try chunks(of: old, name: "old.png")) == 0)
                #expect(try await owner.upload(try chunks(of: current, name: "current.png")) == 0)
            }
            try await TestClient.with(server.port) { friend async throws in
                #expect(try await friend.download("current.png", uid: 1020) == current)
                #expect(try await friend.download("old.png", seq: 1, uid: 1020).error == 1012)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func namesThatUnicodeCallsEqualAreTwoUploads(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let names = ["caf\u{E9}.png", "cafe\u{301}.png"]
            let contents = [pattern(5000), pattern(7000)]
            let uploads = try zip(names, contents).map { try chunks(of: $1, name: $0) }
            try await TestClient.with(server.port) { client async throws in
                // Chunk by chunk in turn: the next chunk of one must not be measured against the progress of the other.
                for index in 0..<4 {
                    for upload in uploads where index < upload.count {
                        #expect(try await client.upload(upload[index]) == 0)
                    }
                }
                for (name, bytes) in zip(names, contents) { #expect(try await client.download(name) == bytes) }
                // The reply repeats the name that was asked for, byte for byte.
                let reply = try await client.download(names[1], seq: 1)
                #expect(reply.name.map { Array($0.utf8) } == Array(names[1].utf8))
            }
            for (name, bytes) in zip(names, contents) { #expect(server.bytes(1019, name) == bytes) }
            let icon = try server.icon(of: 1019)
            #expect(icon.map { Array($0.utf8) } == Array(names[1].utf8))
        }
    }

    @Test(arguments: StoreKind.allCases) func aTokenThatUnicodeCallsEqualIsAnother(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.backend.addUser(5, token: "caf\u{E9}")
            try server.place(pattern(5000), 5, "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("a.png", seq: 1, uid: 5, token: "cafe\u{301}").error == 1010)
                #expect(try await client.download("a.png", seq: 1, uid: 5, token: "caf\u{E9}").error == 0)
                // Shown on this connection or not: trust goes by the bytes as well.
                #expect(try await client.download("a.png", seq: 1, uid: 5, token: "cafe\u{301}").error == 1010)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aNameThatIsTwoUsersIconIsNobodys(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.backend.addUser(3)
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(10), name: "same.png")) == 0)
                #expect(try await client.upload(try chunks(of: pattern(20), name: "same.png", uid: 1020)) == 0)
                #expect(try await client.download("same.png", seq: 1, uid: 3).error == 1012)
                #expect(try await client.download("same.png", uid: 1020) == pattern(20))
            }
        }
    }
}

import AvatarCore
import Foundation
import NIOCore
import ServerRuntime
import Testing
import WireProtocol

/// What the seed's server does wrong (docs/protocol.md): each fault, and what this server does instead.
@Suite struct FaultTests {
    @Test(arguments: StoreKind.allCases) func aRepeatedChunkIsAcknowledgedAgainAndNotWrittenAgain(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            let bytes = pattern(6000)
            let all = try chunks(of: bytes, name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                for index in [0, 0, 1, 1, 0, 1, 2, 2] { #expect(try await client.upload(all[index]) == 0) }
            }
            #expect(server.bytes(1019, "a.png") == bytes)
        }
    }

    @Test(arguments: StoreKind.allCases) func aChunkOutOfOrderIsRefusedAndWhatWasThereIsKept(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            let bytes = pattern(10_000)
            let all = try chunks(of: bytes, name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(all[0]) == 0)
                #expect(try await client.upload(all[3]) == 1017)
                #expect(try await client.upload(Array(all[1...])) == 0)
            }
            #expect(server.bytes(1019, "a.png") == bytes)
        }
    }

    @Test(arguments: StoreKind.allCases) func aWrongMD5IsRefusedAtTheLastChunkAndTheOldFileStays(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            try server.place([1, 2, 3], 1019, "a.png")
            let wrong = try md5([9])
            let all = try chunks(of: pattern(5000), name: "a.png").map { chunk in
                var chunk = chunk
                chunk.md5 = wrong
                return chunk
            }
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(all) == 1020)
                #expect(try await client.download("a.png") == [1, 2, 3])
            }
            #expect(try server.icon(of: 1019) != "a.png")
        }
    }

    @Test(
        arguments: StoreKind.allCases,
        [
            { (chunk: inout UploadChunk) in chunk.totalSize = 4999 },
            { (chunk: inout UploadChunk) in chunk.last = false },
            { (chunk: inout UploadChunk) in chunk.transSize = 4999 },
            { (chunk: inout UploadChunk) in chunk.data.removeLast() },
            { (chunk: inout UploadChunk) in chunk.md5 = "00000000000000000000000000000000" },
            { (chunk: inout UploadChunk) in chunk.seq = 4 },
        ] as [@Sendable (inout UploadChunk) -> Void])
    func aLastChunkThatContradictsTheFirstIsRefused(kind: StoreKind, change: @Sendable (inout UploadChunk) -> Void)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            let all = try chunks(of: pattern(5000), name: "a.png")
            var wrong = all[2]
            change(&wrong)
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<2])) == 0)
                #expect(try await client.upload(wrong) != 0)
                #expect(server.bytes(1019, "a.png") == nil)
                #expect(try await client.upload(all[2]) == 0)
            }
            #expect(server.bytes(1019, "a.png") == pattern(5000))
        }
    }

    @Test(
        arguments: StoreKind.allCases,
        [
            "../../db.sqlite", "..", ".", "", ".parts", "a/b", "a\u{0}b", "a\nb", "/etc/passwd",
            String(repeating: "x", count: 201),
        ])
    func aNameThatIsNoSingleComponentIsRefused(kind: StoreKind, name: String) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(10), name: name)) == 1015)
                #expect(try await client.download(name, seq: 1).error == 1016)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder.path + "/files") == [".parts"])
        }
    }

    @Test(arguments: StoreKind.allCases) func twoUploadsOfOneNameDoNotMix(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let first = try chunks(of: pattern(6000), name: "a.png")
            let other = Array(pattern(6000).reversed())
            let second = try chunks(of: other, name: "a.png")
            try await TestClient.with(server.port) { one async throws in
                #expect(try await one.upload(Array(first[..<2])) == 0)
                try await TestClient.with(server.port) { two async throws in
                    #expect(try await two.upload(second[0]) == 0)
                }
                // The second has taken the place; what belongs to the first shows no token for it.
                #expect(try await one.upload(first[2]) == 1010)
                #expect(try await one.upload(Array(second[1...])) == 0)
            }
            #expect(server.bytes(1019, "a.png") == other)
        }
    }

    @Test(arguments: StoreKind.allCases) func theSameNameOfTwoUsersIsTwoFiles(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let mine = try chunks(of: pattern(5000), name: "a.png")
            let theirs = try chunks(of: pattern(6000), name: "a.png", uid: 1020)
            try await TestClient.with(server.port) { client async throws in
                for (a, b) in zip(mine, theirs) {
                    #expect(try await client.upload(a) == 0)
                    #expect(try await client.upload(b) == 0)
                }
            }
            #expect(server.bytes(1019, "a.png") == pattern(5000))
            #expect(server.bytes(1020, "a.png") == pattern(6000))
        }
    }

    @Test(arguments: StoreKind.allCases) func anUploadGoesOnFromAnotherConnectionWithoutAToken(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind) { server async throws in
            let all = try chunks(of: pattern(8000), name: "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[..<2])) == 0)
            }
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(Array(all[2...])) == 0)
            }
            #expect(server.bytes(1019, "a.png") == pattern(8000))
        }
    }

    @Test(
        arguments: StoreKind.allCases,
        [
            (Int64(1019), "wrong", 1010), (1019, "", 1010), (77, "token-1019", 1011), (0, "t", 1011), (-1, "t", 1011),
        ])
    func aTokenThatIsNotTheUsersIsRefused(kind: StoreKind, shown: (uid: Int64, token: String, error: Int)) async throws
    {
        let (uid, token, error) = shown
        try await TestServer.with(kind) { server async throws in
            try server.place([1], 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(
                    try await client.upload(try chunks(of: pattern(10), name: "a.png", uid: uid, token: token)) == error
                )
                #expect(try await client.download("a.png", seq: 1, uid: uid, token: token).error == error)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func laterChunksOfADownloadNeedTheTokenToo(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(5000), 1019, "a.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("a.png", seq: 2, token: "wrong").error == 1010)
                #expect(try await client.download("a.png", seq: 1).error == 0)
                #expect(try await client.download("a.png", seq: 2).error == 0)
                #expect(try await client.download("a.png", seq: 2, token: "wrong").error == 1010)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aLaterChunkWithoutAFirstOneIsLostProgress(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(5000), name: "a.png")[1]) == 1020)
            }
        }
    }

    @Test(
        arguments: StoreKind.allCases,
        [
            "", "nonsense", "[]", "\"text\"", "7", "null", "{}", #"{"md5":1,"name":2,"seq":"three"}"#,
            #"{"seq":1e9999}"#, #"{"name":{"a":[1]}}"#, String(repeating: "[", count: 4000),
        ])
    func aBodyOfAnyShapeIsAnswered1001(kind: StoreKind, body: String) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                for id: UInt16 in [1003, 1005, 1031, 1033] {
                    try await client.send(id, body)
                    let frame = try await client.frame()
                    #expect(frame.id == id + 1)
                    #expect(String(buffer: frame.body) == #"{"error":1001}"#)
                }
                #expect(try await client.ask(.test(TestMessage(data: "x"))) == .test(TestMessage(data: "x", error: 0)))
            }
        }
    }

    @Test(
        arguments: StoreKind.allCases, [[0x04, 0x07, 0xFF, 0xFF, 0xFF, 0xFF], [0x10, 0x01, 0, 0, 0, 0]] as [[UInt8]])
    func aHeaderThatNoHonestClientSendsEndsTheConnectionAndNoOther(kind: StoreKind, header: [UInt8]) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { good async throws in
                _ = try await good.ask(.test(TestMessage(data: "x")))
                try await TestClient.with(server.port) { bad async throws in
                    try await bad.send(ByteBuffer(bytes: header))
                    #expect(await bad.isClosed())
                }
                #expect(try await good.ask(.test(TestMessage(data: "x"))) == .test(TestMessage(data: "x", error: 0)))
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aFileLargerThanAllowedIsRefusedAtItsFirstChunk(kind: StoreKind)
        async throws
    {
        try await TestServer.with(kind, ServerSettings(uploadBytesMax: 4096)) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(4097), name: "a.png")[0]) == 1015)
                #expect(try await client.upload(try chunks(of: pattern(4096), name: "a.png")) == 0)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aUsersQuotaIsHeldAgainstWhatTheyHave(kind: StoreKind) async throws {
        try await TestServer.with(kind, ServerSettings(quotaBytesPerUser: 10_000)) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(6000), name: "a.png")) == 0)
                #expect(try await client.upload(try chunks(of: pattern(6000), name: "b.png")) == 1015)
                // Over what is there already counts only once, and another user has their own.
                #expect(try await client.upload(try chunks(of: pattern(7000), name: "a.png")) == 0)
                #expect(try await client.upload(try chunks(of: pattern(6000), name: "b.png", uid: 1020)) == 0)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aSymlinkInTheFolderIsNotFollowed(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(10), 1020, "secret.png")
            try server.place([1], 1019, "x")
            try FileManager.default.createSymbolicLink(
                at: server.file(1019, "link.png"), withDestinationURL: server.file(1020, "secret.png"))
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("link.png", seq: 1).error == 1016)
            }
        }
    }
}

import AvatarCore
import ServerRuntime
import Testing
import WireProtocol

/// A picture that was uploaded before, and is to be the icon once more.
@Suite struct RepeatedUploadTests {
    private func pictures() throws -> (a: [UploadChunk], b: [UploadChunk]) {
        (try chunks(of: pattern(5000), name: "a.png"), try chunks(of: pattern(7000), name: "b.png"))
    }

    @Test(arguments: StoreKind.allCases) func thePictureThatIsSentLastIsTheIcon(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let (a, b) = try pictures()
            try await TestClient.with(server.port) { client async throws in
                for upload in [a, b, a, b, b, a] {
                    #expect(try await client.upload(upload) == 0)
                    #expect(try server.icon(of: 1019) == upload[0].name)
                }
            }
            #expect(server.bytes(1019, "a.png") == pattern(5000))
        }
    }

    @Test(arguments: StoreKind.allCases) func itsLastChunkAloneIsEnoughWhereTheTokenWasShown(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind) { server async throws in
            let (a, b) = try pictures()
            try await TestClient.with(server.port) { client async throws in
                for upload in [a, b] { #expect(try await client.upload(upload) == 0) }
                #expect(try await client.upload(a[1]) == 0, "a chunk in the middle is acknowledged")
                #expect(try server.icon(of: 1019) == "b.png")
                #expect(try await client.upload(a[2]) == 0)
                #expect(try server.icon(of: 1019) == "a.png")
                try server.backend.replaceToken(of: 1019, with: "new")
                #expect(try await client.upload(b[3]) == 1020, "the token that was shown is replaced")
                #expect(try server.icon(of: 1019) == "a.png")
            }
        }
    }

    /// Whoever has downloaded an earlier icon knows its last chunk.
    @Test(arguments: StoreKind.allCases) func withoutATokenAnEarlierPictureDoesNotComeBack(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            let (a, b) = try pictures()
            try await TestClient.with(server.port) { client async throws in
                for upload in [a, b] { #expect(try await client.upload(upload) == 0) }
            }
            try await TestClient.with(server.port) { stranger async throws in
                #expect(try await stranger.upload(a[2]) == 1020)
                #expect(try server.icon(of: 1019) == "b.png")
                #expect(try await stranger.upload(b[3]) == 0, "its answer was lost: it is the icon")
            }
        }
    }

    /// A code of the classic dialect, and in more words for our own agent.
    @Test func aRefusalTellsTheReasonBesideTheCode() async throws {
        let settings = ServerSettings(uploadBytesMax: 6000, quotaBytesPerUser: 8000)
        try await TestServer.with(.embedded, settings) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                let (a, b) = try pictures()
                let c = try chunks(of: pattern(4000), name: "c.png")
                #expect(try await client.upload(a) == 0)
                for (chunk, reason) in [(b[0], "too-large"), (c[0], "quota")] {
                    guard case .uploadHead(let reply) = try await client.ask(.uploadHead(chunk)) else {
                        throw TestClient.Closed()
                    }
                    #expect(reply.error == 1015)
                    #expect(reply.reason == reason)
                    #expect(reply.name == chunk.name && reply.seq == 1)
                }
            }
        }
    }
}

import AvatarCore
import PosixFiles
import ServerRuntime
import Testing
import TransferMachines
import WireProtocol

/// An upload by the classic dialect is a change of an avatar like any other.
@Suite struct ClassicChangeTests {
    @Test(arguments: StoreKind.allCases) func anUploadIsRecordedWithItsDigestAndLogged(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let (a, b) = (pattern(5000), pattern(7000))
            try await TestClient.with(server.port) { client async throws in
                for _ in 0..<2 { #expect(try await client.upload(try chunks(of: a, name: "a.png")) == 0) }
                #expect(try await client.upload(try chunks(of: b, name: "b.png")) == 0)
                // The last chunk alone makes a picture of before the icon once more.
                #expect(try await client.upload(try #require(chunks(of: a, name: "a.png").last)) == 0)
            }
            let avatars = try server.backend.stores().avatars
            let changes = try avatars.changes(after: 0, limit: 10)
            #expect(changes.map { $0.avatar?.name.string } == ["a.png", "b.png", "a.png"])
            #expect(
                try changes.map { $0.avatar?.sha256 } == [a, b, a].map { try SHA256Digest(of: $0.span.bytes) })
            #expect(changes.map { $0.avatar?.size } == [5000, 7000, 5000])
            let user = try #require(UserID(Int64(1019)))
            let key = ResourceKey(owner: user, name: try AvatarName("a.png"))
            let file = try #require(try server.backend.stores().files.open(key))
            // Who opens the file finds the one that was recorded, and need not read it again.
            #expect(try avatars.current(of: user)?.record?.stamp == file.stamp)
        }
    }

    @Test(arguments: StoreKind.allCases) func whatAnotherServerHasPutThereIsRecordedWhenAFriendFetchesIt(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind) { server async throws in
            let (old, new) = (pattern(5000), pattern(7000))
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: old, name: "a.png")) == 0)
                try server.place(new, 1019, "a.png")
                // One's own file is no news to oneself.
                #expect(try await client.download("a.png", uid: 1019) == new)
                for _ in 0..<2 { #expect(try await client.download("a.png", uid: 1020) == new) }
            }
            // What is done behind an answer is done before the server has stopped.
            await server.stop()
            let changes = try server.backend.stores().avatars.changes(after: 0, limit: 10)
            #expect(try changes.map { $0.avatar?.sha256 } == [old, new].map { try SHA256Digest(of: $0.span.bytes) })
        }
    }
}

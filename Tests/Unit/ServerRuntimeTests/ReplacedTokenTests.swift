import AvatarCore
import Foundation
import ServerStores
import Testing
import WireProtocol

/// A token that is replaced while a connection is open that has shown it.
@Suite struct ReplacedTokenTests {
    @Test(arguments: StoreKind.allCases) func aReplacedTokenReadsNothingThatItsConnectionNeverBegan(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { friend async throws in
                #expect(try await friend.upload(try chunks(of: pattern(8000), name: "icon.png", uid: 1020)) == 0)
            }
            try server.place(pattern(8000), 1019, "mine.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("mine.png", seq: 1).error == 0)
                try server.backend.replaceToken(of: 1019, with: "new")
                for seq in Int64(2)...4 {
                    #expect(try await client.download("icon.png", seq: seq).error == 1010)
                    #expect(try await client.download("other.png", seq: seq).error == 1010)
                }
                // What it has begun it may finish, once; then that is over too.
                for seq in Int64(2)...4 { #expect(try await client.download("mine.png", seq: seq).error == 0) }
                #expect(try await client.download("mine.png", seq: 2).error == 1010)
                // The new token is no key to what the old one began, and good for everything else.
                #expect(try await client.download("icon.png", seq: 3, token: "new").error == 0)
            }
        }
    }

    /// A download that goes on in the middle, with a token that is good then, is one that this connection has begun.
    @Test(arguments: StoreKind.allCases) func aDownloadThatIsResumedOnANewConnectionGoesOn(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(8000), 1019, "mine.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("mine.png", seq: 2).error == 0)
                try server.backend.replaceToken(of: 1019, with: "new")
                #expect(try await client.download("mine.png", seq: 3).error == 0)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func theProgressOfAnUploadIsToldOnlyToItsConnections(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind) { server async throws in
            let all = try chunks(of: pattern(8000), name: "a.png")
            try server.place(pattern(10), 1019, "mine.png")
            try await TestClient.with(server.port) { other async throws in
                #expect(try await other.download("mine.png", seq: 1).error == 0)
                try await TestClient.with(server.port) { client async throws in
                    #expect(try await client.upload(all[0]) == 0)
                    let request = ClassicRequest.syncFile(SyncFileRequest(md5: all[0].md5))
                    #expect(try await other.ask(request) == .syncFile(SyncFileReply(error: 1012)))
                    guard case .syncFile(let reply) = try await client.ask(request) else { throw TestClient.Closed() }
                    #expect(reply.seq == 1)
                }
            }
        }
    }
}

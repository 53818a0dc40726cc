import AvatarCore
import Foundation
import PosixFiles
import ServerRuntime
import ServerStores
import Testing
import TransferMachines
import WireProtocol

/// What an operator does with users, on every store, while a server runs on it.
@Suite struct UserAdministrationTests {
    private let user: UserID
    private let other: UserID
    private let stranger: UserID

    init() throws {
        user = try #require(UserID(Int64(1019)))
        other = try #require(UserID(Int64(1020)))
        stranger = try #require(UserID(Int64(77)))
    }

    private func files(_ backend: TestBackend) -> UserFiles { UserFiles(root: backend.root, sync: .none) }

    @Test(arguments: StoreKind.allCases) func usersAreListedPageByPageLowestFirst(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let users = try backend.administration()
            #expect(try users.users(after: nil, limit: 10).map(\.uid) == [user, other])
            #expect(try users.users(after: nil, limit: 1).map(\.uid) == [user])
            #expect(try users.users(after: user, limit: 1).map(\.uid) == [other])
            #expect(try users.users(after: other, limit: 1) == [])
            let first = try #require(try users.users(after: nil, limit: 1).first)
            #expect(first.name == "user 1019")
            #expect(first.hasToken)
            #expect(try users.revokeToken(of: user) == .ended)
            #expect(try users.users(after: nil, limit: 10).map(\.hasToken) == [false, true])
        }
    }

    @Test(arguments: StoreKind.allCases) func aRevokedTokenIsNotValidAnyMore(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let users = try backend.administration()
            #expect(try users.revokeToken(of: user) == .ended)
            #expect(try backend.users.checkToken("token-1019", of: user) == .unknownUser)
            #expect(try backend.users.checkToken("token-1020", of: other) == .valid)
            #expect(try users.revokeToken(of: user) == .hadNone)
            #expect(try users.revokeToken(of: stranger) == .unknownUser)
            try backend.replaceToken(of: 1019, with: "fresh")
            #expect(try backend.users.checkToken("fresh", of: user) == .valid)
        }
    }

    /// Another connection asks the store at once; the one that has shown the token is trusted a little longer.
    @Test(arguments: StoreKind.allCases) func aRunningServerTakesARevokedTokenNoLonger(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(100), 1019, "mine.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.download("mine.png", seq: 1).error == 0)
                #expect(try server.backend.administration().revokeToken(of: user) == .ended)
                try await TestClient.with(server.port) { another async throws in
                    #expect(try await another.download("mine.png", seq: 1).error == 1011)
                }
                var error = 0
                while error == 0 { error = try await client.download("mine.png", seq: 1).error }
                #expect(error == 1011)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func aRemovedUserLeavesNothing(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            let backend = server.backend
            try server.place(pattern(10), 1020, "theirs.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(5000), name: "icon.png")) == 0)
                let unfinished = try chunks(of: pattern(8000), name: "half.png")
                #expect(try await client.upload(unfinished[0]) == 0)
                let removal = UserRemoval(try backend.administration(), files(backend))
                let outcome = try removal.remove(user, keepingFiles: false)
                #expect(outcome.account == (kind == .embedded ? .removed : .emptied))
                #expect(outcome.unfinishedUploads == 1)
                #expect(outcome.files == UserFiles.Usage(files: 1, bytes: 5000))
                #expect(!outcome.isFolderLeft)
                // The upload that was under way ends here: its part is gone, and to begin again needs a token.
                #expect(try await client.upload(unfinished[1]) != 0)
            }
            #expect(
                !FileManager.default.fileExists(atPath: server.file(1019, "icon.png").deletingLastPathComponent().path))
            let parts = try FileManager.default.contentsOfDirectory(atPath: backend.root + "/.parts")
            #expect(parts == [])
            #expect(try backend.users.users(withIcon: AvatarName("icon.png")) == [])
            #expect(try backend.users.checkToken("token-1019", of: user) == .unknownUser)
            let stores = try backend.stores()
            let range = try stores.avatars.logRange()
            let last = try #require(try stores.avatars.changes(after: range.newest - 1, limit: 1).first)
            #expect(last.user == user && last.avatar == nil)
            let half = ResourceKey(owner: user, name: try AvatarName("half.png"))
            let icon = ResourceKey(owner: user, name: try AvatarName("icon.png"))
            #expect(try stores.progress.record(of: half) == nil)
            #expect(try stores.progress.record(of: icon) == nil)
            // Nobody else has lost anything.
            #expect(server.bytes(1020, "theirs.png") == pattern(10))
            #expect(try backend.users.checkToken("token-1020", of: other) == .valid)
        }
    }

    @Test(arguments: StoreKind.allCases) func filesAreKeptWhereThatIsAsked(kind: StoreKind) async throws {
        try await TestServer.with(kind) { server async throws in
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(try chunks(of: pattern(5000), name: "icon.png")) == 0)
            }
            let backend = server.backend
            let outcome = try UserRemoval(try backend.administration(), files(backend)).remove(user, keepingFiles: true)
            #expect(outcome.files.files == 0)
            #expect(server.bytes(1019, "icon.png") == pattern(5000))
            #expect(try files(backend).usage(of: user) == UserFiles.Usage(files: 1, bytes: 5000))
            #expect(try backend.users.users(withIcon: AvatarName("icon.png")) == [])
        }
    }

    @Test(arguments: StoreKind.allCases) func whatIsLeftOfAUserIsRemovedByTheSameCallAgain(kind: StoreKind) async throws
    {
        try await TestServer.with(kind) { server async throws in
            try server.place(pattern(10), 77, "left.png")
            let removal = UserRemoval(try server.backend.administration(), files(server.backend))
            let outcome = try removal.remove(stranger, keepingFiles: false)
            #expect(outcome.account == .unknownUser && outcome.files.files == 1 && !outcome.isNothing)
            #expect(try removal.remove(stranger, keepingFiles: false).isNothing)
        }
    }

    /// A folder, and a link that leads elsewhere, are no files of the server's.
    @Test func whatIsNoFileOfTheServersStays() async throws {
        try await TestServer.with { server async throws in
            try server.place(pattern(10), 1019, "a.png")
            let outside = server.folder.appendingPathComponent("outside")
            try Data(pattern(10)).write(to: outside)
            let link = server.file(1019, "link.png")
            try FileManager.default.createSymbolicLink(at: link, withDestinationURL: outside)
            let backend = server.backend
            let outcome = try UserRemoval(try backend.administration(), files(backend)).remove(
                user, keepingFiles: false)
            #expect(outcome.files.files == 1 && outcome.isFolderLeft)
            #expect(FileManager.default.fileExists(atPath: outside.path))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == outside.path)
        }
    }
}

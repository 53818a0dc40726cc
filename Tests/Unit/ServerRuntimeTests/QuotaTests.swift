import AvatarCore
import Foundation
import ServerRuntime
import ServerStores
import Synchronization
import Testing
import TransferMachines
import WireProtocol

/// `quota.bytesPerUser`: what a user has stored and what the user has begun never exceed it.
@Suite struct QuotaTests {
    private let quota: Int64 = 100_000

    @Test(arguments: StoreKind.allCases) func uploadsBegunSideBySideAndThenFinishedStayWithinTheQuota(
        kind: StoreKind
    ) async throws {
        try await TestServer.with(kind, ServerSettings(quotaBytesPerUser: quota)) { server async throws in
            let uploads = try (0..<8).map { try chunks(of: pattern(56_528), name: "\($0).png") }
            try await TestClient.with(server.port) { client async throws in
                var begun: [[UploadChunk]] = []
                for upload in uploads {
                    let error = try await client.upload(upload[0])
                    #expect(error == (begun.isEmpty ? 0 : 1015))
                    if error == 0 { begun.append(upload) }
                }
                for upload in begun { #expect(try await client.upload(Array(upload[1...])) == 0) }
            }
            #expect(stored(server) == 56_528)
        }
    }

    /// Many connections begin at the same moment: a check and a begin are one step.
    @Test(arguments: StoreKind.allCases) func connectionsThatBeginAtOnceStayWithinTheQuota(kind: StoreKind) async throws
    {
        try await TestServer.with(kind, ServerSettings(quotaBytesPerUser: quota)) { server async throws in
            let uploads = try (0..<8).map { try chunks(of: pattern(40_000), name: "\($0).png") }
            let taken = try await withThrowingTaskGroup(of: Bool.self) { group in
                for upload in uploads {
                    group.addTask {
                        let isTaken = Mutex(false)
                        try await TestClient.with(server.port) { client async throws in
                            let error = try await client.upload(upload)
                            isTaken.withLock { $0 = error == 0 }
                        }
                        return isTaken.withLock { $0 }
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(taken >= 1)
            #expect(stored(server) == taken * 40_000)
            #expect(stored(server) <= Int(quota))
        }
    }

    /// An upload that ends, is refused, or loses its connection leaves its bytes to others.
    @Test(arguments: StoreKind.allCases) func whatAnUploadReservedIsFreeWhenItEnds(kind: StoreKind) async throws {
        try await TestServer.with(kind, ServerSettings(quotaBytesPerUser: quota)) { server async throws in
            let first = try chunks(of: pattern(60_000), name: "a.png")
            let second = try chunks(of: pattern(60_000), name: "b.png")
            try await TestClient.with(server.port) { client async throws in
                #expect(try await client.upload(first[0]) == 0)
                #expect(try await client.upload(second[0]) == 1015)
            }
            // The server hears of the close on its own: ask until it has.
            try await TestClient.with(server.port) { client async throws in
                var error = try await client.upload(second[0])
                let deadline = ContinuousClock.now + .seconds(10)
                while error == 1015, ContinuousClock.now < deadline { error = try await client.upload(second[0]) }
                #expect(error == 0)
                // The first goes on from here, and whichever ends second does not fit any more.
                #expect(try await client.upload(Array(second[1...])) == 0)
                #expect(try await client.upload(Array(first[1...])) == 1015)
                #expect(stored(server) == 60_000)
                // It was discarded: nothing is left of it.
                #expect(try await client.upload(first[29]) == 1020)
                #expect(try await client.upload(try chunks(of: pattern(30_000), name: "c.png")) == 0)
            }
            #expect(stored(server) == 90_000)
            #expect(try FileManager.default.contentsOfDirectory(atPath: server.folder.path + "/files/.parts").isEmpty)
        }
    }

    /// Two instances know nothing of each other's reservations: the check at the end holds the quota for both.
    @Test func twoInstancesTogetherStayWithinTheQuota() async throws {
        try await TestBackend.with(.cluster) { backend async throws in
            let settings = ServerSettings(quotaBytesPerUser: quota)
            try await TestServer.with(backend, settings) { one async throws in
                try await TestServer.with(backend, settings) { two async throws in
                    try await TestClient.with(one.port) { first async throws in
                        try await TestClient.with(two.port) { second async throws in
                            let a = try chunks(of: pattern(60_000), name: "a.png")
                            let b = try chunks(of: pattern(60_000), name: "b.png")
                            #expect(try await first.upload(a[0]) == 0)
                            #expect(try await second.upload(b[0]) == 0)
                            #expect(try await second.upload(Array(b[1...])) == 0)
                            #expect(try await first.upload(Array(a[1...])) == 1015)
                        }
                    }
                    #expect(stored(one) == 60_000)
                }
            }
        }
    }

    private func stored(_ server: TestServer) -> Int {
        let folder = server.folder.path + "/files/1019"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.reduce(0) { $0 + (server.bytes(1019, $1)?.count ?? 0) }
    }
}

import AvatarCore
import Foundation
import ServerRuntime
import Synchronization
import Testing
import TransferMachines

/// What every store must do, whatever it stands on.
@Suite struct StoreContractTests {
    private let user: UserID
    private let other: UserID
    private let stranger: UserID

    init() throws {
        user = try #require(UserID(Int64(1019)))
        other = try #require(UserID(Int64(1020)))
        stranger = try #require(UserID(Int64(77)))
    }

    private func record(
        _ name: String, _ id: UInt64, owner: UserID? = nil, md5: String = "00112233445566778899aabbccddeeff"
    ) throws -> UploadRecord {
        UploadRecord(
            key: ResourceKey(owner: owner ?? user, name: try AvatarName(name)), uploadID: UploadID(high: 0, low: id),
            md5: try #require(MD5Digest(hex: md5)), totalSize: 5000, chunkSize: 2048)
    }

    @Test(arguments: StoreKind.allCases) func aTokenIsItsUsersOrNobodys(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let users = try backend.users
            #expect(try users.checkToken("token-1019", of: user) == .valid)
            #expect(try users.checkToken("token-1020", of: user) == .wrong)
            #expect(try users.checkToken("", of: user) == .wrong)
            #expect(try users.checkToken("token-1019", of: stranger) == .unknownUser)
        }
    }

    @Test(arguments: StoreKind.allCases) func aRecordComesBackAsItWasInAnotherInstanceToo(kind: StoreKind) async throws
    {
        try await TestBackend.with(kind) { backend async throws in
            for name in ["a.png", "with:colon and space", "头像.png", "100%s\"quote'"] {
                let record = try record(name, 1)
                let progress = try backend.stores().progress
                #expect(try progress.record(of: record.key) == nil)
                try progress.save(record)
                try progress.advance(record, held: 2048)
                #expect(try progress.record(of: record.key) == record)
                var complete = record
                complete.isComplete = true
                try progress.save(complete)
                #expect(try backend.stores().progress.record(of: record.key) == complete)
            }
        }
    }

    @Test(arguments: StoreKind.allCases) func theSameNameOfTwoUsersIsTwoRecords(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let progress = try backend.stores().progress
            let (mine, theirs) = (try record("a.png", 1), try record("a.png", 2, owner: other))
            try progress.save(mine)
            try progress.save(theirs)
            #expect(try progress.record(of: mine.key) == mine)
            #expect(try progress.record(of: theirs.key) == theirs)
        }
    }

    @Test(arguments: StoreKind.allCases) func aNewUploadTakesTheOldOnesPlaceAndOnlyItsOwnRecordIsRemoved(
        kind: StoreKind
    ) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let progress = try backend.stores().progress
            let (old, new) = (try record("a.png", 1), try record("a.png", 2))
            try progress.save(old)
            try progress.save(new)
            try progress.remove(old)
            #expect(try progress.record(of: new.key) == new)
            try progress.remove(new)
            #expect(try progress.record(of: new.key) == nil)
        }
    }

    @Test(arguments: StoreKind.allCases) func recordsAreFoundByMD5AtMostTwo(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let progress = try backend.stores().progress
            let first = try record("a.png", 1)
            #expect(try progress.records(md5: first.md5) == [])
            try progress.save(first)
            #expect(try progress.records(md5: first.md5) == [first])
            // The same name with another content is found by the other content only.
            let changed = try record("a.png", 2, md5: "ffffffffffffffffffffffffffffffff")
            try progress.save(changed)
            #expect(try progress.records(md5: first.md5) == [])
            #expect(try progress.records(md5: changed.md5) == [changed])
            for index in 0..<3 { try progress.save(try record("\(index).png", 3)) }
            #expect(try progress.records(md5: first.md5).count == 2)
        }
    }

    @Test(arguments: StoreKind.allCases) func unfinishedUploadsAreCountedPerUser(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let progress = try backend.stores().progress
            for index in 0..<3 { try progress.save(try record("\(index).png", 1)) }
            var done = try record("0.png", 1)
            done.isComplete = true
            try progress.save(done)
            try progress.save(try record("0.png", 1, owner: other))
            let (one, another) = (try record("1.png", 1).key, try record("9.png", 1).key)
            #expect(try progress.unfinishedCount(of: user, besides: one) == 1)
            #expect(try progress.unfinishedCount(of: user, besides: another) == 2)
        }
    }

    @Test(arguments: StoreKind.allCases) func anUploadEndsAfterItsHour(kind: StoreKind) async throws {
        try await TestBackend.with(kind) { backend async throws in
            let record = try record("a.png", 1)
            try backend.stores().progress.save(record)
            if let redis = backend.redis {
                let life = try #require(Int(try redis.command(["TTL", "avatard:upload:1019:a.png"]).dropLast()))
                #expect((3590...3600).contains(life))
                try redis.command(["EXPIRE", "avatard:upload:1019:a.png", "0"])
            }
            backend.secondsAhead.withLock { $0 = 3601 }
            let progress = try backend.stores().progress
            #expect(try progress.record(of: record.key) == nil)
            #expect(try progress.records(md5: record.md5) == [])
            #expect(try progress.unfinishedCount(of: user, besides: self.record("b.png", 2).key) == 0)
        }
    }
}

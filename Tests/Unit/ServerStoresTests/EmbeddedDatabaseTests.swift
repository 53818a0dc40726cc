import AvatarCore
import Foundation
import ServerStores
import Testing
import TransferMachines

@Suite struct EmbeddedDatabaseTests {
    @Test func tokensAreKeptOnlyAsDigests() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-stores-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("db.sqlite").path
        let users = EmbeddedUsers(try EmbeddedDatabase(path: path, isDurable: true))
        let user = try #require(UserID(7))
        #expect(try users.add(user, name: "seven", token: "very-secret-token"))
        #expect(try users.checkToken("very-secret-token", of: user) == .valid)
        for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
            let bytes = try Data(contentsOf: folder.appendingPathComponent(file))
            #expect(bytes.range(of: Data("very-secret-token".utf8)) == nil)
        }
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    /// 0 off, 1 normal, 2 full: GRDB sets it to 1 together with the journal mode, and a token or an icon would not survive a power cut.
    @Test(arguments: [(true, 2), (false, 0)])
    func storageSyncIsWhatSQLiteDoes(isDurable: Bool, level: Int) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-stores-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("db.sqlite").path
        let database = try EmbeddedDatabase(path: path, isDurable: isDurable)
        #expect(try database.synchronousLevel() == level)
        // An upload may be lost to a power cut, and what comes after it may not.
        let key = ResourceKey(owner: UserID(7), name: try AvatarName("a.png"))
        let md5 = try #require(MD5Digest(hex: "00112233445566778899aabbccddeeff"))
        try EmbeddedProgress(database, secondsSince1970: { 1_000_000 }).save(
            UploadRecord(key: key, uploadID: UploadID(high: 0, low: 1), md5: md5, totalSize: 10, chunkSize: 10))
        #expect(try database.synchronousLevel() == level)
    }

    @Test func moreUploadsThanMemoryHoldsAreFoundInTheFile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-stores-\(UUID())")
        defer { try? FileManager.default.removeItem(at: folder) }
        let database = try EmbeddedDatabase(
            path: folder.appendingPathComponent("db.sqlite").path, isDurable: false)
        let progress = try EmbeddedProgress(database, secondsSince1970: { 1_000_000 })
        let user = try #require(UserID(7))
        let md5 = try #require(MD5Digest(hex: "00112233445566778899aabbccddeeff"))
        var records: [UploadRecord] = []
        for index in 0...Limits.Server.uploadsInMemoryMax {
            let key = ResourceKey(owner: user, name: try AvatarName("\(index).png"))
            // All but the first two are done.
            records.append(
                UploadRecord(
                    key: key, uploadID: UploadID(high: 0, low: UInt64(index)), md5: md5, totalSize: 10, chunkSize: 10,
                    isComplete: index > 1))
            try progress.save(records[index])
        }
        let again = try EmbeddedProgress(database, secondsSince1970: { 1_000_000 })
        for store in [progress, again] {
            for record in [records[0], records[1], records[records.count - 1]] {
                #expect(try store.record(of: record.key) == record)
            }
            #expect(try store.unfinishedCount(of: user, besides: records[0].key) == 1)
        }
    }
}

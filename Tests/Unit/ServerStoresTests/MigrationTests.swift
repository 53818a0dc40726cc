import AvatarCore
import Foundation
import GRDB
import ServerRuntime
import Testing

@testable import ServerStores

@Suite struct MigrationTests {
    @Test func aDatabaseOfTheFirstVersionKeepsItsUsersAndGetsALog() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("avatar-stores-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let path = folder.appendingPathComponent("db.sqlite").path
        do {
            let old = try DatabaseQueue(path: path)
            try EmbeddedDatabase.migrations.migrate(old, upTo: "1 users and uploads")
            try old.write { try $0.execute(sql: "INSERT INTO user (uid, icon) VALUES (7, 'a.png')") }
            try old.close()
        }
        let database = try EmbeddedDatabase(path: path, isDurable: false)
        let user = try #require(UserID(Int64(7)))
        #expect(try EmbeddedUsers(database).icon(of: user) == "a.png")
        let avatars = EmbeddedAvatars(database)
        #expect(try avatars.current(of: user) == CurrentIcon(name: "a.png", record: nil))
        let range = try avatars.logRange()
        #expect(range.epoch.count == 16)
        #expect(range == ChangeLogRange(epoch: range.epoch, oldest: 1, newest: 0))
    }
}

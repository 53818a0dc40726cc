import AvatarCore
import EmbeddedStores
import Foundation
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
}

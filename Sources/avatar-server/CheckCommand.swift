import ArgumentParser
import AvatarCore
import Foundation
import ProgramSupport
import ServerRuntime
import ServerStores

/// `avatar-server check`: tests everything that `serve` needs, and says what to do about each fault.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks configuration, folder, permissions and stores; changes nothing.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws { try SingleThreadExecutor.run { try await check() } }

    private func check() async throws {
        let settings = try options.settings()
        print("ok    configuration")
        var problems = 0
        func report(_ what: String, _ problem: String?, remedy: String) {
            guard let problem else { return print("ok    \(what)") }
            problems += 1
            print("FAIL  \(what): \(problem)\n      \(remedy)")
        }
        report(
            "folder \(settings.storageRoot)", FolderFileStore.problem(root: settings.storageRoot),
            remedy: "see storage.root; make it, and give it to the user that runs the server: chown it, chmod 0700")
        switch settings.storesKind {
        case .embedded:
            report(
                "database \(settings.sqliteFile)", EmbeddedDatabase.problem(path: settings.sqliteFile),
                remedy: "see stores.sqliteFile; its folder must belong to the user that runs the server")
        case .cluster:
            let health = Cluster(redis: settings.redis, mysql: settings.mysql).health()
            report("Redis", health.redis, remedy: "see redis.host, redis.port, redis.socket and redis.password")
            report(
                "MariaDB, table user", health.mysql,
                remedy: "see mysql.…; the user needs SELECT and UPDATE on the table user with its eight columns")
        }
        report(
            "chunk and body sizes", sizesProblem(settings),
            remedy: "raise classic.bodyBytesMax, or lower classic.chunkBytes to what clients send")
        if problems > 0 { throw Failure.unavailable }
    }

    /// Clients upload with chunks of the size that they download with, as a rule.
    private func sizesProblem(_ settings: ServerSettings) -> String? {
        let needed = (settings.classicChunkBytes + 2) / 3 * 4 + Limits.Server.uploadFieldsBytes
        guard needed > settings.classicBodyBytesMax else { return nil }
        return "an upload with classic.chunkBytes \(settings.classicChunkBytes) needs bodies of some \(needed) bytes, "
            + "classic.bodyBytesMax is \(settings.classicBodyBytesMax)"
    }
}

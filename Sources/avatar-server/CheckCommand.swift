import ArgumentParser
import AvatarCore
import Foundation
import HTTPFront
import PosixFiles
import ProgramSupport
import ServerRuntime
import ServerStores

/// `avatar-server check`: tests everything that `serve` needs, and says what to do about each fault.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Checks configuration, folder, permissions, stores and certificate; changes nothing.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws { try SingleThreadExecutor.run { try await check() } }

    private func check() async throws {
        let settings = try options.settings()
        var report = Report()
        report.add("configuration", nil, remedy: "")
        report.add(
            "folder \(settings.storageRoot)", FolderFileStore.problem(root: settings.storageRoot),
            remedy: "see storage.root; make it, and give it to the user that runs the server: chown it, chmod 0700")
        switch settings.storesKind {
        case .embedded:
            report.add(
                "database \(settings.sqliteFile)", EmbeddedDatabase.problem(path: settings.sqliteFile),
                remedy: "see stores.sqliteFile; its folder must belong to the user that runs the server")
        case .cluster: Self.check(Cluster(redis: settings.redis, mysql: settings.mysql), &report)
        }
        if let files = settings.http.tls { Self.check(files, &report) }
        if let socket = settings.http.socket {
            report.add(
                "socket \(socket)", FrontSocket.problem(socket),
                remedy:
                    "see http.listen.socket; its folder must be there, and the server's user must be able to write there"
            )
        }
        report.add(
            "chunk and body sizes", sizesProblem(settings),
            remedy: "raise classic.bodyBytesMax, or lower classic.chunkBytes to what clients send")
        if report.problems > 0 { throw Failure.unavailable }
    }

    /// What was looked at, a line for each, and what to do about what is wrong.
    private struct Report {
        private(set) var problems = 0

        mutating func add(_ what: String, _ problem: String?, remedy: String) {
            guard let problem else { return print("ok    \(what)") }
            problems += 1
            print("FAIL  \(what): \(problem)\n      \(remedy.replacing("\n", with: "\n      "))")
        }
    }

    private static func check(_ cluster: Cluster, _ report: inout Report) {
        let health = cluster.health()
        report.add("Redis", health.redis, remedy: "see redis.host, redis.port, redis.socket and redis.password")
        report.add(
            "MariaDB, table user", health.mysql,
            remedy: "see mysql.…; the user needs SELECT and UPDATE on the table user with its eight columns")
        // A database that does not answer has been reported.
        guard let missing = try? cluster.missingRights() else { return }
        let words = missing.map { "\($0.rights.joined(separator: ", ")) on \($0.table)" }
        report.add(
            "MariaDB, rights", missing.isEmpty ? nil : "the user may not do " + words.joined(separator: "; "),
            remedy: "type, as an administrator of the database:\n" + missing.map(\.grant).joined(separator: "\n"))
    }

    private static func check(_ files: ServerSettings.HTTP.TLS, _ report: inout Report) {
        let what = "certificate \(files.certificateFile)"
        let pair: CertificatePair
        do throws(CertificatePair.Fault) {
            pair = try CertificatePair(reading: files)
        } catch {
            return report.add(what, "\(error.key): \(error.reason)", remedy: error.remedy)
        }
        let now = SystemClock().wall
        let (begins, ends) = (SystemClock.rfc3339(pair.begins), SystemClock.rfc3339(pair.ends))
        let remedy = "put a valid one and its key there; a server that runs takes it without a restart"
        if now < pair.begins {
            report.add(what, "it is not valid before \(begins)", remedy: "look at this machine's clock, or " + remedy)
        } else if now >= pair.ends {
            report.add(what, "it has expired, at \(ends)", remedy: remedy)
        } else {
            let days = (pair.ends.milliseconds - now.milliseconds) / (24 * 60 * 60 * 1000)
            report.add("\(what), valid until \(ends), \(days) days left", nil, remedy: remedy)
        }
    }

    /// Clients upload with chunks of the size that they download with, as a rule.
    private func sizesProblem(_ settings: ServerSettings) -> String? {
        let needed = (settings.classicChunkBytes + 2) / 3 * 4 + Limits.Server.uploadFieldsBytes
        guard needed > settings.classicBodyBytesMax else { return nil }
        return "an upload with classic.chunkBytes \(settings.classicChunkBytes) needs bodies of some \(needed) bytes, "
            + "classic.bodyBytesMax is \(settings.classicBodyBytesMax)"
    }
}

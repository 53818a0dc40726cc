import ArgumentParser
import AvatarCore
import Foundation
import Glibc
import PosixFiles
import ProgramSupport
import ServerRuntime
import ServerStores

extension UserCommand {
    /// `avatar-server user list`
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Lists users: uid, name, icon, token, bytes of the icon's picture, files, bytes of all files.",
            discussion:
                "On a terminal it is a table with sizes as people read them; else a line with tabs for each user.")
        @OptionGroup var options: ConfigurationOptions

        func run() throws { try SingleThreadExecutor.run { try await list() } }

        private func list() async throws {
            let (users, files) = try openAdministration(try options.settings())
            let isTerminal = isatty(STDOUT_FILENO) == 1
            var last: UserID?
            var table = UserTable()
            while true {
                let after = last
                let page = try doing { () throws(StoreError) in
                    try users.users(after: after, limit: Limits.Server.usersPerPage)
                }
                for user in page {
                    let row = try doing { () throws(StoreError) in try UserTable.Row(user, files) }
                    if isTerminal { table.rows.append(row) } else { print(row.tabbed) }
                }
                last = page.last?.uid
                if page.count < Limits.Server.usersPerPage { break }
            }
            for line in isTerminal ? table.lines : [] { print(line) }
        }
    }

    /// `avatar-server user revoke`
    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Ends a user's token without giving another.")
        @OptionGroup var argument: UserArgument
        @OptionGroup var options: ConfigurationOptions

        func run() throws { try SingleThreadExecutor.run { try await revoke() } }

        private func revoke() async throws {
            let user = try argument.user()
            let settings = try options.settings()
            let (users, _) = try openAdministration(settings)
            switch try doing({ () throws(StoreError) in try users.revokeToken(of: user) }) {
            case .ended:
                let seconds = Limits.Server.tokenTrust.components.seconds
                print("the token of user \(user) is not valid any more")
                print("a server that runs begins nothing with it after \(seconds) s; what has begun goes on to its end")
                if settings.storesKind == .cluster { print("the chat system may give the user another one") }
            case .hadNone: print("user \(user) has no token")
            case .unknownUser: throw unknown(user)
            }
        }
    }

    /// `avatar-server user remove`
    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Removes a user with token, icon, unfinished uploads and files.",
            discussion: """
                A server may run meanwhile. With the cluster's stores the account stays, since the chat system alone removes it. \
                What was cut short is finished by the same command again.
                """)
        @OptionGroup var argument: UserArgument
        @Flag(help: "Leave the user's files where they are.") var keepFiles = false
        @OptionGroup var options: ConfigurationOptions

        func run() throws { try SingleThreadExecutor.run { try await remove() } }

        private func remove() async throws {
            let user = try argument.user()
            let settings = try options.settings()
            let (users, files) = try openAdministration(settings)
            let outcome = try doing { () throws(StoreError) in
                try UserRemoval(users, files).remove(user, keepingFiles: keepFiles)
            }
            if outcome.isNothing { throw unknown(user) }
            switch outcome.account {
            case .removed: print("user \(user) is removed, with token and icon")
            case .emptied:
                print(
                    "user \(user) has no token and no icon any more; the account stays, since it is the chat system's")
            case .unknownUser: print("there is no user \(user), but something was left of one")
            }
            if outcome.unfinishedUploads > 0 {
                print("removed \(counted(outcome.unfinishedUploads, "unfinished upload"))")
            }
            let folder = "\(settings.storageRoot)/\(user)"
            if keepFiles {
                let kept = try doing { () throws(StoreError) in try files.usage(of: user) }
                print("kept \(counted(kept.files, "file")) (\(ByteCount(Int(kept.bytes)))) in \(folder)")
                return
            }
            print(
                "removed \(counted(outcome.files.files, "file")) (\(ByteCount(Int(outcome.files.bytes)))) from \(folder)"
            )
            if outcome.isFolderLeft { print("\(folder) stays: something lies there that is no file of the server's") }
        }
    }
}

private func counted(_ count: Int, _ what: String) -> String { "\(count) \(what)\(count == 1 ? "" : "s")" }

private func unknown(_ user: UserID) -> any Error {
    Failure.say("there is no user \(user); `avatar-server user list` shows those that there are")
    return Failure.refused
}

/// Opens what is administered; makes nothing.
private func openAdministration(_ settings: ServerSettings) throws -> (any UserAdministration, UserFiles) {
    let isDurable = settings.storageSync == .full
    let files = UserFiles(root: settings.storageRoot, sync: isDurable ? DiskSync() : .none)
    switch settings.storesKind {
    case .embedded:
        let database = try doing { () throws(StoreError) in
            try EmbeddedDatabase(path: settings.sqliteFile, isDurable: isDurable, making: false)
        }
        return (EmbeddedAdministration(database), files)
    case .cluster:
        let users = ClusterAdministration(
            Cluster(redis: settings.redis, mysql: settings.mysql), root: settings.storageRoot,
            secondsSince1970: { Int64(Date().timeIntervalSince1970) })
        return (users, files)
    }
}

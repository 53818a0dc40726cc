import ArgumentParser
import AvatarCore
import Foundation
import PosixFiles
import ProgramSupport
import ServerRuntime
import ServerStores

/// `avatar-server rebuild`
struct RebuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild",
        abstract: "Records digest, size and type of users' avatars from their files; servers may run meanwhile.",
        discussion: """
            Whatever another server has put there is recorded, and so is everything after a loss of the records; those that fit \
            stay as they are. Each avatar that is recorded is a change in the log, of which followers are told.
            """)

    @Flag(help: "Read every avatar's file, also where the record fits its inode, size and time of change.") var all =
        false
    @OptionGroup var options: ConfigurationOptions

    func run() throws { try SingleThreadExecutor.run { try await rebuild() } }

    private func rebuild() async throws {
        let (users, rebuild) = try open(try options.settings())
        var counts: [RecordRebuild.Finding.Kind: Int] = [:]
        var last: UserID?
        while true {
            let after = last
            let page = try doing { () throws(StoreError) in
                try users.users(after: after, limit: Limits.Server.usersPerPage)
            }
            for user in page {
                let finding = try doing { () throws(StoreError) in try rebuild.rebuild(user.uid, icon: user.icon) }
                counts[finding.kind, default: 0] += 1
                if let words = finding.words(of: user.uid) { print(words) }
            }
            last = page.last?.uid
            if page.count < Limits.Server.usersPerPage { break }
        }
        func count(_ kind: RecordRebuild.Finding.Kind) -> Int { counts[kind] ?? 0 }
        print(
            "recorded \(count(.recorded)), mended \(count(.mended)), right \(count(.right)), without an avatar "
                + "\(count(.none)), failed \(count(.failed))")
        if count(.failed) > 0 { throw Failure.noInput }
    }

    /// Opens stores that are there; the tables of the records are made where they are missing.
    private func open(_ settings: ServerSettings) throws -> (any UserAdministration, RecordRebuild) {
        if let problem = FolderFileStore.problem(root: settings.storageRoot) {
            Failure.say("the folder \(settings.storageRoot): \(problem)")
            throw Failure.unavailable
        }
        let isDurable = settings.storageSync == .full
        return try doing { () throws(StoreError) in
            let files = try FolderFileStore(root: settings.storageRoot, sync: isDurable ? DiskSync() : .none)
            switch settings.storesKind {
            case .embedded:
                let database = try EmbeddedDatabase(path: settings.sqliteFile, isDurable: isDurable, making: false)
                return (
                    EmbeddedAdministration(database),
                    RecordRebuild(EmbeddedAvatars(database), files, readsAll: all)
                )
            case .cluster:
                let cluster = Cluster(redis: settings.redis, mysql: settings.mysql)
                let users = ClusterAdministration(
                    cluster, root: settings.storageRoot, secondsSince1970: { Int64(Date().timeIntervalSince1970) })
                return (users, RecordRebuild(ClusterAvatars(cluster), files, readsAll: all))
            }
        }
    }
}

extension RecordRebuild.Finding {
    fileprivate enum Kind: Hashable {
        case right
        case recorded
        case mended
        case none
        case failed
    }

    fileprivate var kind: Kind {
        switch self {
        case .right: .right
        case .recorded: .recorded
        case .mended: .mended
        case .none: .none
        case .missing, .unreadable, .changing: .failed
        }
    }

    /// What a person has to know of it.
    fileprivate func words(of user: UserID) -> String? {
        switch self {
        case .right, .recorded, .none: nil
        case .mended: "user \(user): the record had another digest than the file"
        case .missing(let name): "user \(user): the avatar \(name.string) is not there; nobody is shown it"
        case .unreadable(let name, let cause): "user \(user): the avatar \(name.string) cannot be read: \(cause)"
        case .changing(let name):
            "user \(user): the avatar \(name.string) was replaced while it was read; run this again"
        }
    }
}

internal import AvatarCore
internal import Foundation
internal import PosixFiles
internal import Synchronization

/// A login made over the bus, kept in the state directory (0600): it beats the YAML file, never flags or environment.
final class LoginStore: Sendable {
    /// What the file holds, as JSON.
    private struct Kept: Codable {
        var host: String
        var port: Int
        /// The base URL, which names host and port too, of a server that is spoken to in HTTP.
        var url: String?
        var uid: Int64
        var token: String
    }

    private static let fileName = "login.json"
    let stateDirectory: String
    /// The file.
    var path: String { stateDirectory + "/" + Self.fileName }
    /// What the file holds, or held before somebody removed it.
    private let kept = Mutex<Account?>(nil)

    init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// The kept login; the manners are the configuration's to say.
    ///
    /// One whose file is gone since is still kept: it went with the state folder, which is made anew (``restore()``), and only ``remove()``
    /// ends it.
    func load(_ manners: ServerManners) throws(TokenFile.Fault) -> Account? {
        if let account = try read(manners) {
            kept.withLock { $0 = account }
            return account
        }
        return kept.withLock { $0 }?.with(manners)
    }

    private func read(_ manners: ServerManners) throws(TokenFile.Fault) -> Account? {
        let facts: FileFacts
        let bytes: [UInt8]
        do throws(PosixError) {
            let file = try OpenFile.open(path: path)
            facts = try file.facts()
            bytes = try file.read(at: 0, count: Limits.Token.bytesMax * 2)
        } catch {
            if error.isMissing { return nil }
            throw TokenFile.Fault(
                description: "the kept login cannot be used: \(error)", isOfKeptLogin: true)
        }
        guard facts.permissions & 0o077 == 0 else {
            throw TokenFile.Fault(description: "the kept login \(path) can be read by others", isOfKeptLogin: true)
        }
        guard let kept = try? JSONDecoder().decode(Kept.self, from: Data(bytes)), let uid = UserID(kept.uid),
            (1...65_535).contains(kept.port), let host = try? HostPort(kept.host).host
        else {
            throw TokenFile.Fault(description: "the kept login \(path) makes no sense", isOfKeptLogin: true)
        }
        var server = ServerAddress(host: host, port: kept.port, manners: manners)
        if let text = kept.url {
            guard let url = try? ServerURL(text) else {
                throw TokenFile.Fault(description: "the kept login \(path) makes no sense", isOfKeptLogin: true)
            }
            server = ServerAddress(url: url, manners: manners)
        }
        return Account(server: server, uid: uid, token: kept.token)
    }

    /// Writes the kept login again where its file is gone, as after the state folder was removed.
    func restore() throws {
        guard let account = kept.withLock({ $0 }) else { return }
        guard try FileFacts.lying(at: path) == nil else { return }
        try save(account)
    }

    func save(_ account: Account) throws {
        let data = try JSONEncoder().encode(
            Kept(
                host: account.server.host, port: account.server.port, url: account.server.url?.description,
                uid: account.uid.value, token: account.token))
        try Folder(path: stateDirectory).place(
            Array(data).span.bytes, at: Self.fileName, by: Self.fileName + ".new")
        kept.withLock { $0 = account }
    }

    func remove() throws {
        kept.withLock { $0 = nil }
        let folder = try Folder(path: stateDirectory)
        try folder.remove(Self.fileName)
        try folder.remove(Self.fileName + ".new")
        // A second try finds nothing to remove, and must not take that for a sync.
        try folder.markChanged()
        try folder.sync()
    }
}

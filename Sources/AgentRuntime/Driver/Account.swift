package import AvatarCore
internal import TransferMachines

/// Where the resource server is, and how to speak to it.
package struct ServerAddress: Hashable, Sendable {
    /// A host name or an address.
    package var host: String
    /// The TCP port.
    package var port: Int
    /// The base URL of a server that is spoken to in HTTP, which names host and port too; nil for the classic dialect.
    package let url: ServerURL?
    /// What the configuration says beside that.
    package var manners: ServerManners

    /// A server of the classic dialect.
    package init(host: String, port: Int, manners: ServerManners = ServerManners()) {
        (self.host, self.port, self.manners) = (host, port, manners)
        url = nil
    }

    /// A server that is spoken to in HTTP.
    package init(url: ServerURL, manners: ServerManners = ServerManners()) {
        (host, port, self.manners) = (url.host, url.port, manners)
        self.url = url
    }

    /// What tells this server from others in the catalog.
    package var key: String { url?.description ?? HostPort.text(host: host, port: port) }

    /// How the agent speaks to it, as `Status` tells it.
    package var dialect: String { url.map { $0.isSecure ? "https" : "http" } ?? "classic" }

    /// Why the agent does not speak to it without encryption, and what to do; nil where it does.
    package var plaintextRefusal: String? {
        guard !(url?.isSecure ?? false), !manners.allowsPlaintext, HostReach(host: host) == .anywhere else {
            return nil
        }
        return
            "\(key) would be spoken to without encryption, so that everybody on the way could read and use the token: "
            + "use server.url: https://…, or set server.allowPlaintext: true"
    }

    /// What a person should know of a server that is not spoken to in the open internet, but not encrypted either.
    package var plaintextWarning: String? {
        guard !(url?.isSecure ?? false), HostReach(host: host) != .loopback else { return nil }
        return "the connection to \(key) is not encrypted"
    }
}

/// How a server is spoken to, as the configuration says for all of them.
package struct ServerManners: Hashable, Sendable {
    /// Bytes in an upload's chunk: the classic wire does not tell.
    package var classicChunkBytes = Limits.Wire.classicChunkBytesDefault
    /// A file of certificates (PEM) that are trusted instead of the system's.
    package var caFile: String?
    /// The SHA-256 of the public key that the server's certificate must have, instead of an issuer that is trusted.
    package var pin: SHA256Digest?
    /// Whether a server anywhere may be spoken to without encryption.
    package var allowsPlaintext = false

    /// What holds where nothing is configured.
    package init() {}
}

/// A user's login. The token is never printed, logged or sent to anybody but the server.
package struct Account: Sendable, CustomStringConvertible {
    /// The server it is for.
    package let server: ServerAddress
    /// The user.
    package let uid: UserID
    let token: String
    /// The file that the token was read from; nil for a login over the bus.
    let tokenFile: String?

    /// A login with its secret.
    package init(server: ServerAddress, uid: UserID, token: String, tokenFile: String? = nil) {
        self.server = server
        self.uid = uid
        self.token = token
        self.tokenFile = tokenFile
    }

    /// What the machine is told of it.
    var login: Login {
        let way: Login.Way =
            server.url == nil ? .classic(uploadChunkBytes: Int64(server.manners.classicChunkBytes)) : .http
        return Login(server: server.key, uid: uid, way: way, tokenFile: tokenFile)
    }

    /// What tells whose parts and crops are whose in the catalog.
    var key: String { login.account }

    /// Whether the catalog's name of an account, which was made by ``key``, stands for this user at this host spoken to in the other way: `server.host`
    /// became `server.url`, or the other way round. The port is always another then. Whether both are one server only the token tells.
    func isOtherWay(of key: String) -> Bool {
        guard let slash = key.lastIndex(of: "/"), key[key.index(after: slash)...] == "\(uid)" else { return false }
        let place = String(key[..<slash])
        if server.url != nil { return (try? HostPort(place))?.host == server.host }
        return (try? ServerURL(place))?.host == server.host
    }

    /// Whether it is the same user at the same server with the same token from the same place.
    func isSame(as other: Account) -> Bool {
        server == other.server && uid == other.uid && token.utf8.elementsEqual(other.token.utf8)
            && tokenFile.map { ExactString($0) } == other.tokenFile.map { ExactString($0) }
    }

    /// The same login, with other manners.
    func with(_ manners: ServerManners) -> Account {
        var server = server
        server.manners = manners
        return Account(server: server, uid: uid, token: token, tokenFile: tokenFile)
    }

    package var description: String { "uid \(uid) at \(server.key)" }
}

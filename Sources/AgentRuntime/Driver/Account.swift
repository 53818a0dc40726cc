package import AvatarCore
internal import TransferMachines

/// Where the resource server is, and how to speak to it.
package struct ServerAddress: Hashable, Sendable {
    /// A host name or an address.
    package var host: String
    /// The TCP port.
    package var port: Int
    /// Bytes in an upload's chunk: the classic wire does not tell.
    package var classicChunkBytes: Int

    /// A server.
    package init(host: String, port: Int, classicChunkBytes: Int = Limits.Wire.classicChunkBytesDefault) {
        self.host = host
        self.port = port
        self.classicChunkBytes = classicChunkBytes
    }

    /// What tells this server from others in the catalog.
    package var key: String { HostPort.text(host: host, port: port) }
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
        Login(
            server: server.key, uid: uid, way: .classic(uploadChunkBytes: Int64(server.classicChunkBytes)),
            tokenFile: tokenFile)
    }

    /// What tells whose parts and crops are whose in the catalog.
    var key: String { login.account }

    /// Whether it is the same user at the same server with the same token from the same place.
    func isSame(as other: Account) -> Bool {
        server == other.server && uid == other.uid && token.utf8.elementsEqual(other.token.utf8)
            && tokenFile.map { ExactString($0) } == other.tokenFile.map { ExactString($0) }
    }

    /// The same login, with chunks of another size.
    func with(classicChunkBytes: Int) -> Account {
        var server = server
        server.classicChunkBytes = classicChunkBytes
        return Account(server: server, uid: uid, token: token, tokenFile: tokenFile)
    }

    package var description: String { "uid \(uid) at \(server.key)" }
}

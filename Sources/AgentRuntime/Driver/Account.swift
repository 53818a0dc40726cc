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

    /// A login with its secret.
    package init(server: ServerAddress, uid: UserID, token: String) {
        self.server = server
        self.uid = uid
        self.token = token
    }

    /// What the machine is told of it.
    var login: Login {
        Login(server: server.key, uid: uid, way: .classic(uploadChunkBytes: Int64(server.classicChunkBytes)))
    }

    /// What tells whose parts and crops are whose in the catalog.
    var key: String { login.account }

    /// Whether it is the same user at the same server with the same token.
    func isSame(as other: Account) -> Bool {
        server == other.server && uid == other.uid && token.utf8.elementsEqual(other.token.utf8)
    }

    package var description: String { "uid \(uid) at \(server.key)" }
}

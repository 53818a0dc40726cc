extension Limits {
    /// The server's HTTP front.
    package enum HTTP {
        /// Connections that are open at once.
        package static let connectionsMax = 16_384
        /// Bytes of a request's head: its path and all fields.
        package static let headBytesMax = 16 * 1024
        /// Fields of a request's head.
        package static let headFieldsMax = 100
        /// How long a request's head of HTTP/1.1 may be on its way, from its first byte on.
        package static let headTime = Duration.seconds(20)
        /// How long the server waits for a body, beside a second for each ``bodyBytesPerSecondMin`` that have come.
        package static let bodyGrace = Duration.seconds(30)
        /// The slowest that a body may come.
        package static let bodyBytesPerSecondMin = 512
        /// How long the rest of a request is taken, and thrown away, when its answer is out.
        package static let drainTime = Duration.seconds(20)
        /// How many bytes of it.
        package static let drainBytesMax = 32 * 1024 * 1024
        /// How long a client may take to read an answer behind which the connection ends.
        package static let lingerTime = Duration.seconds(5)
        /// A connection on which nothing comes or goes for this time is closed.
        package static let idleSeconds: Int64 = 60
        /// A connection whose TLS handshake has not ended after this time is closed.
        package static let handshakeSeconds: Int64 = 15
        /// Bytes of a certificate's file with its chain, and of its key's.
        package static let pemBytesMax = 1024 * 1024
        /// How long after a change near certificate and key both are read again: they are replaced one after the other.
        package static let certificateSettleTime = Duration.milliseconds(300)
        /// Requests that a client of HTTP/2 may have under way on one connection.
        package static let streamsMax = 128
        /// Bytes that a client of HTTP/2 may send in one request before the server has taken any of them. At a distance of 100 ms a request
        /// gets at most this much in 100 ms. It is a promise and no memory, unless the server takes bodies more slowly than they come:
        /// then one connection may fill ``streamsMax`` times as much.
        package static let streamWindowBytes = 1024 * 1024
        /// The same for all requests of one connection together; renewed as bytes come, whoever they are for.
        package static let connectionWindowBytes = 8 * 1024 * 1024
        /// Requests that a client of HTTP/2 may take back within ``resetsWindowSeconds``; one more ends the connection (CVE-2023-44487).
        package static let resetsMax = 200
        /// How long requests that were taken back count.
        package static let resetsWindowSeconds: Int64 = 30
        /// Bytes of a picture that are read and written at once.
        package static let pieceBytes = 64 * 1024
        /// Wrong logins for one user within ``loginWindow``, after which their address must wait with that user.
        package static let wrongLoginsMax = 10
        /// The same for all users together, after which the address must wait with each.
        package static let wrongLoginsPerAddressMax = 100
        /// How long wrong logins count.
        package static let loginWindow = Duration.seconds(60)
        /// Addresses and users whose wrong logins are remembered.
        package static let loginsRememberedMax = 10_000
        /// Pieces with a checksum that wait in memory at once, each of at most `upload.bytesMax`.
        package static let checkedPiecesMax = 8
        /// How much earlier an upload in pieces is said to end than it does: stores renew its age only now and then.
        package static let uploadLifeMarginSeconds: Int64 = 120
        /// What a client is told to wait while a store is down.
        package static let retryAfterSeconds = 5
    }
}

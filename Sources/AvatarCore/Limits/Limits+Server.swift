extension Limits {
    /// The resource server.
    package enum Server {
        /// The largest request body taken unless `classic.bodyBytesMax` says otherwise: what the seed's later servers take,
        /// so that clients of either generation are served.
        package static let bodyBytesMaxDefault = 51_200
        /// The largest `classic.bodyBytesMax`: a chunk of 4 MiB in base64, and its JSON.
        package static let bodyBytesMax = 6 * 1024 * 1024
        /// What the fields beside `data` take in an upload's body, with a name of 200 bytes.
        package static let uploadFieldsBytes = 512
        /// Levels of nesting in a request's JSON; no message of the protocol has more than one.
        package static let jsonDepthMax = 16
        /// Requests of one connection that are begun and not yet answered.
        package static let requestsInFlightMax = 256
        /// Bytes of requests and of replies not yet handed to the kernel, of one connection. One request is always taken.
        package static let bytesInFlightMax = 1024 * 1024
        /// Bytes in flight of all connections of one user. Past it they are read no further, but that each may have one request.
        package static let bytesInFlightPerUserMax = 8 * 1024 * 1024
        /// Bytes taken from the kernel with one read: at first and at least, and at most.
        package static let receiveBufferBytes: ClosedRange<Int> = 512...65_536
        /// Bytes of replies handed to the network layer and not yet taken by the kernel; the next waits beyond it.
        package static let replyBytesUnsentMax = 256 * 1024
        /// A connection that has shown no token by then is closed.
        package static let tokenWait = Duration.seconds(60)
        /// A connection without a valid frame for so long is closed.
        package static let silence = Duration.seconds(600)
        /// Pairs of user and token that one connection is remembered to have shown; more push out the oldest.
        package static let tokensPerConnectionMax = 4
        /// How long the store's word for a token holds on the connection that has shown it: pictures that begin within it are not
        /// asked about again, and a token that is taken back ends so much later.
        package static let tokenTrust = Duration.seconds(1)
        /// Downloads of other users' icons that one connection has under way at once; more push out the oldest.
        package static let ownersRememberedMax = 64
        /// Downloads of one connection whose files stay open between two chunks; more push out the oldest.
        package static let downloadsOpenPerConnectionMax = 8
        /// Such downloads of all connections; past it each chunk opens its file anew.
        package static let downloadsOpenMax = 4096
        /// Parts that stay open between two chunks; more push out the one that was used longest ago.
        package static let partFilesOpenMax = 256
        /// How long an unfinished upload can be gone on with: the seed's SETEX.
        package static let uploadLifeSeconds = 3600
        /// How often, at most, parts that nobody goes on with are looked for.
        package static let sweepSeconds: Int64 = 600
        /// Unfinished uploads that one user may have at once.
        package static let uploadsPerUserMax = 64
        /// Records of uploads that the embedded store keeps in memory beside the file.
        package static let uploadsInMemoryMax = 10_000
        /// Threads that wait for disks and stores.
        package static let workerThreads = 4
        /// Jobs of one resource that a worker does in a row before it looks at the others.
        package static let jobsInTurnMax = 16
        /// Connections taken at once; more wait in the listen queue or are refused by the kernel.
        package static let connectionsMax = 20_000
        /// Connections that the kernel keeps until they are accepted.
        package static let listenBacklog = 1024
        /// What is in flight at a stop has so long to finish.
        package static let stopGrace = Duration.milliseconds(1500)
        /// How long the next reply waits before it is asked again whether the last one is acknowledged: first and at most.
        package static let drainCheckMilliseconds: ClosedRange<Int64> = 4...32
    }
}

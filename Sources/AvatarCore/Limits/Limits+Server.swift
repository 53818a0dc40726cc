extension Limits {
    /// The resource server.
    package enum Server {
        /// How often `avatar-server rebuild` looks at an avatar that is replaced while it is read.
        package static let rebuildTriesMax = 3
        /// Avatars of which is remembered that they are recorded.
        package static let foundAvatarsMax = 10_000
        /// The default of `classic.bodyBytesMax`, the largest body of a request. It is that of the seed's later servers, so that clients of
        /// both generations are served.
        package static let bodyBytesMaxDefault = 51_200
        /// The largest `classic.bodyBytesMax`: a chunk of 4 MiB in base64, and its JSON.
        package static let bodyBytesMax = 6 * 1024 * 1024
        /// Bytes of the fields beside `data` in the body of an upload, with a name of 200 bytes.
        package static let uploadFieldsBytes = 512
        /// Requests of one connection that the server has taken in and not yet answered.
        package static let requestsInFlightMax = 256
        /// Bytes of the requests of one connection, and of its replies that are not yet written. The server always takes one request.
        package static let bytesInFlightMax = 1024 * 1024
        /// Bytes in flight of all connections of one user. Beyond it the server takes requests of these connections one at a time each.
        package static let bytesInFlightPerUserMax = 8 * 1024 * 1024
        /// Bytes of one read: the size at first, which is also the least, and the largest.
        package static let receiveBufferBytes: ClosedRange<Int> = 512...65_536
        /// Bytes of replies that are written and that the kernel has not taken; beyond it the next reply waits.
        package static let replyBytesUnsentMax = 256 * 1024
        /// The server closes a connection that has shown no valid token for this time.
        package static let tokenWait = Duration.seconds(60)
        /// The server closes a connection on which no valid frame has come for this time.
        package static let silence = Duration.seconds(600)
        /// Pairs of user and token that the server remembers as confirmed on one connection; one more pushes out the oldest.
        package static let tokensPerConnectionMax = 4
        /// After the store has confirmed a token, transfers that begin on the same connection within this time are not checked again, and
        /// requests over HTTP are not. A token that is replaced can therefore begin transfers for this long.
        package static let tokenTrust = Duration.seconds(1)
        /// How long the embedded store's word of a user's icon counts for requests over HTTP. What this server changes itself is known at once;
        /// a file that another has taken the place of is noticed at once, too.
        package static let iconTrust = Duration.seconds(1)
        /// Icons, and confirmed tokens of requests over HTTP, that are remembered for a moment.
        package static let answersRememberedMax = 10_000
        /// Downloads under way that the server remembers of one connection. One more pushes out the oldest, whose next chunk needs a
        /// token that is valid then.
        package static let downloadsRememberedMax = 64
        /// Users that `avatar-server user list` reads in one go.
        package static let usersPerPage = 500
        /// Uploads that the server remembers of one connection; one more pushes out the oldest.
        package static let uploadsRememberedMax = 64
        /// Downloads of one connection whose files stay open between two chunks; one more closes the oldest.
        package static let downloadsOpenPerConnectionMax = 8
        /// Downloads of all connections whose files stay open between two chunks. Past it each chunk opens its file again.
        package static let downloadsOpenMax = 4096
        /// Parts that stay open between two chunks; one more closes those that were used longest ago.
        package static let partFilesOpenMax = 256
        /// How long a client may wait before it goes on with an unfinished upload; the seed's server has the same (SETEX).
        package static let uploadLifeSeconds = 3600
        /// The shortest time between two searches for old parts.
        package static let sweepSeconds: Int64 = 600
        /// Lock files that make the quota's check and the rename one step; users share them by number.
        package static let quotaLocks: Int64 = 64
        /// Unfinished uploads that one user may have at once.
        package static let uploadsPerUserMax = 64
        /// Records of uploads that the embedded store keeps in memory beside the file.
        package static let uploadsInMemoryMax = 10_000
        /// Threads that wait for disks and stores.
        package static let workerThreads = 4
        /// Jobs of one resource that a worker does in a row before it looks at the others.
        package static let jobsInTurnMax = 16
        /// Whole uploads of one user that are put into place together.
        package static let finishedTogetherMax = 32
        /// Connections that are open at once, if the process may have as many descriptors. More wait in the kernel's queue, or the kernel
        /// refuses them.
        package static let connectionsMax = 20_000
        /// Descriptors that no connection and no file between two chunks may use: event loops, databases, services of the cluster, metrics,
        /// and the files that the workers have open. A process that may have few descriptors keeps two of three back.
        package static let descriptorsKeptBack = 96
        /// The limit of descriptors that is assumed when the kernel does not tell it.
        package static let descriptorsAssumed = 1024
        /// Connections taken from the kernel's queue in one go.
        package static let acceptsInTurnMax = 4
        /// When the system has no descriptor for a connection, accepting pauses until a connection closes, or for so long.
        package static let acceptPause = Duration.seconds(1)
        /// Connections of the metrics port that are open at once.
        package static let metricsConnectionsMax = 8
        /// Connections that the kernel keeps until the server accepts them.
        package static let listenBacklog = 1024
        /// How long the requests in flight may take to finish when the server stops.
        package static let stopGrace = Duration.milliseconds(1500)
        /// How long the server waits before it asks the kernel again whether the last reply is acknowledged: at first, and at most.
        package static let drainCheckMilliseconds: ClosedRange<Int64> = 4...32
        /// How long the next reply waits for the request that shows that an old client has read the last one.
        package static let followUpWait = Duration.seconds(1)
        /// How long the next reply waits after a last chunk or an error, which no request follows: the least and the most.
        package static let lastReplyPause = Duration.milliseconds(4)...Duration.milliseconds(250)
        /// The same for a client that fetches several files side by side and has not been calm for ``calmAfter``: more than a client was seen
        /// to be held still for on a machine with two busy loops.
        package static let lastReplyPauseRestless = Duration.milliseconds(100)
        /// A client that always sends its next request within this time of the last reply is calm.
        package static let calmTurnaround = Duration.milliseconds(4)
        /// How long a client has to be calm before the server counts on it.
        package static let calmAfter = Duration.seconds(2)
        /// Requests that the client has to send in time while it is calm; a client of which nothing is known is not calm.
        package static let calmTurnaroundsMin = 16
        /// Replies that a client has read before it sent anything else, until it counts as one that fetches a file at a time.
        package static let readInTurnMin = 3
    }
}

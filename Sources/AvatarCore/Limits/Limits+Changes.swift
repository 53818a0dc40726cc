extension Limits {
    /// The log of changed avatars, and the streams that tell of it.
    package enum Changes {
        /// Changes that the log keeps; who was away for longer reads everything again.
        package static let keptMax = 100_000
        /// Changes read from a store at once.
        package static let pageMax = 1000
        /// Users that one stream follows.
        package static let usersMax = 10_000
        /// Bytes of a posted list of users.
        package static let bodyBytesMax = 256 * 1024
        /// Streams of all clients together.
        package static let streamsMax = 20_000
        /// Users followed by all streams together, each counted once for each stream.
        package static let followsMax = 2_000_000
        /// Streams of one user.
        package static let streamsPerUserMax = 16
        /// Streams without a login from one address.
        package static let streamsPerAddressMax = 256
        /// Bytes of events that wait for one client; beyond it the client is closed.
        package static let unsentBytesMax = 512 * 1024
        /// The time between two signs of life on a stream. So often the login is checked again, and a client that has read nothing in two
        /// of them is closed.
        package static let heartbeat = Duration.seconds(30)
        /// The pause before a log that could not be read is read again.
        package static let readAgainAfter = Duration.seconds(1)
        /// Milliseconds after which a browser is told to come back when its stream ends: spread, so that not all come at once.
        package static let comeBackMilliseconds: ClosedRange<Int> = 1000...5000
    }
}

extension Limits {
    /// Redis and MariaDB behind the server.
    package enum Cluster {
        /// How long a worker waits for a connection to Redis or MariaDB.
        package static let connectSeconds = 1
        /// How long a worker waits for an answer.
        package static let answerSeconds = 2
        /// A call that fails after this time or later has failed because the service hangs, not because it refuses.
        package static let hangs = Duration.milliseconds(500)
        /// After a service has refused a connection, no worker tries to connect for this time.
        package static let pauseAfterRefusal = Duration.milliseconds(250)
        /// After a service has not answered in time, no worker asks it for this time. Then one worker tries it for all.
        package static let pauseAfterHang = Duration.seconds(5)
        /// How long an instance waits before it subscribes again, after Redis has closed the subscription.
        package static let subscribeAgainSeconds = 1.0
        /// How many uploads with one MD5 are looked at before the MD5 counts as ambiguous.
        package static let uploadsPerMD5Max = 16
        /// Bytes of one column read from MariaDB.
        package static let columnBytesMax = 1024 * 1024
    }
}

extension Limits {
    /// Redis and MariaDB behind the server.
    package enum Cluster {
        /// Waiting for a connection to Redis or MariaDB.
        package static let connectSeconds = 1
        /// Waiting for an answer.
        package static let answerSeconds = 2
        /// After a failed connect nobody tries again for so long: what waits for a dead store waits in vain.
        package static let retryMilliseconds: Int64 = 250
        /// Uploads looked at for one MD5 before it counts as ambiguous.
        package static let uploadsPerMD5Max = 16
        /// Bytes of one column read from MariaDB.
        package static let columnBytesMax = 1024 * 1024
    }
}

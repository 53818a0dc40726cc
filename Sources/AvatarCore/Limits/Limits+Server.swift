extension Limits {
    /// The resource server.
    package enum Server {
        /// The largest request body taken unless `classic.bodyBytesMax` says otherwise: what the seed's later servers take,
        /// so that clients of either generation are served.
        package static let bodyBytesMaxDefault = 51_200
        /// Levels of nesting in a request's JSON; no message of the protocol has more than one.
        package static let jsonDepthMax = 16
    }
}

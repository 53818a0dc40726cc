extension Limits {
    /// The log of changed avatars.
    package enum Changes {
        /// Changes that the log keeps; who was away for longer reads everything again.
        package static let keptMax = 100_000
        /// Changes read from a store at once.
        package static let pageMax = 1000
    }
}

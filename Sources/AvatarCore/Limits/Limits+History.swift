extension Limits {
    /// What `avatarctl history` shows.
    package enum History {
        /// The last changes that are shown when nothing else is asked for.
        package static let shown = 50
    }

    /// How long `avatarctl sync` looks whether the server takes a crop that it refused before.
    package enum Sync {
        /// Looks, one after the other.
        package static let looksMax = 10
        /// Before each look.
        package static let lookInterval = Duration.milliseconds(200)
    }
}

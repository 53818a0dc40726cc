extension Limits {
    /// What `avatarctl history` shows.
    package enum History {
        /// The last changes that are shown when nothing else is asked for.
        package static let shown = 50
    }
}

extension Limits {
    /// `avatarctl gallery`: what one page may hold.
    package enum Gallery {
        /// Avatars on the page; a browser lays out that many without a pause.
        package static let avatarsMax = 10_000
        /// Bytes of all pictures together, before they are written as Base64, which adds a third.
        package static let pictureBytesMax = 64 * 1024 * 1024
    }
}

extension Limits {
    /// Tokens, in files and in a `Login` over the label bus.
    package enum Token {
        /// Bytes of UTF-8 in one token.
        package static let bytesMax = 4096
    }
}

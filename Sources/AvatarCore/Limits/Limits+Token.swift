extension Limits {
    /// Tokens, in files and in a `Login` over the label bus.
    package enum Token {
        /// Bytes of UTF-8 in one token.
        package static let bytesMax = 4096
        /// How long after a change in its folder the token's file is read again: several changes come together.
        package static let settleTime = Duration.milliseconds(300)
    }
}

extension Limits {
    /// Tokens, as they lie in files.
    package enum Token {
        /// Bytes of one token.
        package static let bytesMax = 4096
    }
}

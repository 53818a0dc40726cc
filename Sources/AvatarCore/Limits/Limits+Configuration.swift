extension Limits {
    /// Files of configuration.
    package enum Configuration {
        /// Bytes of a YAML file; the sample with its comments has a few thousand.
        package static let fileBytesMax = 1 << 20
    }
}

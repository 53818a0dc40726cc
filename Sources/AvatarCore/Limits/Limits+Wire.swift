extension Limits {
    /// The wire between agent and resource server (docs/protocol.md).
    package enum Wire {
        /// The largest message id either side takes; the seed resets above it.
        package static let messageIDMax: UInt16 = 4096
        /// The largest body that the agent takes from a server: a chunk of 4 MiB in base64, and its JSON.
        package static let replyBodyBytesMax = 6 * 1024 * 1024
        /// The seed's chunk (`MAX_FILE_LEN`): the default for uploads and for serving.
        package static let classicChunkBytesDefault = 2048
        /// The smallest and largest chunk that configuration or a server may name.
        package static let classicChunkBytes = 64...(4 * 1024 * 1024)
        /// The chunk that our agent and our server use with each other (`chunk_bytes`): most avatars fit into one, and a picture that has just
        /// become visible waits behind few bytes of it on a slow network.
        package static let ownChunkBytes = 32 * 1024
        /// The seed's largest body; the least that a server of ours takes.
        package static let classicBodyBytesSeed = 4096
    }
}

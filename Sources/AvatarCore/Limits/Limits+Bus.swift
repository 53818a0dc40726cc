extension Limits {
    /// The label bus (docs/label-bus.md): what one client, and all clients together, may cost the agent.
    package enum Bus {
        /// The largest message taken from a client, without its NUL: ten thousand labels with long names fit.
        package static let messageBytesMax = 4 * 1024 * 1024
        /// The largest message a client takes from the agent, without its NUL.
        package static let replyBytesMax = 16 * 1024 * 1024
        /// Bytes of replies that are handed to the socket before it is asked again whether it takes more.
        package static let writeBatchBytes = 64 * 1024
        /// Clients that are written to before the first of them is flushed.
        package static let flushBatchMax = 128
        /// Bytes read ahead of a call that is still being answered, before the socket is left alone.
        package static let readAheadBytesMax = 64 * 1024
        /// Replies that may wait for one client to read; the next one makes it a laggard.
        package static let queuedRepliesMax = 1024
        /// Bytes of replies that may wait for one client to read.
        package static let queuedBytesMax = 16 * 1024 * 1024
        /// Bytes in each direction that every client may have waiting whatever the others do.
        package static let ownBytes = 32 * 1024
        /// Bytes that all clients together may have waiting beyond their own, unread replies and unfinished calls.
        package static let waitingBytesMax = 64 * 1024 * 1024
        /// Seconds that a laggard, or a client that was refused, has to read its last reply before it is closed.
        package static let lastReplySecondsMax = 5
        /// Connections that the kernel keeps until they are accepted.
        package static let listenBacklog: Int32 = 1024
        /// Replies that wait for the reader of a client's stream: below the first figure the socket is read again, at the second no more.
        package static let clientReplies: ClosedRange<Int> = 4...16
        /// Clients connected at once.
        package static let connectionsMax = 2048
        /// File descriptors that are left for everything but the bus's clients.
        package static let otherDescriptors = 256
        /// The limit of descriptors that is counted with where the system does not tell it: the usual soft one.
        package static let descriptorsUnknown = 1024
        /// Clients that are being told that there are too many; past it they are closed without a word.
        package static let refusedConnectionsMax = 64
        /// Bytes of UTF-8 in a label, which is the subscriber's own id.
        package static let labelBytesMax = 256
        /// Bytes of a path in `Upload` (PATH_MAX).
        package static let pathBytesMax = 4096
        /// How long a client that waits for the agent's return waits before each look, after something has happened in the socket's folder.
        package static let returnLooks: [Duration] = [
            .milliseconds(20), .milliseconds(100), .milliseconds(500), .seconds(2),
        ]
    }
}

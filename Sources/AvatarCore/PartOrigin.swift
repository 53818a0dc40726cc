/// Where and when a transfer was begun. It decides whether an interrupted transfer may be resumed from its part file.
package struct PartOrigin: Hashable, Sendable {
    /// The boot in which the transfer was begun: after another boot, bytes that were not synced may be missing.
    package let bootID: String
    /// The server and the user, and the picture's version where the server tells it: bytes of different ones are never mixed.
    package let serverKey: String
    /// When the transfer was begun, on that boot's clock.
    package let startedAt: MonotonicTime

    package init(bootID: String, serverKey: String, startedAt: MonotonicTime) {
        self.bootID = bootID
        self.serverKey = serverKey
        self.startedAt = startedAt
    }

    /// Whether a download from `serverKey` may be resumed from the part file.
    package func isResumable(from serverKey: String, bootID: String, now: MonotonicTime) -> Bool {
        ExactString(self.serverKey) == ExactString(serverKey) && !isAbandoned(bootID: bootID, now: now)
    }

    /// Whether no download may be resumed from the part file any more, whatever its server.
    package func isAbandoned(bootID: String, now: MonotonicTime) -> Bool {
        ExactString(self.bootID) != ExactString(bootID) || now - startedAt >= Limits.Download.partAge
    }
}

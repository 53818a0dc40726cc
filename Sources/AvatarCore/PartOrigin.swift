/// Where and when an interrupted transfer was begun, which decides whether what it left may be gone on with.
package struct PartOrigin: Hashable, Sendable {
    /// The boot in which it was begun: what was not synced is unsure in another.
    package let bootID: String
    /// The server and user, and the version where the server says so: bytes of another are never mixed in.
    package let serverKey: String
    /// When it was begun, on that boot's clock.
    package let startedAt: MonotonicTime

    package init(bootID: String, serverKey: String, startedAt: MonotonicTime) {
        self.bootID = bootID
        self.serverKey = serverKey
        self.startedAt = startedAt
    }

    /// Whether a download from `serverKey` may go on from it.
    package func isResumable(from serverKey: String, bootID: String, now: MonotonicTime) -> Bool {
        ExactString(self.serverKey) == ExactString(serverKey) && !isAbandoned(bootID: bootID, now: now)
    }

    /// Whether nobody can go on from it any more, whatever the server.
    package func isAbandoned(bootID: String, now: MonotonicTime) -> Bool {
        ExactString(self.bootID) != ExactString(bootID) || now - startedAt >= Limits.Download.partAge
    }
}

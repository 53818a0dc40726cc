internal import AvatarCore

/// How the server divides the descriptors that the kernel lets it have (RLIMIT_NOFILE) among connections, files that stay open between
/// two chunks, and everything else, so that none of them can take the descriptors that another needs.
package struct DescriptorBudget: Hashable, Sendable {
    /// Connections that may be open at once.
    package let connections: Int
    /// Files of downloads that may stay open between two chunks.
    package let downloads: Int
    /// Parts of uploads that may stay open between two chunks.
    package let parts: Int

    /// Divides `limit` descriptors; nil where the system does not tell how many there are.
    package init(limit: Int?) {
        let limit = limit ?? Limits.Server.descriptorsAssumed
        let keptBack = min(Limits.Server.descriptorsKeptBack, limit / 3 * 2)
        let divided = max(1, limit - keptBack)
        parts = min(Limits.Server.partFilesOpenMax, divided / 8)
        downloads = min(Limits.Server.downloadsOpenMax, divided / 4)
        connections = max(1, min(Limits.Server.connectionsMax, divided - parts - downloads))
    }
}

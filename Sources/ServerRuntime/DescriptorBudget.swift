internal import AvatarCore

/// How the server divides the descriptors that the kernel lets it have (RLIMIT_NOFILE) among connections, files that stay open between
/// two chunks, and everything else, so that none of them can take the descriptors that another needs.
package struct DescriptorBudget: Hashable, Sendable {
    /// Connections of the classic dialect that may be open at once.
    package let connections: Int
    /// Connections of HTTP that may be open at once.
    package let httpConnections: Int
    /// Files of downloads that may stay open between two chunks.
    package let downloads: Int
    /// Parts of uploads that may stay open between two chunks.
    package let parts: Int

    /// Divides `limit` descriptors; nil where the system does not tell how many there are. HTTP gets three fifths where it is served: whoever
    /// turns it on expects most agents to come that way. One of its connections in eight may have a file open.
    package init(limit: Int?, servesHTTP: Bool = false) {
        let all = limit ?? Limits.Server.descriptorsAssumed
        httpConnections = servesHTTP ? max(1, min(Limits.HTTP.connectionsMax, all / 5 * 3)) : 0
        let limit = max(1, all - httpConnections - httpConnections / 8)
        let keptBack = min(Limits.Server.descriptorsKeptBack, limit / 3 * 2)
        let divided = max(1, limit - keptBack)
        parts = min(Limits.Server.partFilesOpenMax, divided / 8)
        downloads = min(Limits.Server.downloadsOpenMax, divided / 4)
        connections = max(1, min(Limits.Server.connectionsMax, divided - parts - downloads))
    }
}

internal import AvatarCore
internal import Glibc

/// How the server divides the descriptors that the kernel lets it have (RLIMIT_NOFILE) among connections, files that stay open between
/// two chunks, and everything else, so that none of them can take the descriptors that another needs.
package struct DescriptorBudget: Hashable, Sendable {
    /// Connections that may be open at once.
    package let connections: Int
    /// Files of downloads that may stay open between two chunks.
    package let downloads: Int
    /// Parts of uploads that may stay open between two chunks.
    package let parts: Int

    /// Divides `limit` descriptors.
    package init(limit: Int) {
        let keptBack = min(Limits.Server.descriptorsKeptBack, limit / 3 * 2)
        let divided = max(1, limit - keptBack)
        parts = min(Limits.Server.partFilesOpenMax, divided / 8)
        downloads = min(Limits.Server.downloadsOpenMax, divided / 4)
        connections = max(1, min(Limits.Server.connectionsMax, divided - parts - downloads))
    }

    /// Raises the soft limit of descriptors to the hard one, as far as the system allows, and returns the limit that holds then.
    package static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return Limits.Server.descriptorsAssumed }
        let soft = limit.rlim_cur
        limit.rlim_cur = limit.rlim_max
        return Int(clamping: setrlimit(resource, &limit) == 0 ? limit.rlim_max : soft)
    }
}

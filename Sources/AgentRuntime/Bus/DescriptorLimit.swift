internal import AvatarCore
internal import Glibc

/// How many files and sockets this process may have open (getrlimit(2)).
package enum DescriptorLimit {
    /// Raises the soft limit, 1024 for most, to `wanted` or as far towards it as the hard one allows; never lowers it. What it
    /// is then, or nil when it cannot be read.
    @discardableResult
    package static func raise(to wanted: Int) -> Int? {
        guard var limit = current() else { return nil }
        let soft = Int(clamping: limit.rlim_cur)
        if soft >= wanted { return soft }
        limit.rlim_cur = min(limit.rlim_max, rlim_t(wanted))
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return current().map { Int(clamping: $0.rlim_cur) }
    }

    private static func current() -> rlimit? {
        var limit = rlimit()
        return getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? limit : nil
    }

    /// How many clients the bus may serve with `limit` descriptors: enough have to be left for those that are being refused
    /// and for everything else, or accepting would fail again and again without end.
    package static func connections(wanted: Int, limit: Int) -> Int {
        max(1, min(wanted, limit - Limits.Bus.refusedConnectionsMax - Limits.Bus.otherDescriptors))
    }
}

internal import Glibc

/// How many files and sockets this process may have open (getrlimit(2)).
package enum DescriptorLimit {
    /// Raises the soft limit, 1024 for most, as far as the hard one allows: a thousand subscribers need more. What it is
    /// then, or nil when it cannot be read.
    @discardableResult
    package static func raise() -> UInt? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return UInt(limit.rlim_cur)
    }
}

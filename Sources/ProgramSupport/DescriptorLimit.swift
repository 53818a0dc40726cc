internal import Glibc

/// How many files and sockets this process may have open (getrlimit(2), RLIMIT_NOFILE).
package enum DescriptorLimit {
    /// The soft limit as it stands: descriptors; nil when it cannot be read.
    package static var current: Int? { limits().map { Int(clamping: $0.rlim_cur) } }

    /// Raises the soft limit, 1024 for most, to `wanted` descriptors or as far towards them as the hard limit allows; without `wanted`, to
    /// the hard limit. Never lowers it.
    ///
    /// - Returns: the soft limit afterwards; nil when it cannot be read.
    @discardableResult
    package static func raise(to wanted: Int = .max) -> Int? {
        guard var limits = limits() else { return nil }
        let soft = Int(clamping: limits.rlim_cur)
        let hard = Int(clamping: limits.rlim_max)
        guard soft < min(wanted, hard) else { return soft }
        limits.rlim_cur = wanted < hard ? rlim_t(wanted) : limits.rlim_max
        _ = setrlimit(resource, &limits)
        return current
    }

    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    private static func limits() -> rlimit? {
        var limits = rlimit()
        return getrlimit(resource, &limits) == 0 ? limits : nil
    }
}

/// A limit of inotify(7) that all programs of one user share, and the line that raises it.
package enum InotifyLimit: String, Hashable, Sendable {
    /// `inotify_init1` fails with EMFILE.
    case instances = "max_user_instances"
    /// `inotify_add_watch` fails with ENOSPC.
    case watches = "max_user_watches"

    /// The exact line that a person types: at least double what the kernel allows now, where that is known.
    package func remedy(current: Int?) -> String {
        var value = self == .instances ? 512 : 524_288
        while value < 2 * (current ?? 0) { value *= 2 }
        return "sudo sysctl fs.inotify.\(rawValue)=\(value)"
    }
}

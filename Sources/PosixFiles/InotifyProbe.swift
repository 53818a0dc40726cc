internal import Glibc

/// Whether this user may have one more inotify instance with one more watch; nothing of it stays.
package enum InotifyProbe {
    /// Takes both and gives them back. Throws EMFILE from `inotify_init1` or ENOSPC from `inotify_add_watch` where a limit is reached.
    package static func take() throws(PosixError) {
        let instance = inotify_init1(Int32(IN_CLOEXEC))
        guard instance >= 0 else { throw .last("inotify_init1") }
        let file = OpenFile(adopting: instance)
        guard unsafe inotify_add_watch(file.descriptor, "/", UInt32(IN_DELETE_SELF | IN_ONLYDIR)) >= 0 else {
            throw .last("inotify_add_watch", path: "/")
        }
    }
}

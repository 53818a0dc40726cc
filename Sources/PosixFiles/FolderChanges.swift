internal import Glibc

/// An inotify descriptor that hears when a file of a folder was closed after writing, moved in or had its mode changed, and when the folder
/// itself goes: for a file that is read again whenever it may be another one.
///
/// The upload folder and the cache are watched by `FolderWatch`, which tells one file from the other; here it is enough that
/// something happened.
package enum FolderChanges {
    /// Watches the folders that are there; the descriptor is readable after a change. Throws where the system has no inotify instance left.
    package static func open(_ folders: [String]) throws(PosixError) -> OpenFile {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard descriptor >= 0 else { throw .last("inotify_init1", path: "the token's folder") }
        let file = OpenFile(adopting: descriptor)
        let mask = UInt32(
            IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
        // One that is not there cannot be watched: its file is read when a person asks.
        for folder in folders { _ = unsafe inotify_add_watch(descriptor, folder, mask) }
        return file
    }
}

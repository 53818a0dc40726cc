internal import AvatarCore
internal import CInotifyTools
internal import Glibc
internal import PosixFiles

/// libinotifytools, as one thread may use it.
///
/// The library keeps its descriptor, its watches and its buffer in globals. What was learned of it (3.22.6):
/// - `inotifytools_next_events` with more than one event spins until the queue holds that many bytes, so one is asked for; a read takes
///   up to 64 KiB all the same, and the following calls are served from the buffer.
/// - Its timeout 0 does not wait, but `inotifytools_next_event(0)` waits for ever.
/// - The buffer outlives `inotifytools_cleanup`, so it is emptied before.
/// - A watch that the kernel took away (folder deleted, unmounted) stays in its trees and cannot be removed: the library is
///   begun anew.
/// - It waits with select(2), and so must not get a descriptor of 1024 or above; its descriptor is not close-on-exec.
struct InotifyLibrary {
    /// One event, copied out of the library's buffer.
    struct Event {
        let watch: Int32
        let mask: UInt32
        /// The name's bytes without the padding, empty for the folder's own events.
        let name: [UInt8]
    }

    /// What a read gave.
    enum Reading {
        case event(Event)
        /// Nothing now: only with `wait: false`, or after a signal.
        case nothing
        case failure(errno: Int32)
    }

    /// The kernel's descriptor, so that another thread can remove a watch without touching the library.
    let descriptor: Int32

    /// Makes the inotify instance.
    static func begin() throws(WatchError) -> InotifyLibrary {
        let before = inotifyDescriptors()
        guard inotifytools_initialize() != 0 else {
            let code = inotifytools_error()
            guard code == EMFILE else { throw WatchError(.failed, errno: code) }
            throw WatchError(.instanceLimit, errno: code, limit: Int(inotifytools_get_max_user_instances()))
        }
        guard let descriptor = inotifyDescriptors().subtracting(before).max(), descriptor < Limits.Watch.descriptorMax
        else {
            inotifytools_cleanup()
            throw WatchError(.failed, path: "/proc/self/fd", errno: EMFILE)
        }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return InotifyLibrary(descriptor: descriptor)
    }

    /// Watches the folder at `path`; the kernel's number of the watch.
    func watch(_ path: String, mask: UInt32) throws(WatchError) -> Int32 {
        // With the slash a symlink to a folder counts as the folder, for the library too.
        let spelled = path.hasSuffix("/") ? path : path + "/"
        guard unsafe inotifytools_watch_file(spelled, Int32(bitPattern: mask)) != 0 else {
            let code = inotifytools_error()
            throw Self.error(ofWatch: code, path: path)
        }
        return unsafe inotifytools_wd_from_filename(spelled)
    }

    /// Ends a watch that the kernel still has.
    func unwatch(_ watch: Int32) { _ = inotifytools_remove_watch_by_wd(watch) }

    /// Watches a folder on the way to a path, beside whatever else is watched of it; nil where the folder is gone or may not be read. It goes
    /// past the library, which could not forget a watch that the kernel took away.
    func guardFolder(_ path: String, mask: UInt32) throws(WatchError) -> Int32? {
        let watch = unsafe inotify_add_watch(descriptor, path, mask)
        guard watch < 0 else { return watch }
        if errno == ENOSPC { throw Self.error(ofWatch: errno, path: path) }
        return nil
    }

    /// Ends a watch that ``guardFolder(_:mask:)`` made.
    func unguard(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

    /// The next event; waits for one when asked to.
    func next(wait: Bool) -> Reading {
        guard let event = unsafe inotifytools_next_events(wait ? -1 : 0, 1) else {
            let code = inotifytools_error()
            if code == EINTR || code == EAGAIN || (code == 0 && !wait) { return .nothing }
            return .failure(errno: code)
        }
        let length = unsafe Int(event.pointee.len)
        let start = unsafe UnsafeRawPointer(event) + MemoryLayout<inotify_event>.size
        let padded = unsafe UnsafeRawBufferPointer(start: start, count: length)
        let name = unsafe Array(padded.prefix { $0 != 0 })
        return unsafe .event(Event(watch: event.pointee.wd, mask: event.pointee.mask, name: name))
    }

    /// Closes the instance, with every watch and everything that the library still holds in its buffer.
    func end(watches: [Int32]) {
        for watch in watches { _ = inotify_rm_watch(descriptor, watch) }
        while case .event = next(wait: false) {}
        inotifytools_cleanup()
    }

    /// What a refused watch means.
    static func error(ofWatch errno: Int32, path: String) -> WatchError {
        switch errno {
        case ENOSPC: WatchError(.watchLimit, path: path, errno: errno, limit: Int(inotifytools_get_max_user_watches()))
        case ENOENT: WatchError(.folderMissing, path: path, errno: errno)
        case ENOTDIR, ELOOP: WatchError(.notAFolder, path: path, errno: errno)
        default: WatchError(.failed, path: path, errno: errno)
        }
    }

    /// The inotify descriptors of this process (proc(5), `fd`).
    private static func inotifyDescriptors() -> Set<Int32> {
        var found: Set<Int32> = []
        guard let folder = try? Folder(path: "/proc/self/fd") else { return found }
        try? folder.forEachName { name in
            var target = [CChar](repeating: 0, count: 64)
            let length = unsafe readlinkat(folder.descriptor, name, &target, target.count - 1)
            guard length > 0, let number = Int32(name) else { return }
            let text = String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if text.hasSuffix("inotify") { found.insert(number) }
        }
        return found
    }
}

internal import CLinux
internal import Dispatch
internal import Glibc
internal import Synchronization

/// Hears when a file system is mounted or unmounted (proc(5), `/proc/pid/mountinfo`: POLLPRI), on a thread that sleeps in poll(2).
///
/// Nothing is read but that there was something: whoever hears of it compares the paths that matter.
package final class MountWatch: Sendable {
    private let table: Int32
    private let wake: Int32
    private let finished = DispatchGroup()
    private let isStopped = Mutex(false)

    /// Begins to listen; `changed` is called on the watch's thread, once for each change or burst of changes. Throws where the kernel shows
    /// no table of mounts, as in some sandboxes.
    package init(changed: @escaping @Sendable () -> Void) throws(PosixError) {
        let path = "/proc/self/mountinfo"
        table = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard table >= 0 else { throw .last("open", path: path) }
        wake = linux_eventfd()
        guard wake >= 0 else {
            let error = PosixError.last("eventfd")
            close(table)
            throw error
        }
        let (table, wake) = (table, wake)
        DispatchQueue(label: "avatard.mounts").async(group: finished) { Self.listen(table, wake, changed) }
    }

    /// Hears no more, and waits for the thread's end.
    package func stop() {
        let first = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard first else { return }
        linux_eventfd_signal(wake)
        finished.wait()
        close(table)
        close(wake)
    }

    deinit { stop() }

    private static func listen(_ table: Int32, _ wake: Int32, _ changed: () -> Void) {
        while true {
            var sources = [
                pollfd(fd: table, events: Int16(POLLPRI), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            guard unsafe poll(&sources, 2, -1) > 0 else {
                if errno == EINTR { continue }
                return
            }
            if sources[1].revents != 0 { return }
            // The kernel shows a change as POLLPRI with POLLERR, once for each open file.
            guard sources[0].revents & Int16(POLLPRI) != 0 else { return }
            changed()
        }
    }
}

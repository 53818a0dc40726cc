internal import Foundation
internal import PosixFiles
internal import Synchronization

/// When a commit's steps happened, as anybody may see them (inotify(7)): the rename into the cache, and the writes into the catalog's
/// journal, the last of which is the final row. Each time is that of the read of the event, a thread's wake-up after it.
final class CommitClock: Sendable {
    private struct Times {
        var renamed = 0
        var written: [Int] = []
    }

    private let descriptor: Int32
    private let times = Mutex(Times())

    /// Watches the cache folder and the journal, which is there.
    init(cache: String, journal: String) throws {
        let descriptor = inotify_init1(Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { throw PosixError.last("inotify_init1") }
        let folder = inotify_add_watch(descriptor, cache, UInt32(IN_MOVED_TO))
        guard folder >= 0 else { throw PosixError.last("inotify_add_watch", path: cache) }
        guard inotify_add_watch(descriptor, journal, UInt32(IN_MODIFY)) >= 0 else {
            throw PosixError.last("inotify_add_watch", path: journal)
        }
        self.descriptor = descriptor
        Thread.detachNewThread { [self] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
                let now = monotonicNanoseconds()
                take(buffer[..<count], folder: folder, at: now)
            }
        }
    }

    private func take(_ bytes: ArraySlice<UInt8>, folder: Int32, at now: Int) {
        var rest = bytes
        while rest.count >= 16 {
            let watch = Int32(truncatingIfNeeded: word(rest, at: 0))
            times.withLock { times in
                if watch == folder { times.renamed = now } else { times.written.append(now) }
            }
            rest = rest.dropFirst(16 + Int(word(rest, at: 12)))
        }
    }

    private func word(_ bytes: ArraySlice<UInt8>, at offset: Int) -> UInt32 {
        bytes.dropFirst(offset).prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Forgets what was.
    func reset() { times.withLock { $0 = Times() } }

    /// The rename, and the last write into the journal before `moment`.
    func commit(before moment: Int) -> (renamed: Int, recorded: Int) {
        times.withLock { ($0.renamed, $0.written.last { $0 < moment } ?? $0.renamed) }
    }

    func stop() { close(descriptor) }
}

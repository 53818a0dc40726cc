internal import Glibc

/// SIGHUP, by which a service manager asks for the configuration to be read again, and which a terminal sends when it closes.
package enum HangUpSignal {
    /// Counts the signals; made once, by ``hold()``, and never freed, since the handler may run at any time.
    nonisolated(unsafe) private static var count: UnsafeMutablePointer<sem_t>?

    /// From here on SIGHUP ends nothing and waits for ``occurrences()``, and nobody who stops reading this program's output ends it either. To
    /// be called first in a program. It is a handler and no mask: libdispatch's threads, on which an asynchronous `main` runs, undo masks. A mask
    /// that the program was started with is undone here.
    package static func hold() {
        let count = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        guard sem_init(count, 0, 0) == 0 else { return }
        Self.count = count
        // sem_post may be called by a handler (signal-safety(7)).
        signal(SIGHUP) { _ in if let count = HangUpSignal.count { sem_post(count) } }
        signal(SIGPIPE, SIG_IGN)
        unblock()
    }

    /// Lets the calling thread take SIGHUP.
    private static func unblock() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// An element for each SIGHUP; of those that come while nobody reads, one is kept. A thread of its own waits for them as long as the
    /// process lives: that needs no polling, and libdispatch's way to signals would poll.
    package static func occurrences() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let waiting = Waiting(continuation)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let waiting = Unmanaged<Waiting>.fromOpaque(argument).takeRetainedValue()
                // One thread at least takes the signal, whatever masks the others have.
                HangUpSignal.unblock()
                while let count = HangUpSignal.count {
                    if sem_wait(count) == 0 { waiting.continuation.yield() } else if errno != EINTR { break }
                }
                return nil
            }, Unmanaged.passRetained(waiting).toOpaque())
        if failure == 0 { pthread_detach(thread) } else { continuation.finish() }
        return stream
    }

    private final class Waiting: Sendable {
        let continuation: AsyncStream<Void>.Continuation

        init(_ continuation: AsyncStream<Void>.Continuation) { self.continuation = continuation }
    }
}

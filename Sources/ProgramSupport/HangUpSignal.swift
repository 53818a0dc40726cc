internal import Glibc
internal import Synchronization

/// SIGHUP, by which a service manager asks for the configuration to be read again, and which a terminal sends when it closes.
package enum HangUpSignal {
    /// From here on SIGHUP ends nothing and waits for ``occurrences``, and nobody who stops reading this program's output ends it
    /// either. To be called on the first thread before there is another: each thread has the mask of the one that made it.
    package static func hold() {
        var signals = mask()
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// An element for each SIGHUP; of those that come while nobody reads, one is kept. A thread of its own waits for them as long as the
    /// process lives: signals need no polling, and libdispatch's way to them would poll.
    package static func occurrences() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let waiting = Waiting(continuation)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let waiting = Unmanaged<Waiting>.fromOpaque(argument).takeRetainedValue()
                var signals = HangUpSignal.mask()
                var number: Int32 = 0
                while sigwait(&signals, &number) == 0 { waiting.continuation.yield() }
                return nil
            }, Unmanaged.passRetained(waiting).toOpaque())
        if failure == 0 { pthread_detach(thread) } else { continuation.finish() }
        return stream
    }

    private static func mask() -> sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGHUP)
        return signals
    }

    private final class Waiting: Sendable {
        let continuation: AsyncStream<Void>.Continuation

        init(_ continuation: AsyncStream<Void>.Continuation) { self.continuation = continuation }
    }
}

internal import Glibc

/// How often a signal came: counted by its handler, waited for by a thread.
///
/// It is a handler and no mask: libdispatch's threads, on which an asynchronous `main` runs, undo masks. And it is no source of libdispatch:
/// that polls, and writes into the journal that it may not raise the priority of the thread that it starts for sources.
struct SignalCount: @unchecked Sendable {
    /// Never freed, since the handler may run at any time.
    private let semaphore: UnsafeMutablePointer<sem_t>

    /// Nothing has come; nil when the kernel has no memory for it.
    init?() {
        semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        guard sem_init(semaphore, 0, 0) == 0 else {
            semaphore.deallocate()
            return nil
        }
    }

    /// One more has come. A handler may call it (sem_post in signal-safety(7)).
    func add() { sem_post(semaphore) }

    /// An element for each that came; of those that come while nobody reads, one is kept. A thread of its own waits for them as long as the
    /// process lives.
    ///
    /// - Parameter numbers: the signals, which that thread takes whatever masks the others have.
    func occurrences(of numbers: [Int32]) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let waiting = Waiting(count: self, numbers: numbers, continuation: continuation)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Waiting>.fromOpaque(argument).takeRetainedValue().wait()
                return nil
            }, Unmanaged.passRetained(waiting).toOpaque())
        if failure == 0 { pthread_detach(thread) } else { continuation.finish() }
        return stream
    }

    /// Lets the calling thread take these signals.
    static func unblock(_ numbers: [Int32]) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in numbers { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    private final class Waiting: Sendable {
        private let count: SignalCount
        private let numbers: [Int32]
        private let continuation: AsyncStream<Void>.Continuation

        init(count: SignalCount, numbers: [Int32], continuation: AsyncStream<Void>.Continuation) {
            self.count = count
            self.numbers = numbers
            self.continuation = continuation
        }

        func wait() {
            SignalCount.unblock(numbers)
            while true {
                if sem_wait(count.semaphore) == 0 { continuation.yield() } else if errno != EINTR { break }
            }
        }
    }
}

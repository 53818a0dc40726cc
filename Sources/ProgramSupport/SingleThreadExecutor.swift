internal import Dispatch
internal import NIOPosix
internal import Synchronization

/// Runs all of a program's tasks on one thread of its own, so that the program is not woken while it has nothing to do.
///
/// Swift's default executor on Linux is the thread pool of libdispatch. From its first job on until the process ends, libdispatch checks
/// that pool once a second (`_dispatch_workq_monitor_pools`): a program in the background would wake the processor 86,400 times a day for
/// nothing. libdispatch never starts the pool of a program that never gives it a job.
package final class SingleThreadExecutor: TaskExecutor {
    // It lives as long as the process, so that a task that is resumed late still finds it.
    private static let shared = SingleThreadExecutor()

    private let thread = NIOThreadPool(numberOfThreads: 1)

    private init() { thread.start() }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        thread.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs `body`, with all that it calls and awaits, on the thread, and blocks the calling thread until `body` has ended. It is called
    /// from a program's `main`, which must not be `async` itself: Swift would run that on its default executor. Throws what `body` throws.
    package static func run(_ body: @escaping @Sendable () async throws -> Void) throws {
        let outcome = Mutex<Result<Void, any Error>>(.success(()))
        let ended = DispatchSemaphore(value: 0)
        Task(executorPreference: shared) {
            do { try await body() } catch { outcome.withLock { $0 = .failure(error) } }
            ended.signal()
        }
        ended.wait()
        try outcome.withLock { try $0.get() }
    }
}

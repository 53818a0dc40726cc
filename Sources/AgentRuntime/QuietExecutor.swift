internal import Dispatch
internal import NIOPosix
internal import Synchronization

/// Runs the program's tasks on a thread of its own, which sleeps for as long as there is nothing to do.
///
/// Swift's own executor on Linux is libdispatch's pool of threads, and libdispatch looks after that pool once a second, from its first job
/// on until the process ends (`_dispatch_workq_monitor_pools`). A program that never gives it a job is not woken.
package final class QuietExecutor: TaskExecutor {
    // Lives as long as the process: whoever is resumed late still finds it.
    private static let shared = QuietExecutor()

    private let thread = NIOThreadPool(numberOfThreads: 1)

    private init() { thread.start() }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        thread.submit { _ in job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// Runs `body`, with all that it calls and awaits, to its end; the calling thread waits for it. For a program's main, which must not
    /// be `async` itself.
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

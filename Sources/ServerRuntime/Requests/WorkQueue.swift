internal import NIOConcurrencyHelpers
internal import NIOPosix
internal import TransferMachines

/// Runs requests on worker threads: in order per resource, beside each other otherwise.
final class WorkQueue: Sendable {
    typealias Job = @Sendable () -> Void

    private let threads: NIOThreadPool
    private let order = NIOLockedValueBox(ResourceOrder<Job>())

    init(threadCount: Int) {
        threads = NIOThreadPool(numberOfThreads: threadCount)
    }

    func start() { threads.start() }

    /// Ends the threads once what they were given is done.
    func stop() async throws { try await threads.shutdownGracefully() }

    /// Runs `job` on a worker when its turn has come.
    func submit(_ key: ResourceKey?, _ access: ResourceOrder<Job>.Access, _ job: @escaping Job) {
        guard let key else { return run(job) }
        let ordered: Job = { [self] in
            job()
            for next in order.withLockedValue({ $0.finish(key) }) { run(next) }
        }
        if let now = order.withLockedValue({ $0.submit(ordered, to: key, access) }) { run(now) }
    }

    private func run(_ job: @escaping Job) {
        threads.submit { state in
            // Cancelled only once the pool is stopped, after every connection is closed: nobody waits for this any more.
            if state == .active { job() }
        }
    }
}

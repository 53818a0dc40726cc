internal import AvatarCore
internal import NIOPosix
internal import Synchronization
internal import TransferMachines

/// The one thread that touches the folders and the catalog: jobs in, results out, in the order in which they came.
///
/// What comes while it is busy is taken together, so that chunks share a transaction and commits a round of syncs.
final class DiskThread: Sendable {
    /// One thing to do.
    enum Job: Sendable {
        case command(DiskCommand)
        /// A question that only this thread can answer.
        case ask(@Sendable (DiskWorker) -> Void)
    }

    private struct Inbox: Sendable {
        var jobs: [Job] = []
        var isRunning = false
    }

    private let pool: NIOThreadPool
    private let inbox = Mutex(Inbox())
    private let worker: Mutex<DiskWorker>
    private let deliver: @Sendable ([DiskResult]) -> Void

    /// Takes over the worker; `deliver` is called on the thread with the results of each run of commands.
    init(worker: sending DiskWorker, deliver: @escaping @Sendable ([DiskResult]) -> Void) {
        self.worker = Mutex(worker)
        self.deliver = deliver
        pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
    }

    func submit(_ commands: [DiskCommand]) { submit(commands.map(Job.command)) }

    func submit(_ jobs: [Job]) {
        let starts = inbox.withLock { inbox in
            inbox.jobs += jobs
            defer { inbox.isRunning = true }
            return !inbox.isRunning
        }
        guard starts else { return }
        pool.submit { [self] state in
            guard case .active = state else { return }
            run()
        }
    }

    /// Finishes what was asked, closes the catalog, and ends the thread.
    func stop() async throws {
        await withCheckedContinuation { continuation in
            submit([.ask { _ in continuation.resume() }])
        }
        worker.withLock { $0.close() }
        try await pool.shutdownGracefully()
    }

    private func run() {
        while true {
            let jobs = inbox.withLock { inbox in
                defer { inbox.jobs = [] }
                if inbox.jobs.isEmpty { inbox.isRunning = false }
                return inbox.jobs
            }
            guard !jobs.isEmpty else { return }
            worker.withLock { worker in
                worker.run(jobs, deliver: deliver)
            }
        }
    }
}

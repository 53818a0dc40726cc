internal import AvatarCore
internal import NIOPosix
internal import PosixFiles
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
        /// Tells that the bytes that came before it are in their parts. Unlike a question it ends no wait of one job for another.
        case afterWriting(@Sendable () -> Void)
    }

    private struct Inbox: Sendable {
        var jobs: [Job] = []
        var isRunning = false
        /// When the thread began with the jobs that it has; nil while it has none.
        var busySince: MonotonicTime?
    }

    private let pool: NIOThreadPool
    private let inbox = Mutex(Inbox())
    private let worker: Mutex<DiskWorker>
    private let deliver: @Sendable ([DiskResult]) -> Void
    private let clock = SystemClock()

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

    /// For how long the thread has been busy with what it took last: a disk that hangs shows in nothing else.
    var busyFor: Duration {
        inbox.withLock { $0.busySince }.map { clock.now - $0 } ?? .zero
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
                inbox.busySince = inbox.jobs.isEmpty ? nil : clock.now
                return inbox.jobs
            }
            guard !jobs.isEmpty else { return }
            worker.withLock { worker in
                worker.run(jobs, deliver: deliver)
                if inbox.withLock({ $0.jobs.isEmpty }) { worker.finishCommits(deliver: deliver) }
            }
        }
    }
}

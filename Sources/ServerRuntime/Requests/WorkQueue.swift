internal import AvatarCore
internal import NIOPosix
internal import Synchronization
internal import TransferMachines

/// Runs requests on worker threads. Requests for one resource run in order, requests for different resources at the same time.
final class WorkQueue: Sendable {
    typealias Job = @Sendable () -> Void

    private struct Turns: Sendable {
        var order = ResourceOrder()
        var waiting: [ResourceOrder.Job: Job] = [:]
        var last: ResourceOrder.Job = 0
    }

    private let threads: NIOThreadPool
    private let turns = Mutex(Turns())

    init(threadCount: Int) {
        threads = NIOThreadPool(numberOfThreads: threadCount)
    }

    func start() { threads.start() }

    /// Ends the threads when every job that was submitted is done.
    func stop() async throws { try await threads.shutdownGracefully() }

    /// Runs `job` on a worker when its turn has come.
    func submit(_ key: ResourceKey?, _ access: ResourceOrder.Access, _ job: @escaping Job) {
        guard let key else { return run(job) }
        let turn = turns.withLock { turns in
            turns.last += 1
            let turn = turns.order.submit(turns.last, to: key, access)
            if turn == .later { turns.waiting[turns.last] = job }
            return turn
        }
        if turn == .atOnce { run { [self] in runInTurn(job, key) } }
    }

    /// Whether a job that only reads `key` could run now.
    func isReadable(_ key: ResourceKey?) -> Bool {
        guard let key else { return true }
        return turns.withLock { $0.order.isReadable(key) }
    }

    /// Runs a job and the jobs of the same resource that waited for it, without waking another thread for them. After some jobs the rest
    /// goes to the end of the queue, so that other resources get their turn.
    private func runInTurn(_ job: @escaping Job, _ key: ResourceKey) {
        var next: Job? = job
        for _ in 0..<Limits.Server.jobsInTurnMax {
            guard let job = next else { return }
            job()
            let following = turns.withLock { turns in
                turns.order.finish(key).compactMap { turns.waiting.removeValue(forKey: $0) }
            }
            for other in following.dropFirst() { run { [self] in runInTurn(other, key) } }
            next = following.first
        }
        if let next { run { [self] in runInTurn(next, key) } }
    }

    private func run(_ job: @escaping Job) {
        threads.submit { state in
            // The pool cancels jobs only when it is stopped. Every connection is closed by then, so that no client waits for this job.
            if state == .active { job() }
        }
    }
}

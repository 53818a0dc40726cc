internal import AvatarCore
internal import NIOPosix
internal import Synchronization
internal import TransferMachines

/// Runs requests on worker threads: in order per resource, beside each other otherwise.
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

    /// Ends the threads once what they were given is done.
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

    /// Whether a job that only reads `key` has nothing to wait for.
    func isReadable(_ key: ResourceKey?) -> Bool {
        guard let key else { return true }
        return turns.withLock { $0.order.isReadable(key) }
    }

    /// Runs a job, and what waited for it: the first of them needs no other thread to be woken. Now and then others get their turn.
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
            // Cancelled only once the pool is stopped, after every connection is closed: nobody waits for this any more.
            if state == .active { job() }
        }
    }
}

internal import AvatarCore
internal import NIOPosix
internal import Synchronization
internal import TransferMachines

/// Runs requests on worker threads. Requests for one resource run in order, and so do those that set the icon of one user; other requests
/// run at the same time.
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

    /// Runs `job` on a worker when its turn has come. `icon` is the user whose icon the job sets.
    func submit(_ key: ResourceKey?, _ access: ResourceOrder.Access, icon: UserID? = nil, _ job: @escaping Job) {
        guard let key else { return run(job) }
        let (number, turn) = turns.withLock { turns in
            turns.last += 1
            let turn = turns.order.submit(turns.last, to: key, access, icon: icon)
            if turn == .later { turns.waiting[turns.last] = job }
            return (turns.last, turn)
        }
        if turn == .atOnce { run { [self] in runInTurn((number, job)) } }
    }

    /// Whether a job that only reads `key` could run now.
    func isReadable(_ key: ResourceKey?) -> Bool {
        guard let key else { return true }
        return turns.withLock { $0.order.isReadable(key) }
    }

    /// Runs a job and the jobs that waited for it, without waking another thread for them. After some jobs the rest goes to the end of the
    /// queue, so that other resources get their turn.
    private func runInTurn(_ first: (number: ResourceOrder.Job, job: Job)) {
        var next: (number: ResourceOrder.Job, job: Job)? = first
        for _ in 0..<Limits.Server.jobsInTurnMax {
            guard let (number, job) = next else { return }
            job()
            let following = turns.withLock { turns in
                turns.order.finish(number).compactMap { number in
                    turns.waiting.removeValue(forKey: number).map { (number: number, job: $0) }
                }
            }
            for other in following.dropFirst() { run { [self] in runInTurn(other) } }
            next = following.first
        }
        if let next { run { [self] in runInTurn(next) } }
    }

    private func run(_ job: @escaping Job) {
        threads.submit { state in
            // The pool cancels jobs only when it is stopped. Every connection is closed by then, so that no client waits for this job.
            if state == .active { job() }
        }
    }
}

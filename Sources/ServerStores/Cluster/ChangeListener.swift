internal import AvatarCore
internal import Foundation
internal import ServerRuntime
internal import Synchronization

/// Hears on a thread of its own what instances publish in Redis, and rings. After an outage it rings once, since it may have missed some.
final class ChangeListener: Sendable {
    private let cluster: Cluster
    private let channel: String
    private let work = Work()

    init(_ cluster: Cluster, channel: String) {
        self.cluster = cluster
        self.channel = channel
    }

    deinit { work.stop() }

    /// Begins to listen with the first bell.
    func add(_ bell: @escaping @Sendable () -> Void) {
        work.bells.add(bell)
        guard work.isFirst() else { return }
        let (work, cluster, channel) = (work, cluster, channel)
        Thread.detachNewThread { work.run(cluster, channel) }
    }

    /// What the thread uses; it outlives the listener by a moment.
    @safe private final class Work: @unchecked Sendable {
        let bells = ChangeBells()
        /// Guards what follows.
        private let condition = NSCondition()
        private var isStarted = false
        private var isStopped = false
        private var connection: RedisConnection?

        func isFirst() -> Bool {
            condition.withLock {
                defer { isStarted = true }
                return !isStarted
            }
        }

        func stop() {
            condition.withLock {
                isStopped = true
                connection?.interrupt()
                condition.signal()
            }
        }

        func run(_ cluster: Cluster, _ channel: String) {
            while true {
                do throws(StoreError) {
                    let made = try cluster.subscription(to: channel)
                    guard hold(made) else { return }
                    bells.ring()
                    while true {
                        try made.nextMessage()
                        bells.ring()
                    }
                } catch {
                    // Redis is away; the store's health says so as soon as somebody needs it.
                    guard hold(nil), pause() else { return }
                }
            }
        }

        /// Returns false when the listener is gone.
        private func hold(_ made: RedisConnection?) -> Bool {
            condition.withLock {
                connection = made
                return !isStopped
            }
        }

        /// Waits before the next attempt. Returns false when the listener is gone.
        private func pause() -> Bool {
            condition.withLock {
                let end = Date(timeIntervalSinceNow: Limits.Cluster.subscribeAgainSeconds)
                while !isStopped, condition.wait(until: end) {}
                return !isStopped
            }
        }
    }
}

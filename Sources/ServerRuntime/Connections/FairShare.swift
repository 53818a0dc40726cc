import AvatarCore
internal import NIOConcurrencyHelpers
internal import Synchronization

/// What all connections of a server use together.
final class ConnectionResources: Sendable {
    let queue: WorkQueue
    let metrics: ServerMetrics
    let openFiles: OpenFileBudget
    let users = FairShare()
    private let lastConnection = Atomic<UInt64>(0)

    init(queue: WorkQueue, metrics: ServerMetrics, openFiles: OpenFileBudget) {
        self.queue = queue
        self.metrics = metrics
        self.openFiles = openFiles
    }

    /// A number that no other connection of this server has.
    func nextConnection() -> UInt64 { lastConnection.add(1, ordering: .relaxed).newValue }
}

/// Admits requests by user: all connections of one user together have a bounded number of bytes in flight, so that a user with many
/// connections gets no more of the server than a user with few.
final class FairShare: Sendable {
    private struct Share {
        var bytes = 0
        var members = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private let shares = NIOLockedValueBox<[UserID: Share]>([:])

    /// One connection, counted in the share of the first user whose token was confirmed on it.
    struct Member {
        private let shares: FairShare
        private var user: UserID?
        private(set) var bytes = 0
        private var isWaiting = false

        init(_ shares: FairShare) { self.shares = shares }

        mutating func join(_ user: UserID) {
            guard self.user == nil else { return }
            self.user = user
            shares.change(user, bytes: bytes, members: 1)
        }

        /// From now on the connection has `bytes` in flight.
        mutating func hold(_ bytes: Int) {
            guard bytes != self.bytes else { return }
            if let user { shares.change(user, bytes: bytes - self.bytes) }
            self.bytes = bytes
        }

        /// Whether the user may have more bytes in flight. If not, the share calls `whenRoom` once when the user may, and `whenRoom` has to
        /// call ``stopWaiting()``.
        mutating func hasRoom(_ whenRoom: @escaping @Sendable () -> Void) -> Bool {
            guard let user else { return true }
            if !isWaiting { isWaiting = !shares.hasRoom(user, whenRoom) }
            return !isWaiting
        }

        mutating func stopWaiting() { isWaiting = false }

        /// The connection is gone.
        mutating func leave() {
            if let user { shares.change(user, bytes: -bytes, members: -1) }
            user = nil
            bytes = 0
        }
    }

    private func change(_ user: UserID, bytes: Int, members: Int = 0) {
        let calls = shares.withLockedValue { shares -> [@Sendable () -> Void] in
            var share = shares.removeValue(forKey: user) ?? Share()
            share.bytes += bytes
            share.members += members
            var calls: [@Sendable () -> Void] = []
            if share.bytes < Limits.Server.bytesInFlightPerUserMax {
                calls = share.waiting
                share.waiting = []
            }
            if share.members > 0 { shares[user] = share }
            return calls
        }
        for call in calls { call() }
    }

    private func hasRoom(_ user: UserID, _ whenRoom: @escaping @Sendable () -> Void) -> Bool {
        shares.withLockedValue { shares in
            guard let share = shares[user], share.bytes >= Limits.Server.bytesInFlightPerUserMax else { return true }
            shares[user]?.waiting.append(whenRoom)
            return false
        }
    }
}

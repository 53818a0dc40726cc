import AvatarCore
internal import NIOConcurrencyHelpers

/// What every connection of a server has a part in.
struct ConnectionResources: Sendable {
    let queue: WorkQueue
    let metrics: ServerMetrics
    let openFiles = OpenFileBudget()
    let users = FairShare()
}

/// Bytes in flight of each user's connections together: many connections get one user no more than a few do.
final class FairShare: Sendable {
    private struct Share {
        var bytes = 0
        var members = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private let shares = NIOLockedValueBox<[UserID: Share]>([:])

    /// One connection's part in its user's share: that of the first user whose token it has shown.
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

        /// Whether the user may have more in flight; if not, `whenRoom` is called once when they may, and has to call
        /// ``stopWaiting()``.
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

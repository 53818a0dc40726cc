internal import AvatarCore
internal import Synchronization

/// What all connections of one bus may have waiting together (``Limits/Bus/waitingBytesMax``).
package final class BusBudget: Sendable {
    private let used = Atomic<Int>(0)
    private let limit: Int

    /// A budget of `limit` bytes.
    package init(limit: Int = Limits.Bus.waitingBytesMax) { self.limit = limit }

    /// Takes `bytes`, unless that would be more than there is.
    func take(_ bytes: Int) -> Bool {
        if used.add(bytes, ordering: .relaxed).newValue <= limit { return true }
        used.subtract(bytes, ordering: .relaxed)
        return false
    }

    /// Gives `bytes` back.
    func release(_ bytes: Int) {
        if bytes != 0 { used.subtract(bytes, ordering: .relaxed) }
    }

    /// Bytes that are taken now.
    package var usedBytes: Int { used.load(ordering: .relaxed) }
}

/// What one client holds of the budget in one direction: what it has waiting beyond ``Limits/Bus/ownBytes``, so that
/// nobody can take from it what it needs for a few labels.
struct BusShare {
    private var taken = 0

    /// `bytes` wait now. False, and nothing changed, when that is more than there is; fewer than before always go.
    @discardableResult
    mutating func adjust(to bytes: Int, in budget: BusBudget) -> Bool {
        let wanted = max(0, bytes - Limits.Bus.ownBytes)
        if wanted > taken, !budget.take(wanted - taken) { return false }
        if wanted < taken { budget.release(taken - wanted) }
        taken = wanted
        return true
    }
}

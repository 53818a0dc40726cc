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

/// What one client takes from the budget in one direction: the bytes that it has waiting beyond ``Limits/Bus/ownBytes``. Each client has
/// its own bytes whatever the others have waiting, so that a few labels always get their replies.
struct BusShare {
    private var taken = 0

    /// The client has `bytes` bytes waiting now. False when the budget has not enough left, and nothing changes then; a smaller number
    /// than before always succeeds.
    @discardableResult
    mutating func adjust(to bytes: Int, in budget: BusBudget) -> Bool {
        let wanted = max(0, bytes - Limits.Bus.ownBytes)
        if wanted > taken, !budget.take(wanted - taken) { return false }
        if wanted < taken { budget.release(taken - wanted) }
        taken = wanted
        return true
    }
}

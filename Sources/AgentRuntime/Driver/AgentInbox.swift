internal import Synchronization
package import TransferMachines

/// Where the disk thread and the folder watch hand things over before there is a driver to take them.
package final class AgentInbox: Sendable {
    /// In a struct, since a bare closure in a Mutex is wrapped anew whenever it is looked at: a little longer, and a little slower to
    /// call, each time.
    private struct Target: Sendable { let take: @Sendable ([AgentInput]) -> Void }

    private let target = Mutex<Target?>(nil)

    /// Nobody takes anything yet.
    package init() {}

    /// From here on `target` takes what is fed.
    package func connect(_ target: @escaping @Sendable ([AgentInput]) -> Void) {
        self.target.withLock { $0 = Target(take: target) }
    }

    /// Hands inputs over; they are lost while nobody takes them.
    package func feed(_ inputs: [AgentInput]) {
        let target = self.target.withLock { $0 }
        target?.take(inputs)
    }
}

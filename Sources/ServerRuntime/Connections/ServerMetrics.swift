internal import Synchronization
internal import WireProtocol

/// The numbers that the metrics port gives out.
package final class ServerMetrics: Sendable {
    /// A number that any thread may change.
    final class Counter: Sendable {
        private let number = Atomic<Int>(0)
        func add(_ amount: Int) { number.add(amount, ordering: .relaxed) }
        var value: Int { number.load(ordering: .relaxed) }
    }

    let bytesIn = Counter()
    let bytesOut = Counter()
    let framesRefused = Counter()
    let framesUnknown = Counter()
    let bodiesMalformed = Counter()
    let connections = Counter()
    let connectionsOpen = Counter()
    let bytesInFlight = Counter()
    let chunksReceived = Counter()
    let chunksServed = Counter()
    let otherReplies = Counter()
    let errors = Counter()
    let workNanoseconds = Counter()

    package init() {}

    func connectionOpened() {
        connections.add(1)
        connectionsOpen.add(1)
    }

    func connectionClosed() { connectionsOpen.add(-1) }

    /// Counts a reply, and how long it took from the frame to the encoded answer.
    func answered(_ reply: ClassicReply, bytes: Int, after duration: Duration) {
        workNanoseconds.add(
            Int(duration.components.seconds) * 1_000_000_000
                + Int(duration.components.attoseconds / 1_000_000_000))
        let error: Int
        switch reply {
        case .uploadFile(let reply), .uploadHead(let reply):
            chunksReceived.add(1)
            error = reply.error
        case .download(let reply):
            chunksServed.add(1)
            error = reply.error
        case .syncFile(let reply):
            otherReplies.add(1)
            error = reply.error
        case .test:
            otherReplies.add(1)
            error = 0
        }
        if error != 0 { errors.add(1) }
    }
}

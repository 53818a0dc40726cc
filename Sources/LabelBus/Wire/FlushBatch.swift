internal import AvatarCore
internal import NIOCore
internal import Synchronization

/// The clients of one event loop that were written to and not flushed yet.
///
/// A picture with a thousand subscribers is told to one after the other. Flushed one by one, each reply would wake a reader that
/// sleeps again before the next one comes, and the wake-up costs as much as the write.
final class FlushBatch {
    private let loop: any EventLoop
    private var handlers: [LabelBusHandler] = []
    private var isScheduled = false

    init(on loop: any EventLoop) { self.loop = loop }

    /// Flushes this client when the batch is full, or once the event loop has done what it is at.
    func add(_ handler: LabelBusHandler) {
        handlers.append(handler)
        if handlers.count >= Limits.Bus.flushBatchMax { return flush() }
        guard !isScheduled else { return }
        isScheduled = true
        let batch = NIOLoopBound(self, eventLoop: loop)
        loop.execute {
            batch.value.isScheduled = false
            batch.value.flush()
        }
    }

    private func flush() {
        let written = handlers
        handlers = []
        for handler in written { handler.flushDelivered() }
    }
}

/// The batches of one bus, one for each event loop that its clients are on.
package final class FlushBatches: Sendable {
    private let batches = Mutex<[ObjectIdentifier: NIOLoopBound<FlushBatch>]>([:])

    /// No client yet.
    package init() {}

    /// The batch of this event loop, on which it is asked.
    func batch(on loop: any EventLoop) -> FlushBatch {
        batches.withLock { batches in
            if let batch = batches[ObjectIdentifier(loop)] { return batch }
            let batch = NIOLoopBound(FlushBatch(on: loop), eventLoop: loop)
            batches[ObjectIdentifier(loop)] = batch
            return batch
        }.value
    }
}

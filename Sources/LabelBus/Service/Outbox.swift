internal import AvatarCore
internal import DequeModule
internal import NIOCore
internal import Synchronization

/// The replies of one connection that wait to be written: filled from any thread, emptied on the event loop, bounded.
final class Outbox: Sendable {
    /// What the event loop has to do next.
    struct Batch {
        /// Whole messages, to be written in order.
        var frames: [ByteBuffer] = []
        /// Nothing is left: the next reply wakes the event loop again.
        var isDrained = false
        /// The call has ended, and its last reply is in `frames` or was before.
        var ended = false
        /// The client did not read, and so many of its replies were thrown away. No more replies follow.
        var dropped: Int?
    }

    private struct Call {
        var serial: UInt64
        var more: Bool
        var oneway: Bool
        /// The last reply was offered.
        var ended = false
    }

    private struct State {
        var call: Call?
        var frames: Deque<ByteBuffer> = []
        var bytes = 0
        var share = BusShare()
        /// The event loop is about to look, or is waiting for the socket.
        var awaited = false
        var dropped: Int?
        var closed = false
    }

    private let state = Mutex(State())
    private let budget: BusBudget
    private let writeNow: @Sendable (ByteBuffer) -> Bool
    private let wake: @Sendable () -> Void

    /// Both are called from any thread.
    ///
    /// - Parameters:
    ///   - writeNow: writes a frame that nothing is before, where that can be done at once; whether it did.
    ///   - wake: the event loop has to take a batch.
    init(
        budget: BusBudget, writeNow: @escaping @Sendable (ByteBuffer) -> Bool, wake: @escaping @Sendable () -> Void
    ) {
        self.budget = budget
        self.writeNow = writeNow
        self.wake = wake
    }

    deinit { state.withLock { dropFrames(&$0) } }

    // MARK: Any thread

    /// Takes a reply for the call `serial`; `encode` is told whether it really continues.
    func offer(to serial: UInt64, continues: Bool, encode: (_ continues: Bool) -> ByteBuffer) {
        // A reply to a call that has ended is not encoded. The call may still end before the lock is taken again, below, which decides.
        guard let (more, oneway, isClear) = status(of: serial) else { return }
        let continues = continues && more
        let frame = oneway ? nil : encode(continues)
        // With a thousand subscribers of one picture, queueing a reply takes as long as all the rest of its way.
        if isClear, continues, let frame, writeNow(frame) { return }
        let mustWake = state.withLock { state -> Bool in
            guard !state.closed, state.dropped == nil, let call = state.call, call.serial == serial, !call.ended else {
                return false
            }
            if let frame, !store(frame, in: &state) { return true }
            if !continues { state.call?.ended = true }
            if state.awaited { return false }
            state.awaited = true
            return true
        }
        if mustWake { wake() }
    }

    /// False when there is no room for the frame: the client is a laggard then, and all its waiting replies are thrown away.
    private func store(_ frame: ByteBuffer, in state: inout State) -> Bool {
        let size = frame.readableBytes
        if state.frames.count < Limits.Bus.queuedRepliesMax, state.bytes + size <= Limits.Bus.queuedBytesMax,
            state.share.adjust(to: state.bytes + size, in: budget)
        {
            state.frames.append(frame)
            state.bytes += size
            return true
        }
        state.dropped = state.frames.count + 1
        dropFrames(&state)
        return false
    }

    private func dropFrames(_ state: inout State) {
        state.frames.removeAll(keepingCapacity: false)
        state.bytes = 0
        state.share.adjust(to: 0, in: budget)
    }

    /// Nil for a call that is over; `isClear` when nothing waits and nobody is about to look.
    private func status(of serial: UInt64) -> (more: Bool, oneway: Bool, isClear: Bool)? {
        state.withLock { state in
            guard !state.closed, state.dropped == nil, let call = state.call, call.serial == serial, !call.ended else {
                return nil
            }
            return (call.more, call.oneway, state.frames.isEmpty && !state.awaited)
        }
    }

    func isActive(_ serial: UInt64) -> Bool { status(of: serial) != nil }

    // MARK: The event loop

    /// A call begins. The caller takes a batch after it has handed the call to the service, so that no reply needs to wake it before.
    func begin(_ serial: UInt64, more: Bool, oneway: Bool) {
        state.withLock { state in
            state.call = Call(serial: serial, more: more, oneway: oneway)
            state.awaited = true
        }
    }

    /// At most about `bytesMax` bytes of replies.
    func take(bytesMax: Int) -> Batch {
        state.withLock { state in
            var batch = Batch()
            if let dropped = state.dropped {
                batch.dropped = dropped
                state.call = nil
                state.closed = true
                return batch
            }
            var taken = 0
            while taken < bytesMax, let frame = state.frames.popFirst() {
                taken += frame.readableBytes
                batch.frames.append(frame)
            }
            state.bytes -= taken
            state.share.adjust(to: state.bytes, in: budget)
            guard state.frames.isEmpty else { return batch }
            if let call = state.call, call.ended {
                batch.ended = true
                state.call = nil
            }
            state.awaited = false
            batch.isDrained = true
            return batch
        }
    }

    /// What a call's client left behind.
    enum HangUp {
        /// Nothing, or a call that had ended.
        case over
        /// A call that its client should have heard more of.
        case midway
        /// A oneway call, which goes on.
        case oneway
    }

    /// The client does not read any more. Calls that begin after this are oneway.
    func hangUp() -> HangUp {
        state.withLock { state in
            dropFrames(&state)
            guard let call = state.call else { return .over }
            if call.oneway { return .oneway }
            state.call = nil
            return call.ended ? .over : .midway
        }
    }
}

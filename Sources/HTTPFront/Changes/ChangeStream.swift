internal import AvatarCore
internal import NIOCore
internal import Synchronization

/// What waits to be written to one client that follows changes. One task takes; anybody may offer.
final class ChangeStream: Sendable {
    /// Checked again as long as the stream lasts; nil where nobody has logged in.
    let login: Credentials?
    private let close: @Sendable () -> Void
    private let state = Mutex(State())

    private struct State {
        var waiting: [ByteBuffer] = []
        var bytes = 0
        var reader: CheckedContinuation<[ByteBuffer]?, Never>?
        var isEnded = false
        /// Nothing was taken since the last heartbeat, and something waited then.
        var isBehind = false
    }

    /// - Parameter close: cuts the client off, also while bytes are being written to it.
    init(login: Credentials?, close: @escaping @Sendable () -> Void) {
        self.login = login
        self.close = close
    }

    /// What was offered since the last call, waiting for the first of it; nil when the stream has ended.
    func next() async -> [ByteBuffer]? {
        await withCheckedContinuation { reader in
            let now: [ByteBuffer]?? = state.withLock { state in
                if state.isEnded { return .some(nil) }
                if state.waiting.isEmpty {
                    state.reader = reader
                    return nil
                }
                defer { (state.waiting, state.bytes, state.isBehind) = ([], 0, false) }
                return state.waiting
            }
            if let now { reader.resume(returning: now) }
        }
    }

    /// Has `piece` written next. A client that leaves too much unread is cut off.
    func offer(_ piece: ByteBuffer) {
        let (reader, isTooMuch) = state.withLock {
            state -> (CheckedContinuation<[ByteBuffer]?, Never>?, Bool) in
            if state.isEnded { return (nil, false) }
            if let reader = state.reader {
                state.reader = nil
                return (reader, false)
            }
            state.waiting.append(piece)
            state.bytes += piece.readableBytes
            return (nil, state.bytes > Limits.Changes.unsentBytesMax)
        }
        reader?.resume(returning: [piece])
        if isTooMuch { cutOff() }
    }

    /// Offers a sign of life. A client that has taken nothing since the last one is cut off.
    func beat(_ piece: ByteBuffer) {
        let isStuck = state.withLock { state in
            defer { state.isBehind = !state.waiting.isEmpty }
            return state.isBehind && !state.waiting.isEmpty
        }
        isStuck ? cutOff() : offer(piece)
    }

    /// Nothing more comes; what waits is dropped.
    func end() {
        let reader = state.withLock { state in
            state.isEnded = true
            (state.waiting, state.bytes) = ([], 0)
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume(returning: nil)
    }

    private func cutOff() {
        end()
        close()
    }
}

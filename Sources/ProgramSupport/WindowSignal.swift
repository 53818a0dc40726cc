internal import Glibc

/// SIGWINCH, by which a terminal says that it has another size now.
package enum WindowSignal {
    /// Made once, by ``occurrences()``.
    nonisolated(unsafe) private static var count: SignalCount?

    /// An element for each SIGWINCH; of those that come while nobody reads, one is kept. To be called once.
    package static func occurrences() -> AsyncStream<Void> {
        guard let count = SignalCount() else { return AsyncStream { $0.finish() } }
        Self.count = count
        signal(SIGWINCH) { _ in WindowSignal.count?.add() }
        return count.occurrences(of: [SIGWINCH])
    }
}

internal import Glibc

/// SIGHUP, by which a service manager asks for the configuration to be read again, and which a terminal sends when it closes.
package enum HangUpSignal {
    /// Made once, by ``hold()``.
    nonisolated(unsafe) private static var count: SignalCount?

    /// From here on SIGHUP ends nothing and waits for ``occurrences()``, and nobody who stops reading this program's output ends it either. To
    /// be called first in a program. A mask that the program was started with is undone here.
    package static func hold() {
        guard let count = SignalCount() else { return }
        Self.count = count
        signal(SIGHUP) { _ in HangUpSignal.count?.add() }
        signal(SIGPIPE, SIG_IGN)
        SignalCount.unblock([SIGHUP])
    }

    /// An element for each SIGHUP; of those that come while nobody reads, one is kept.
    package static func occurrences() -> AsyncStream<Void> {
        count?.occurrences(of: [SIGHUP]) ?? AsyncStream { $0.finish() }
    }
}

internal import Glibc

/// SIGTERM and SIGINT, by which a service manager and a person ask a program to end.
package enum EndSignal {
    /// Made once, by ``occurrences()``.
    nonisolated(unsafe) private static var count: SignalCount?

    /// From here on these signals do not end the process by themselves: an element comes for each, and the program ends in order. To be
    /// called once. Where the kernel has no memory for that, the stream is over at once, and the signals still end the process.
    package static func occurrences() -> AsyncStream<Void> {
        let numbers = [SIGTERM, SIGINT]
        guard let count = SignalCount() else { return AsyncStream { $0.finish() } }
        Self.count = count
        for number in numbers { signal(number) { _ in EndSignal.count?.add() } }
        return count.occurrences(of: numbers)
    }
}

@preconcurrency internal import Dispatch
internal import Glibc
internal import Synchronization

/// Ctrl-C on a terminal where something is drawn: the line is ended, and what goes on without this program is said.
enum Interruption {
    private static let words = Mutex<String?>(nil)
    private static let source: any DispatchSourceSignal = {
        // The default would end the program before the words.
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            if let text = words.withLock({ $0 }) { Output.errorLine("\navatarctl: \(text)") }
            // What a shell shows for a program that SIGINT ended. Raised anew it would not reach this thread, which blocks it.
            _exit(128 + SIGINT)
        }
        source.activate()
        return source
    }()

    /// From now on Ctrl-C says this.
    static func say(_ text: String) {
        words.withLock { $0 = text }
        _ = source
    }

    /// Nothing is drawn any more: Ctrl-C ends the program without a word.
    static func sayNothing() { words.withLock { $0 = nil } }
}

import ServerRuntime
import Synchronization

/// Tells that the server listens as soon as every front does.
final class Readiness: Sendable {
    private let notice: ReadyNotice
    private let state: Mutex<(left: Int, port: Int)>

    init(_ notice: ReadyNotice, fronts: Int) {
        self.notice = notice
        state = Mutex((fronts, 0))
    }

    /// One more front listens.
    ///
    /// - Parameter classicPort: the port of the classic one; nil for the others.
    func listening(classicPort: Int?) throws {
        let port = state.withLock { state -> Int? in
            state.left -= 1
            if let classicPort { state.port = classicPort }
            return state.left == 0 ? state.port : nil
        }
        if let port { try notice.listening(on: port) }
    }
}

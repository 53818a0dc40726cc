package import AvatarCore

/// Decides whether a service is asked, or is taken to be down: after a failure nobody waits for the service until a pause is over, and
/// then one caller tries it for all.
///
/// ```
///            failed                      pause over: one caller
///   closed ──────────▶ open ─────────────────────────────────────▶ probing
///      ▲                ▲                     failed                  │
///      │                └─────────────────────────────────────────────┤
///      └──────────────────────────────────────────────────────────────┘ succeeded
/// ```
package struct CircuitBreaker: Sendable {
    /// What a caller does.
    package enum Admission: Hashable, Sendable {
        /// Ask the service, and tell the breaker what came of it.
        case ask
        /// Do not ask; the reason is that of the failure.
        case refuse(String)
    }

    private enum State {
        case closed
        case open(until: MonotonicTime, reason: String)
        case probing(reason: String)
    }

    private var state = State.closed

    package init() {}

    /// Why the service is taken to be down, or nil while it is up as far as the last call knew.
    package var failure: String? {
        switch state {
        case .closed: nil
        case .open(_, let reason), .probing(let reason): reason
        }
    }

    /// Whether a caller may ask the service now. A caller that may becomes the one that tries it, when a pause is over.
    package mutating func admit(now: MonotonicTime) -> Admission {
        switch state {
        case .closed: return .ask
        case .probing(let reason): return .refuse(reason)
        case .open(let until, let reason):
            guard now >= until else { return .refuse(reason) }
            state = .probing(reason: reason)
            return .ask
        }
    }

    /// The service has answered.
    package mutating func succeeded() { state = .closed }

    /// The service has not answered. A call that began before the pause and fails later makes the pause no longer.
    package mutating func failed(now: MonotonicTime, reason: String, pause: Duration) {
        if case .open(let until, _) = state, now < until { return }
        state = .open(until: now + pause, reason: reason)
    }
}

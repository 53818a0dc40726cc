package import AvatarCore

/// When the agent connects to its server, and when it leaves it alone.
///
/// A dead server costs waits that double up to a minute, with jitter; a person who asks, a changed network or a new login ends the
/// wait at once. The wait begins anew only after a connection on which the server said something sensible, so that a server that
/// accepts and hangs up is left alone too. A server that closes an idle connection is not connected to again until there is work.
package struct ConnectionMachine: Sendable {
    /// What the driver has to do.
    package enum Action: Hashable, Sendable {
        /// Open a connection; its events carry this number.
        case connect(Int)
        /// Close the connection with this number, or give up opening it.
        case close(Int)
    }

    /// Where the connection is, as `Status` tells it.
    package enum State: Hashable, Sendable {
        /// Nobody is logged in, or no server is named.
        case offline
        /// Closed by the server with nothing to do; opened again when there is work.
        case idle
        /// Waiting before the next try.
        case waiting(until: MonotonicTime)
        /// A connection is being opened.
        case connecting(Int)
        /// Connected; whether the peer is an avatar server shows when it answers (``ConnectionMachine/isHeard``).
        case online(Int)
        /// The server refuses this user's token; only a new login helps.
        case refused

    }

    /// Where it is now.
    package private(set) var state = State.offline
    /// Whether the peer of the open connection has answered in the server's language. Until then anybody may listen there.
    package private(set) var isHeard = false
    /// Since when the server answers, or since when it does not: tries in between do not count.
    package private(set) var since: MonotonicTime
    /// Why it is not online, in words for a person.
    package private(set) var cause: String?
    private var lastNumber = 0
    /// When the connection that is being opened counts as one that does not come about.
    private var openBy = MonotonicTime.never
    private var lastChange = MonotonicTime(nanoseconds: -Limits.Connection.networkChangeInterval.wholeNanoseconds)
    private var backoff = Backoff(first: Limits.Connection.backoffFirst, longest: Limits.Connection.backoffMax)

    /// Offline until a login.
    package init(now: MonotonicTime) { since = now }

    /// The open connection's number.
    package var online: Int? {
        if case .online(let number) = state { return number }
        return nil
    }

    /// When `tick` wants to be called.
    package var deadline: MonotonicTime? {
        switch state {
        case .waiting(let until): until
        case .connecting: openBy
        case .offline, .idle, .online, .refused: nil
        }
    }

    /// Whether the connection that is being opened should have come about by now: somebody accepts it, and says nothing.
    package func isOverdue(now: MonotonicTime) -> Bool {
        if case .connecting = state { return openBy <= now }
        return false
    }

    /// Somebody logged in, or another server was named: connects at once.
    package mutating func login(now: MonotonicTime) -> [Action] {
        var actions = abandon()
        backoff.reset()
        actions.append(connect(now: now))
        return actions
    }

    /// Nobody is logged in any more.
    package mutating func logout(now: MonotonicTime) -> [Action] {
        let actions = abandon()
        move(to: .offline, now: now, cause: nil)
        return actions
    }

    /// The connection with this number is open. Whether that was the one waited for.
    package mutating func opened(_ number: Int, now: MonotonicTime) -> Bool {
        guard state == .connecting(number) else { return false }
        move(to: .online(number), now: now, cause: cause)
        return true
    }

    /// The peer has answered in the server's language.
    package mutating func heard(now: MonotonicTime) {
        guard online != nil, !isHeard else { return }
        (isHeard, since, cause) = (true, now, nil)
    }

    /// The server said something sensible.
    package mutating func proven() { backoff.reset() }

    /// The connection closed, or could not be opened. Whether it was the current one.
    package mutating func closed(
        _ number: Int, cause: String, hasWork: Bool, now: MonotonicTime, random: inout SeededRandom
    ) -> Bool {
        switch state {
        case .online(number) where !hasWork:
            move(to: .idle, now: now, cause: cause)
        case .online(number), .connecting(number):
            move(to: .waiting(until: now + backoff.next(using: &random)), now: now, cause: cause)
        default:
            return false
        }
        return true
    }

    /// The server misbehaves or went silent: closes, and tries again after a wait.
    package mutating func giveUp(cause: String, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        let actions = abandon()
        guard !actions.isEmpty else { return [] }
        move(to: .waiting(until: now + backoff.next(using: &random)), now: now, cause: cause)
        return actions
    }

    /// The server refuses the token: nothing more is tried until a login.
    package mutating func refuse(cause: String, now: MonotonicTime) -> [Action] {
        let actions = abandon()
        move(to: .refused, now: now, cause: cause)
        return actions
    }

    /// There is something to do now.
    package mutating func work(now: MonotonicTime) -> [Action] {
        guard state == .idle else { return [] }
        return [connect(now: now)]
    }

    /// The network changed: a wait ends, unless another change just ended one.
    package mutating func networkChanged(now: MonotonicTime) -> [Action] {
        guard case .waiting = state, now - lastChange >= Limits.Connection.networkChangeInterval else { return [] }
        lastChange = now
        return hurry(now: now)
    }

    /// A person asked: a wait ends at once.
    package mutating func hurry(now: MonotonicTime) -> [Action] {
        switch state {
        case .waiting, .idle:
            backoff.reset()
            return [connect(now: now)]
        default: return []
        }
    }

    /// Time has passed.
    package mutating func tick(now: MonotonicTime) -> [Action] {
        guard case .waiting(let until) = state, until <= now else { return [] }
        return [connect(now: now)]
    }

    private mutating func connect(now: MonotonicTime) -> Action {
        lastNumber += 1
        openBy = now + Limits.Connection.openTimeout
        move(to: .connecting(lastNumber), now: now, cause: cause)
        return .connect(lastNumber)
    }

    private func abandon() -> [Action] {
        switch state {
        case .connecting(let number), .online(let number): [.close(number)]
        default: []
        }
    }

    private var isTrying: Bool {
        switch state {
        case .waiting, .connecting: true
        case .online: !isHeard
        case .offline, .idle, .refused: false
        }
    }

    private mutating func move(to next: State, now: MonotonicTime, cause: String?) {
        let wasTrying = isTrying
        state = next
        isHeard = false
        if !wasTrying || !isTrying { since = now }
        self.cause = cause
    }
}

internal import AvatarCore

/// Who is logged in, where the connection is, and which directions are paused.
struct Session: Sendable {
    /// What the rest of the machine, or the driver, has to do.
    enum Action: Hashable, Sendable {
        case connect(Int)
        case disconnect(Int)
        /// No answer will come to anything that was sent.
        case connectionLost
        /// The server hung up, went silent or sent nonsense over what was in flight.
        case hungUp
        /// Nothing moves before somebody logs in anew: calls that follow a transfer end with this.
        case callsEnd(BusFault)
        /// The token may be another by now.
        case readToken(isAsked: Bool)
        case log(ActivityLog.Entry)
    }

    private(set) var login: Login?
    /// Why the server refuses whoever is logged in, if it does.
    private(set) var refusal: LoginRefusal?
    private(set) var paused: Set<Direction> = []
    private var connection: ConnectionMachine
    /// Replies on this connection to nothing that was asked.
    private var strayReplies = 0
    /// Whether the server answered anything on this connection: only then it lives.
    private(set) var hasAnswered = false

    init(now: MonotonicTime) { connection = ConnectionMachine(now: now) }

    var state: ConnectionMachine.State { connection.state }
    /// Since when the connection is as it is; see ``ConnectionMachine/since``.
    var since: MonotonicTime { connection.since }
    var cause: String? { connection.cause }
    var isOnline: Bool { connection.online != nil }
    var deadline: MonotonicTime { connection.deadline ?? .never }

    /// Whether a reply came on the connection that is open now.
    func isCurrent(_ number: Int) -> Bool { connection.online == number }

    // MARK: Login

    mutating func logIn(_ login: Login, now: MonotonicTime) -> [Action] {
        self.login = login
        refusal = nil
        return [
            .log(.note(Note(.info, "logged in", detail: "uid \(login.uid) at \(login.server)"))),
            .log(.solved(key: "token")),
        ] + actions(connection.login(now: now))
    }

    mutating func logOut(now: MonotonicTime) -> [Action] {
        login = nil
        refusal = nil
        return actions(connection.logout(now: now)) + [.log(.note(Note(.info, "logged out"))), .callsEnd(.notLoggedIn)]
    }

    mutating func refuse(_ refusal: LoginRefusal, now: MonotonicTime) -> [Action] {
        self.refusal = refusal
        let problem = ActivityLog.Entry.problem(
            key: "token", what: "the server refuses the login (\(refusal))",
            remedy: login?.remedyForToken)
        return [.log(problem), .log(.note(Note(.warning, "token refused", detail: refusal.description)))]
            + actions(connection.refuse(cause: refusal.description, now: now))
            + [.callsEnd(.serverRefused(code: refusal.code, reason: refusal.description))]
            + (login?.tokenFile == nil ? [] : [.readToken(isAsked: false)])
    }

    /// The token's file was read again, and cannot be used: that is said where the server takes no other token.
    func tokenUnusable(_ reason: String) -> [Action] {
        guard login == nil || refusal != nil else { return [] }
        return [
            .log(
                .problem(
                    key: "token", what: reason, remedy: "put that right: the file is read again as soon as it changes",
                    note: Note(.warning, "the token cannot be used", detail: reason)))
        ]
    }

    // MARK: The connection

    mutating func opened(_ number: Int, now: MonotonicTime) -> [Action] {
        guard connection.opened(number, now: now) else { return [.disconnect(number)] }
        (strayReplies, hasAnswered) = (0, false)
        return [.log(.note(Note(.info, "connected", detail: login?.server)))]
    }

    mutating func closed(
        _ number: Int, cause: String, hasWork: Bool, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        let (wasOnline, known) = (connection.online == number, connection.cause)
        guard connection.closed(number, cause: cause, hasWork: hasWork, now: now, random: &random) else { return [] }
        let note = cause == known ? [] : [Action.log(.note(Note(.info, "not connected", detail: cause)))]
        return note + (wasOnline ? [.hungUp] : []) + [.connectionLost]
    }

    /// The server misbehaves: the connection is closed, and opened again after a wait.
    mutating func giveUp(_ cause: String, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        [.hungUp, .log(.note(Note(.warning, "connection given up", detail: cause)))]
            + actions(connection.giveUp(cause: cause, now: now, random: &random))
    }

    /// The server answered something that nobody asked.
    mutating func stray(_ detail: String, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        strayReplies += 1
        let first = Note(.warning, "reply to nothing that was asked", detail: detail)
        let note: [Action] = strayReplies == 1 ? [.log(.note(first))] : []
        guard strayReplies > Limits.Connection.strayRepliesMax else { return note }
        let cause = "more than \(Limits.Connection.strayRepliesMax) replies to nothing that was asked"
        return note + giveUp(cause, now: now, random: &random)
    }

    /// A frame came from the server.
    mutating func heard(_ kind: ServerReply.Kind) {
        switch kind {
        case .download, .upload, .progress: hasAnswered = true
        case .other, .unreadable: break
        }
    }

    /// The server said something sensible: the next waits begin anew.
    mutating func proven() { connection.proven() }

    /// A person asked: a wait ends at once. `isForToken` where a token that was refused may be tried once more as it is; a program that asks for
    /// pictures again and again must not have it tried each time.
    mutating func hurry(isForToken: Bool, now: MonotonicTime) -> [Action] {
        let isWithoutToken = login == nil || (refusal != nil && login?.tokenFile != nil)
        return (isWithoutToken ? [.readToken(isAsked: isForToken)] : []) + actions(connection.hurry(now: now))
    }

    mutating func networkChanged(now: MonotonicTime) -> [Action] { actions(connection.networkChanged(now: now)) }

    mutating func tick(now: MonotonicTime) -> [Action] { actions(connection.tick(now: now)) }

    /// Something waits for the server: an idle connection is opened.
    mutating func work(now: MonotonicTime) -> [Action] { actions(connection.work(now: now)) }

    private func actions(_ steps: [ConnectionMachine.Action]) -> [Action] {
        guard !steps.isEmpty else { return [] }
        return steps.flatMap { step -> [Action] in
            switch step {
            case .connect(let number): [.connect(number)]
            case .close(let number): [.disconnect(number), .connectionLost]
            }
        }
    }

    // MARK: Pause

    mutating func pause(_ directions: [Direction]) -> [Action] {
        paused.formUnion(directions)
        return [.log(.note(Note(.info, "paused", detail: directions.map(\.rawValue).joined(separator: ", "))))]
    }

    mutating func resume(_ directions: [Direction]) -> [Action] {
        paused.subtract(directions)
        return [.log(.note(Note(.info, "resumed", detail: directions.map(\.rawValue).joined(separator: ", "))))]
    }
}

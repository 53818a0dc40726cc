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
        /// Ask the server about itself.
        case ask(ServerQuestion)
        /// Whoever waits for the login to be verified is told.
        case verified([StreamID])
        case notVerified([StreamID], BusFault)
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
    /// When the question that tells an avatar server from another was sent on this connection.
    private var greetedAt: MonotonicTime?
    /// Calls that wait for the login to be verified, and when the server was asked on this connection.
    private var verifiers: [StreamID] = []
    private var verifiedAt: MonotonicTime?

    init(now: MonotonicTime) { connection = ConnectionMachine(now: now) }

    var state: ConnectionMachine.State { connection.state }
    /// Since when the connection is as it is; see ``ConnectionMachine/since``.
    var since: MonotonicTime { connection.since }
    var cause: String? { connection.cause }
    var isOnline: Bool { connection.online != nil }
    /// Whether the peer of the open connection has answered as an avatar server does.
    var isHeard: Bool { connection.isHeard }
    var deadline: MonotonicTime {
        min(connection.deadline ?? .never, owed.map { $0 + Limits.Connection.replyTimeout } ?? .never)
    }

    /// Since when the server owes an answer to a question about itself.
    private var owed: MonotonicTime? {
        [isHeard ? nil : greetedAt, verifiedAt].compactMap { $0 }.min()
    }

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
        (greetedAt, verifiedAt) = (nil, nil)
        return [.log(.note(Note(.info, "connected", detail: login?.server)))]
    }

    mutating func closed(
        _ number: Int, cause: String, hasWork: Bool, now: MonotonicTime, random: inout SeededRandom
    ) -> [Action] {
        let (wasOnline, known) = (connection.online == number, connection.cause)
        let isUnheard = wasOnline && !isHeard
        let cause = isUnheard ? doubt(cause) : cause
        // A peer that has never answered may be another program: it is tried again, so that a person hears of it until it is right.
        guard connection.closed(number, cause: cause, hasWork: hasWork || isUnheard, now: now, random: &random)
        else { return [] }
        (greetedAt, verifiedAt) = (nil, nil)
        let note = cause == known ? [] : [Action.log(.note(Note(.info, "not connected", detail: cause)))]
        return note + (wasOnline ? [.hungUp] : []) + [.connectionLost]
    }

    /// The server misbehaves: the connection is closed, and opened again after a wait.
    mutating func giveUp(_ cause: String, now: MonotonicTime, random: inout SeededRandom) -> [Action] {
        let cause = isHeard ? cause : doubt(cause)
        (greetedAt, verifiedAt) = (nil, nil)
        return [.hungUp, .log(.note(Note(.warning, "connection given up", detail: cause)))]
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
    mutating func heard(_ kind: ServerReply.Kind, now: MonotonicTime) {
        switch kind {
        case .download, .upload, .progress, .http, .greeting: hasAnswered = true
        case .other, .unreadable: break
        }
        if case .unreadable = kind { return }
        connection.heard(now: now)
    }

    // MARK: Questions about the server itself

    /// Why a connection ended on which nothing came that an avatar server says.
    private func doubt(_ cause: String) -> String {
        "\(login?.server ?? "the server") does not answer as an avatar server does (\(cause)): check its host and port"
    }

    /// Whether the server has owed an answer about itself for too long, be it the one by which the connection comes about.
    func isSilent(now: MonotonicTime) -> Bool {
        connection.isOverdue(now: now) || owed.map { now - $0 >= Limits.Connection.replyTimeout } ?? false
    }

    /// What the server is asked about itself now. `isQuiet` where nothing else was asked whose answer would tell as much.
    mutating func questions(isQuiet: Bool, now: MonotonicTime) -> [Action] {
        guard isOnline else { return [] }
        var actions: [Action] = []
        if !isHeard, greetedAt == nil, isQuiet {
            greetedAt = now
            actions.append(.ask(.whoIsThere))
        }
        if !verifiers.isEmpty, verifiedAt == nil {
            verifiedAt = now
            actions.append(.ask(.isTokenTaken))
        }
        return actions
    }

    /// Somebody wants to know whether the server takes the login.
    mutating func verify(_ stream: StreamID, now: MonotonicTime) -> [Action] {
        guard login != nil else { return [.notVerified([stream], .notLoggedIn)] }
        if let refusal {
            return [.notVerified([stream], .serverRefused(code: refusal.code, reason: refusal.description))]
        }
        verifiers.append(stream)
        return actions(connection.hurry(now: now))
    }

    mutating func hungUp(_ stream: StreamID) { verifiers.removeAll { $0 == stream } }

    /// Whether that is the answer to ``ServerQuestion/isTokenTaken``; an error may be without a name, which is then the answer where nothing
    /// else was asked.
    func isVerification(_ kind: ServerReply.Kind, isQuiet: Bool) -> Bool {
        guard verifiedAt != nil, case .download(let name, _) = kind else { return false }
        return name.map { ExactString($0) == ExactString(ServerQuestion.unusedName) } ?? isQuiet
    }

    /// The answer to ``ServerQuestion/isTokenTaken``: the server looks at the token before it looks for the file.
    mutating func verificationAnswered(_ answer: ClassicDownload.Reply, now: MonotonicTime) -> [Action] {
        verifiedAt = nil
        let streams = verifiers
        verifiers = []
        guard case .error(let code) = answer, let error = ClassicError(rawValue: code),
            error == .tokenInvalid || error == .uidInvalid
        else { return [.verified(streams)] }
        let refusal = LoginRefusal(error)
        return refuse(refusal, now: now) + [
            .notVerified(streams, .serverRefused(code: code, reason: refusal.description))
        ]
    }

    /// The answer to a ``ServerQuestion`` of the HTTP way, where one question asks both.
    mutating func greeted(_ head: HTTPHead, now: MonotonicTime) -> [Action] {
        verifiedAt = nil
        let streams = verifiers
        verifiers = []
        switch head.status {
        case 200: return [.verified(streams)]
        case 401:
            let refusal = LoginRefusal(head)
            return refuse(refusal, now: now) + [
                .notVerified(streams, .serverRefused(code: head.status, reason: refusal.description))
            ]
        default:
            // Pictures may be had from it all the same.
            let detail = "\(login?.server ?? "the server") does not say whether it takes the login: \(head.words)"
            return [.notVerified(streams, .unreachable(detail))]
        }
    }

    /// The connection was lost: whoever waits for the login to be verified is told why, rather than kept waiting.
    mutating func verificationsEnd() -> [Action] {
        guard !verifiers.isEmpty else { return [] }
        defer { verifiers = [] }
        if let refusal {
            return [.notVerified(verifiers, .serverRefused(code: refusal.code, reason: refusal.description))]
        }
        guard login != nil else { return [.notVerified(verifiers, .notLoggedIn)] }
        return [.notVerified(verifiers, .unreachable(connection.cause ?? "another login came in between"))]
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

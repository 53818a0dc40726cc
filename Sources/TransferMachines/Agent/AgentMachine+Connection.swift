internal import AvatarCore

extension AgentMachine {
    mutating func logIn(_ login: Login) {
        let isAnother = self.login?.server != login.server || self.login?.uid != login.uid
        self.login = login
        refusal = nil
        note(.info, "logged in", detail: "uid \(login.uid) at \(login.server)")
        activity.solved(key: "token")
        if isAnother { uploads.startOver() }
        // What the catalog holds back was refused to this very token, unless it says otherwise; of what is on somebody's mind now, one
        // more try costs little.
        actions.append(.disk(.clearNegativesOfOtherTokens(than: login.tokenEpoch)))
        liftFailures(entries.keys.sorted())
        perform(connection.login(now: now))
        if isAnother { forgetParts() }
    }

    /// What was fetched from another server, or for another user, may be another file's bytes. The connection is closed: no answer is owed.
    private mutating func forgetParts() {
        for name in entries.keys.sorted() { entries[name]?.part = nil }
        for name in active {
            downloads[name] = nil
            if entries[name]?.status == .active { entries[name]?.status = .queued }
            releaseIfQuiet(name)
        }
    }

    mutating func logOut() {
        login = nil
        refusal = nil
        perform(connection.logout(now: now))
        note(.info, "logged out")
        endCalls(.notLoggedIn)
    }

    mutating func connectionEvent(_ event: ConnectionEvent) {
        switch event {
        case .opened(let number):
            guard connection.opened(number, now: now) else {
                actions.append(.disconnect(number))
                return
            }
            strayReplies = 0
            note(.info, "connected", detail: login?.server)
        case .closed(let number, let cause):
            let owed = connection.online == number && owesAnswers
            let known = connection.cause
            guard connection.closed(number, cause: cause, hasWork: hasWork, now: now, random: &random) else { return }
            if cause != known { note(.info, "not connected", detail: cause) }
            if owed { countInterruptions() }
            allConnectionsLost()
        }
    }

    private var owesAnswers: Bool {
        active.contains { (downloads[$0]?.inFlight ?? 0) > 0 }
    }

    /// A reply that never comes leaves the connection out of step.
    mutating func connectionSilent() {
        countInterruptions()
        giveUpConnection("the server owes an answer for \(Limits.Connection.replyTimeout)")
    }

    /// A name over which the server keeps hanging up must not keep the others from coming.
    private mutating func countInterruptions() {
        for name in active where (downloads[name]?.inFlight ?? 0) > 0 {
            entries[name]?.interruptions += 1
            guard let count = entries[name]?.interruptions, count >= Limits.Download.restartsMax else { continue }
            fail(name, .serverError, detail: "the server hung up over it \(count) times")
        }
    }

    mutating func giveUpConnection(_ cause: String) {
        note(.warning, "connection given up", detail: cause)
        perform(connection.giveUp(cause: cause, now: now, random: &random))
    }

    /// Nothing that was sent will be answered.
    mutating func allConnectionsLost() {
        uploads.connectionLost()
        for name in active {
            downloads[name]?.connectionLost()
            releaseIfQuiet(name)
        }
    }

    mutating func tokenRefused(_ error: ClassicError) {
        activity.problem(
            key: "token", what: "the server refuses the login (\(error))",
            remedy: "avatarctl login with a fresh token", now: now)
        note(.warning, "token refused", detail: error.description)
        refusal = error
        perform(connection.refuse(cause: error.description, now: now))
        endCalls(.serverRefused(code: error.rawValue, reason: error.description))
    }

    mutating func replied(_ reply: ServerReply) {
        guard connection.online == reply.connection else { return }
        switch reply.kind {
        case .download(let name, let answer): downloadReplied(name, answer)
        case .upload(let code, let name, let md5, let seq):
            perform(uploads.replied(error: code, name: name, md5: md5, seq: seq))
        case .progress(let name, let progress):
            perform(uploads.progress(name: name, progress, now: now))
        case .other: break
        case .unreadable(let detail):
            countInterruptions()
            giveUpConnection(detail)
        }
    }

    mutating func stray(_ detail: String) {
        strayReplies += 1
        activity.strayReplies += 1
        if strayReplies == 1 { note(.warning, "reply to nothing that was asked", detail: detail) }
        guard strayReplies > Limits.Connection.strayRepliesMax else { return }
        giveUpConnection("more than \(Limits.Connection.strayRepliesMax) replies to nothing that was asked")
    }
}

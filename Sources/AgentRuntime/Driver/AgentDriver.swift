internal import AvatarCore
internal import LabelBus
internal import Logging
internal import NIOCore
internal import PosixFiles
internal import TransferMachines

/// Drives the agent's machine: hands it what happens, and carries out what it says, on one event loop.
///
/// Nothing is decided here. Inputs that arise while actions are carried out wait their turn, so that the machine is
/// never entered twice.
final class AgentDriver {
    private var machine: AgentMachine
    private let loop: any EventLoop
    private let disk: DiskThread
    private let clock = SystemClock()
    private let mapping: BusMapping
    private let attach: @Sendable (WatchedFolder) -> Void
    /// Where the configured user's token comes from; another configuration puts another one here.
    private var tokens: TokenSource?
    /// How often the source was replaced: what was read from one before is not used.
    private var tokensNumber = 0
    /// Whether the token is the one of its file: a login or logout over the bus beats the file until the next start.
    private var followsTokenFile = false
    private let bindBus: @Sendable () -> Void
    private let end: @Sendable (_ reason: String) -> Void
    private let logger: Logger

    private var inputs: [AgentInput] = []
    private var isFeeding = false
    private var commands: [DiskCommand] = []
    private var timer: Scheduled<Void>?
    private var timerAt: MonotonicTime?

    private(set) var account: Account?
    /// How often somebody has logged in over the bus, or out. A token that was read again from its file does not count: that is no more than
    /// the configuration says.
    private(set) var busLoginCount = 0
    /// The largest picture that is uploaded now; for `Status`.
    var uploadBytesMax: Int64
    private var connection: (number: Int, link: any ServerLink)?
    /// Done when nothing is left of the connections before.
    private var closing: EventLoopFuture<Void>
    private let proxies: ProxyRule

    private var streams: [StreamID: ReplyStream] = [:]
    private var streamIDs: [ReplyStream.ID: StreamID] = [:]
    private var lastStream: UInt64 = 0
    private var lastEncoded: (view: AvatarView, avatar: EncodedAvatar)?

    init(
        seed: UInt64, isShared: Bool, uploadBytesMax: Int64, places: PlaceNames, recheckAfter: Duration?,
        mapping: BusMapping, disk: DiskThread, loop: any EventLoop, logger: Logger, tokens: TokenSource?,
        proxies: ProxyRule, attach: @escaping @Sendable (WatchedFolder) -> Void,
        bindBus: @escaping @Sendable () -> Void,
        end: @escaping @Sendable (_ reason: String) -> Void
    ) {
        self.attach = attach
        self.uploadBytesMax = uploadBytesMax
        self.tokens = tokens
        self.bindBus = bindBus
        self.end = end
        self.proxies = proxies
        closing = loop.makeSucceededVoidFuture()
        machine = AgentMachine(
            now: SystemClock().now, seed: seed, isShared: isShared, places: places,
            recheckAfter: recheckAfter)
        self.loop = loop
        self.disk = disk
        self.mapping = mapping
        self.logger = logger
    }

    // MARK: In

    func feed(_ input: AgentInput) { feed([input]) }

    /// Hands inputs to the machine and carries out what the machine says. What goes to the server and to the disk goes at the end, once
    /// for all that came together.
    func feed(_ inputs: [AgentInput]) {
        self.inputs += inputs
        guard !isFeeding else { return }
        isFeeding = true
        while !self.inputs.isEmpty {
            let batch = self.inputs
            self.inputs.removeAll(keepingCapacity: true)
            for action in machine.handle(batch, now: clock.now) { perform(action) }
        }
        isFeeding = false
        lastEncoded = nil
        connection?.link.flush()
        if !commands.isEmpty {
            disk.submit(commands)
            commands.removeAll(keepingCapacity: true)
        }
        rearm()
    }

    /// From here on the agent acts for this account, in memory as on the disk thread: both hear of logins in the same order.
    func logIn(_ account: Account) {
        self.account = account
        followsTokenFile = account.tokenFile != nil
        if !followsTokenFile { busLoginCount += 1 }
        disk.submit([.ask { $0.use(account) }])
        feed(.login(account.login))
    }

    func logOut() {
        account = nil
        followsTokenFile = false
        busLoginCount += 1
        disk.submit([.ask { $0.use(nil) }])
        feed(.logout)
    }

    /// Nobody is logged in, since there is no token: one that appears in its file is taken.
    func followTokenFile() { followsTokenFile = true }

    /// The token comes from there from now on.
    func takeTokens(from source: TokenSource?) {
        tokens = source
        tokensNumber += 1
    }

    /// Reads the token again where it comes from, on the disk thread, and logs in when it is another one. The same token is tried again only
    /// when a person asks for that (`isAsked`).
    func readToken(isAsked: Bool) {
        guard followsTokenFile, let tokens else { return }
        let driver = NIOLoopBound(self, eventLoop: loop)
        disk.submit([
            .ask { [loop, tokensNumber] _ in
                let found = Result { () throws(TokenFile.Fault) in try tokens.account() }
                loop.execute { driver.value.tokenRead(found, from: tokensNumber, isAsked: isAsked) }
            }
        ])
    }

    private func tokenRead(_ found: Result<Account?, TokenFile.Fault>, from number: Int, isAsked: Bool) {
        guard followsTokenFile, number == tokensNumber else { return }
        switch found {
        case .success(let new?):
            let isAnother = account.map { ExactString($0.token) != ExactString(new.token) } ?? true
            if isAnother { logger.info("the token was read again", metadata: ["file": "\(new.tokenFile ?? "")"]) }
            if isAnother || (isAsked && machine.connectionState == .refused) { logIn(new) }
        case .success(nil): break
        case .failure(let fault): feed(.tokenUnusable(reason: fault.description))
        }
    }

    func call(_ call: AgentCall, more: Bool, reply: ReplyStream) {
        do {
            let token = "s\(reply.id.connection)-\(reply.id.call)"
            guard let busCall = try BusMapping.call(call, more: more, token: token) else { return }
            lastStream += 1
            let stream = StreamID(lastStream)
            streams[stream] = reply
            streamIDs[reply.id] = stream
            let look = busCall.looksAtFolders ? [AgentInput.pathsMayDiffer] : []
            feed(look + [.bus(stream, busCall)])
        } catch {
            reply.fail(error)
        }
    }

    func hungUp(_ id: ReplyStream.ID) {
        guard let stream = streamIDs.removeValue(forKey: id) else { return }
        streams[stream] = nil
        feed(.hungUp(stream))
    }

    /// The agent stops: nothing more is sent, and no timer is left. Done when nothing of a connection is left either.
    func stop() -> EventLoopFuture<Void> {
        timer?.cancel()
        closeConnection()
        return closing
    }

    private func closeConnection() {
        guard let link = connection?.link else { return }
        connection = nil
        closing = closing.and(link.close()).map { _ in }
    }

    // MARK: Out

    private func perform(_ action: AgentAction) {
        switch action {
        case .connect(let number): connect(number)
        case .disconnect(let number):
            guard connection?.number == number else { return }
            closeConnection()
        case .send(let request): connection?.link.send(request)
        case .ask(let question): connection?.link.ask(question)
        case .disk(let command): commands.append(command)
        case .bus(let output): tell(output)
        case .note(let note): log(note)
        case .attach(let folder): attach(folder)
        case .readToken(let isAsked): readToken(isAsked: isAsked)
        case .bindBus: bindBus()
        case .end(let reason): end(reason)
        }
    }

    private func connect(_ number: Int) {
        guard let account else { return }
        if let refusal = account.server.plaintextRefusal {
            return feed(.connection(.closed(number, cause: refusal)))
        }
        let driver = NIOLoopBound(self, eventLoop: loop)
        let events = LinkEvents(
            opened: { kinds in
                // Together, so that what came already is not asked for.
                let replies = kinds.map { ServerReply(connection: number, kind: $0) }
                driver.value.feed([.connection(.opened(number))] + (replies.isEmpty ? [] : [.replies(replies)]))
            },
            replied: { kinds in
                driver.value.feed(.replies(kinds.map { ServerReply(connection: number, kind: $0) }))
            },
            closed: { cause in
                if driver.value.connection?.number == number { driver.value.closeConnection() }
                driver.value.feed(.connection(.closed(number, cause: cause)))
            })
        if let url = account.server.url {
            connection = (
                number,
                HTTPConnection(url, account, on: loop, disk: disk, proxy: proxies.proxy(to: url), events: events)
            )
        } else {
            connection = (number, ServerConnection(account, on: loop, events: events))
        }
    }

    private func tell(_ output: BusOutput) {
        switch output {
        case .labels(let output):
            let labels = output.states.map { (label: $0.label.string, avatar: encoded($0.avatar)) }
            let stream = output.continues ? streams[output.stream] : forget(output.stream)
            stream?.send(
                LabelsReply(subscription: output.subscription?.string, labels: labels, synced: output.synced),
                continues: output.continues)
        case .avatar(let stream, let view, let continues):
            send(.avatar(mapping.avatar(view)), to: stream, continues: continues)
        case .accepted(let stream, let count, let view, let continues):
            send(
                .fetch(FetchReply(accepted: count, avatar: view.map(mapping.avatar))), to: stream, continues: continues)
        case .page(let stream, let views, let next):
            send(.list(ListReply(avatars: views.map(mapping.avatar), next: next)), to: stream, continues: false)
        case .changes(let stream, let epoch, let cursor, let reset, let changes, let continues):
            send(
                .watch(
                    WatchReply(
                        epoch: epoch, cursor: Int(cursor), reset: reset ? true : nil,
                        changes: changes.map(mapping.change))),
                to: stream, continues: continues)
        case .explanation(let stream, let steps): send(.explain(steps.map(mapping.step)), to: stream, continues: false)
        case .checked(let stream, let check): send(.check(mapping.check(check)), to: stream, continues: false)
        case .verified(let stream):
            guard let account else { return send(.done, to: stream, continues: false) }
            let facts = connection?.link.facts ?? ServerFacts()
            send(
                .verify(
                    VerifyReply(
                        server: Server(account.server), uid: Int(account.uid.value),
                        dialect: account.server.dialect, version: facts.version,
                        date: facts.date.map(SystemClock.rfc3339), tls: facts.tls, certificate: facts.certificate)),
                to: stream, continues: false)
        case .done(let stream): send(.done, to: stream, continues: false)
        case .failed(let stream, let fault):
            guard let reply = forget(stream) else { return }
            reply.fail(mapping.error(fault))
        }
    }

    /// Labels of one picture are told one after the other, thousands perhaps: it is encoded for all of them at once.
    private func encoded(_ view: AvatarView) -> EncodedAvatar {
        if let lastEncoded, lastEncoded.view == view { return lastEncoded.avatar }
        let avatar = EncodedAvatar(mapping.avatar(view))
        lastEncoded = (view, avatar)
        return avatar
    }

    private func send(_ message: AgentReply, to stream: StreamID, continues: Bool) {
        if continues {
            streams[stream]?.send(message, continues: true)
        } else {
            forget(stream)?.send(message, continues: false)
        }
    }

    /// A stream's last reply is on its way.
    private func forget(_ stream: StreamID) -> ReplyStream? {
        guard let reply = streams.removeValue(forKey: stream) else { return nil }
        streamIDs[reply.id] = nil
        return reply
    }

    private func log(_ note: Note) {
        var metadata: Logger.Metadata = [:]
        if let name = note.name { metadata["name"] = "\(name)" }
        if let detail = note.detail { metadata["detail"] = "\(detail)" }
        let level: Logger.Level =
            switch note.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            }
        logger.log(level: level, "\(note.what)", metadata: metadata)
    }

    /// With every input: a getter on the property itself would copy the whole machine first.
    private func look<T>(_ body: (inout AgentMachine) -> T) -> T { body(&machine) }

    private func rearm() {
        let deadline = look { $0.deadline }
        // One that has passed is due although its timer is set: the loop's clock stood still while the machine slept.
        guard deadline != timerAt || deadline.map({ $0 <= clock.now }) == true else { return }
        timer?.cancel()
        timerAt = deadline
        guard let deadline else {
            timer = nil
            return
        }
        let wait = max(0, (deadline - clock.now).wholeNanoseconds)
        let driver = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: .nanoseconds(wait)) {
            driver.value.timerAt = nil
            driver.value.feed(.tick)
        }
    }

    // MARK: Questions

    /// What the agent is at, from memory alone: a disk that hangs must not keep a person from hearing of that.
    func status(version: String) -> StatusReply {
        let status = machine.status
        let activity = machine.activity
        var problems = status.problems.map {
            Problem(what: $0.what, since: clock.rfc3339($0.since), remedy: $0.remedy)
        }
        let word = connectionWord(status)
        if let cause = status.cause, word != "online" {
            problems.insert(Problem(what: cause, since: clock.rfc3339(status.since)), at: 0)
        }
        if let warning = account?.server.plaintextWarning {
            problems.append(
                Problem(
                    what: warning, since: clock.rfc3339(status.since),
                    remedy: "server.url: https://… encrypts it; in a network that only you use it does no harm"))
        }
        let silence = disk.busyFor
        if silence >= Limits.Storage.silenceTold {
            let since = clock.now + (.zero - silence)
            problems.insert(
                Problem(
                    what: "the disk has not answered for \(silence.components.seconds) seconds",
                    since: clock.rfc3339(since), remedy: "look at the file systems of the cache and the state folder"),
                at: 0)
        }
        return StatusReply(
            version: version, connection: word, since: clock.rfc3339(status.since),
            server: account.map { Server($0.server) },
            uid: account.map { Int($0.uid.value) }, dialect: word == "online" ? account?.server.dialect : nil,
            icon: status.icon.map(mapping.avatar),
            downloads: status.downloads, uploads: status.uploads, labels: status.labels, cached: status.cachedFiles,
            bytes: Int(status.cachedBytes), problems: problems,
            figures: [
                "upload_bytes_max": Double(uploadBytesMax),
                "bytes_down": Double(activity.bytesDown), "bytes_up": Double(activity.bytesUp),
                "download_restarts": Double(activity.restarts), "stray_replies": Double(activity.strayReplies),
                "watch_overflows": Double(activity.overflows), "paused_down": status.paused.contains(.down) ? 1 : 0,
                "paused_up": status.paused.contains(.up) ? 1 : 0,
            ])
    }

    private func connectionWord(_ status: AgentMachine.Status) -> String {
        switch status.connection {
        case .offline: "offline"
        case .idle, .waiting: "waiting"
        case .connecting: "connecting"
        case .online: status.isHeard ? "online" : "connecting"
        case .refused: "refused"
        }
    }
}

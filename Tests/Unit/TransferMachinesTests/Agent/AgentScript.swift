import AvatarCore
import Testing
import TransferMachines

/// Drives the agent's machine by hand: each input with the time, each answer sorted by whom it is for.
struct AgentScript {
    var machine: AgentMachine
    var now = at(0)
    /// The last connection that was asked for.
    private(set) var connection = 0
    private(set) var disk: [DiskCommand] = []
    private(set) var sent: [ServerRequest] = []
    private(set) var told: [BusOutput] = []
    private(set) var actions: [AgentAction] = []
    /// What the log of changes was told of files that are not uploaded, from the beginning.
    private(set) var refusals: [String] = []
    /// Whether the server answers the question that tells it from another program.
    var answersWhoIsThere = true
    /// Whether the server answers that it has no avatar of the user, and the question is not told.
    var answersWhoseAvatar = true
    /// What the disk was told to commit last, by name.
    private var committing: [AvatarName: CommitMachine.Item] = [:]

    static let login = Login(
        server: "127.0.0.1:9090", uid: UserID(7)!, way: .classic(uploadChunkBytes: 2048))
    /// A catalog that knows nothing of the script's account.
    static let facts = AccountFacts(account: login.account)
    /// A file that the server has already.
    static let known = Examination.settled(CropRule.Candidate(recorded: .sent(toThisAccount: true, .untouched)))

    /// Started with this catalog and, unless told otherwise, logged in and connected, with what the catalog keeps of the account; what the
    /// machine did until then is not kept.
    init(
        _ start: StartFacts = StartFacts(), account: AccountFacts = AgentScript.facts, online: Bool = true,
        isShared: Bool = false, recheckAfter: Duration? = nil
    ) {
        machine = AgentMachine(now: at(0), seed: 1, isShared: isShared, recheckAfter: recheckAfter)
        give(.disk(.started(start)))
        guard online else { return }
        give(.disk(.rescanned(.crops, settled: [], unnameable: [], vanished: [], events: [])))
        logIn(account: account)
    }

    /// One input; what came of it replaces what came of the last.
    mutating func give(_ input: AgentInput) {
        actions = machine.handle(input, now: now)
        if answersWhoIsThere, actions.contains(.ask(.whoIsThere)) {
            actions += machine.handle(.replies([ServerReply(connection: connection, kind: .other)]), now: now)
        }
        if answersWhoseAvatar { answerForOwnAvatar() }
        disk = []
        sent = []
        told = []
        for action in actions {
            switch action {
            case .connect(let number): connection = number
            case .disk(.logRefusal(let name, let reason)): refusals.append("\(name): \(reason)")
            case .disk(let command):
                disk.append(command)
                if case .commit(let items) = command { for item in items { committing[item.name] = item } }
            case .send(let request): sent.append(request)
            case .bus(let output): told.append(output)
            case .ask, .disconnect, .note, .attach, .readToken, .bindBus, .end: break
            }
        }
    }

    private mutating func answerForOwnAvatar() {
        for case .send(.http(let id, .avatar(Self.login.uid))) in actions {
            actions.removeAll { $0 == .send(.http(id, .avatar(of: Self.login.uid))) }
            let answer = ServerReply(connection: connection, kind: .http(id, .head(HTTPHead(status: 404))))
            actions += machine.handle(.replies([answer]), now: now)
        }
    }

    /// The files of the upload folder that are looked at from here on, each found to be known.
    mutating func looks() -> [String] {
        var names: [String] = []
        while case .examine(let name)? = disk.first(where: { if case .examine = $0 { true } else { false } }) {
            names.append(name.string)
            give(.disk(.examined(name, Self.known)))
        }
        return names
    }

    /// A login, the catalog's word of its account, and a connection.
    mutating func logIn(_ login: Login = Self.login, account: AccountFacts? = nil) {
        give(.login(login))
        give(.disk(.accountOpened(account ?? AccountFacts(account: login.account))))
        give(.connection(.opened(connection)))
    }

    mutating func pass(_ duration: Duration) {
        now = now + duration
        give(.tick)
    }

    // MARK: The server

    mutating func reply(_ kind: ServerReply.Kind) { give(.replies([ServerReply(connection: connection, kind: kind)])) }

    /// Chunk `seq` of a picture of that size.
    mutating func chunk(_ string: String, _ seq: Int64 = 1, of totalSize: Int64 = 100, by chunkSize: Int64 = 2048) {
        let start = (seq - 1) * chunkSize
        let end = min(start + chunkSize, totalSize)
        reply(
            .download(
                name: string,
                .chunk(
                    seq: seq, totalSize: totalSize, currentSize: end, isLast: end == totalSize,
                    data: bytes(Int(end - start), from: start))))
    }

    mutating func refuse(_ string: String?, _ error: ClassicError) {
        reply(.download(name: string, .error(error.rawValue)))
    }

    // MARK: The disk

    /// The catalog knows nothing of these names.
    mutating func unknown(_ strings: String...) {
        give(.disk(.lookedUp(strings.map { CatalogRow(name: name($0)) })))
    }

    mutating func row(_ row: CatalogRow) { give(.disk(.lookedUp([row]))) }

    /// The disk finds a file of the upload folder settled, and records the crop that it is.
    mutating func find(_ crop: Crop) {
        give(.disk(.examined(crop.name, .settled(CropRule.Candidate()))))
        give(.disk(.cropRecorded(crop)))
    }

    /// The disk takes the whole picture, and commits it.
    mutating func commit(_ record: AvatarRecord, cursor: Int64 = 1, kind: AvatarEvent.Kind = .ready) {
        give(.disk(.wrote(record.name, through: record.size)))
        finishCommit(record, events: [AvatarEvent(cursor: cursor, kind: kind, name: record.name)])
    }

    /// A commit that is under way comes to its end.
    mutating func finishCommit(_ record: AvatarRecord, events: [AvatarEvent]) {
        endCommit(record.name.string, .recorded(record, events))
    }

    /// A commit that is under way ends in this way.
    mutating func endCommit(_ string: String, _ outcome: CommitMachine.Outcome) {
        let item = committing[name(string)] ?? CommitMachine.Item(name: name(string), origin: .download(owner: nil))
        give(.disk(.committed([CommitOutcome(item, outcome)])))
    }

    // MARK: Subscribers

    mutating func register(
        _ stream: UInt64 = 1, _ names: String..., keep: Bool = true, more: Bool = true,
        visibility: Visibility = .visible
    ) {
        give(
            .bus(
                StreamID(stream),
                .register(
                    names.map {
                        LabelRequest(
                            label: "label of \($0)", target: .name(name($0), owner: nil), visibility: visibility)
                    }, keep: keep, heartbeat: false, more: more, token: "token \(stream)")))
    }

    mutating func fetch(_ stream: UInt64 = 1, _ names: String..., more: Bool = false) {
        give(.bus(StreamID(stream), .fetch(names.map { name($0) }, visibility: .near, again: false, more: more)))
    }

    /// A picture that is wanted by a kept label of stream 1, and of which the catalog knows nothing.
    mutating func want(_ string: String) {
        register(1, string)
        unknown(string)
    }

    // MARK: What was said

    /// The states of the labels told by the last input.
    var states: [String] {
        told.flatMap { output -> [String] in
            guard case .labels(let output) = output else { return [] }
            return output.states.map { "\($0.label): \($0.avatar.state.rawValue)" }
        }
    }

    /// What an input to a picture's place on the connection asked for.
    var asked: [String] {
        sent.compactMap { request in
            guard case .download(let name, let seq, _) = request else { return nil }
            return "\(name) \(seq)"
        }
    }

    func view(_ string: String) -> AvatarView { machine.view(of: name(string)) }

    var notes: [String] {
        actions.compactMap { action in
            guard case .note(let note) = action else { return nil }
            return note.what
        }
    }
}

extension AvatarEvent {
    /// An event of some time, where a test is not about when.
    init(cursor: Int64, kind: Kind, name: AvatarName) {
        self.init(cursor: cursor, kind: kind, name: name, at: UnixTime(milliseconds: 1_790_000_000_000))
    }
}

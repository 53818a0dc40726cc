internal import AgentRuntime
internal import AvatarCore
internal import DequeModule
internal import NIOCore
internal import TransferMachines
internal import WireProtocol

/// The agent as a process that can die between any two of its actions: its machine, its disk queue, its one connection.
final class SimAgent {
    let world: World
    let disk: SimDisk
    let watch: SimWatch
    let mutation: Mutation?
    var random: SeededRandom
    private var machine: Machine?

    /// In a box of its own, so that a look at it copies nothing.
    private final class Machine {
        var agent: AgentMachine
        init(_ agent: AgentMachine) { self.agent = agent }

        /// A getter on the property itself would copy the whole machine first.
        func look<T>(_ body: (inout AgentMachine) -> T) -> T { body(&agent) }
    }

    /// What the disk thread is to do next.
    private enum DiskJob {
        case command(DiskCommand)
        /// Whose crops, parts and refusals the commands behind it are about.
        case use(account: String?, tokenEpoch: Int64)
    }

    /// A commit between two of its steps.
    private struct Commit {
        var machine: CommitMachine
        var step: (CommitMachine.Step, [CommitMachine.Item])
        var outcomes: [CommitOutcome] = []
    }

    /// Whose token stands in the file.
    private let owner: UserID
    private(set) var incarnation = 0
    private var queue = Deque<DiskJob>()
    private var isDiskBusy = false
    private var commit: Commit?
    private var inputs = Deque<[AgentInput]>()
    private var isFeeding = false
    private var timerAt: MonotonicTime?
    private var link: (number: Int, link: SimLink)?
    private var client: (number: Int, client: SimHTTPClient)?
    private var decoder = FrameBytes()
    private var heldReply: ServerReply.Kind?
    /// The last chunk of each crop that a server acknowledged: what a mutation goes by.
    private var acknowledged: [CropID: ClassicUpload.Chunk] = [:]
    /// Pictures that the server once did not have: what a mutation goes by.
    private var absences: Set<ExactString> = []
    /// The chunks that were sent, by digest and number, for the same mutation.
    private var sentChunks: [String: (crop: CropID, chunk: ClassicUpload.Chunk)] = [:]

    var killRate = 0.0
    var account: (uid: UserID, token: String) {
        didSet { if account.token != oldValue.token { tokenEpoch += 1 } }
    }
    private var tokenEpoch: Int64 = 1
    /// Whether the server is spoken to in HTTP, from the next login on.
    var isHTTP = false
    /// What stands in the token's file.
    var fileToken: String
    /// Whether the server has had this very picture.
    var serverHas: (Crop) -> Bool = { _ in false }
    /// Opens a connection, or says what comes of the try.
    var connect: (_ isHTTP: Bool) -> Connecting = { _ in .refused("refused") }
    var told: (BusOutput) -> Void = { _ in }
    var died: () -> Void = {}
    /// What comes of a try to connect.
    enum Connecting {
        case link(SimLink)
        case refused(_ cause: String)
        /// Nobody answers at all.
        case silent
    }

    /// What the oracles hear.
    var moved: (_ from: ConnectionMachine.State, _ to: ConnectionMachine.State, _ byLogin: Bool) -> Void = { _, _, _ in
    }
    var asked: (AvatarName) -> Void = { _ in }
    var askedAvatar: (UserID) -> Void = { _ in }
    /// A chunk of a crop goes out for this user.
    var sent: (CropID, UserID) -> Void = { _, _ in }
    /// The answer to a request of the HTTP way will not come.
    var lost: (HTTPCall) -> Void = { _ in }
    /// The server wants to be asked for pictures later.
    var putOff: (Duration) -> Void = { _ in }
    /// A login of a mutation's making, which gives a reason to ask for everything again.
    var loginExcused: () -> Void = {}
    /// Whether the server hangs up over this request.
    var hangsUp: (ServerRequest) -> Bool = { _ in false }
    var heard: (ServerReply.Kind) -> Void = { _ in }
    var refused: (AvatarName, AbsenceReason, Int) -> Void = { _, _, _ in }
    /// A refusal never got to the disk, or was taken back.
    var lifted: (AvatarName) -> Void = { _ in }
    var isFed: () -> Void = {}

    private let recheckAfter: Duration

    init(
        world: World, disk: SimDisk, watch: SimWatch, uid: UserID, token: String, recheckAfter: Duration,
        mutation: Mutation?
    ) {
        self.recheckAfter = recheckAfter
        self.world = world
        self.disk = disk
        self.watch = watch
        self.mutation = mutation
        account = (uid, token)
        fileToken = token
        owner = uid
        random = world.random(21)
        watch.deliver = { [unowned self] change in feed(.folder(change)) }
    }

    var isAlive: Bool { machine != nil }
    var status: AgentMachine.Status? { machine?.look { $0.status } }
    var load: AgentMachine.Load? { machine?.look { $0.load } }
    private var connectionState: ConnectionMachine.State { machine?.look { $0.connectionState } ?? .offline }

    func view(_ name: AvatarName) -> AvatarView? { machine?.look { $0.view(of: name) } }

    // MARK: Life and death

    func start(lostCatalog: Bool = false) {
        guard machine == nil else { return }
        incarnation += 1
        world.log("the agent starts", "", Int64(incarnation))
        machine = Machine(AgentMachine(now: world.now, seed: random.next(), recheckAfter: recheckAfter))
        watch.isAttached = true
        watch.isAway = []
        let facts = lostCatalog ? disk.loseCatalog() : disk.open()
        feed(.disk(.started(facts)))
        logIn()
    }

    static let url = "https://server"

    /// How the catalog tells the user's accounts apart.
    static func account(of user: UserID, isHTTP: Bool) -> String { "\(isHTTP ? url : "server")/\(user)" }

    func logIn() {
        guard machine != nil else { return }
        let login = Login(
            server: isHTTP ? Self.url : "server", uid: account.uid,
            way: isHTTP ? .http : .classic(uploadChunkBytes: Int64(Life.chunkBytes)),
            tokenFile: account.uid == owner ? "token" : nil)
        queue.append(.use(account: login.account, tokenEpoch: tokenEpoch))
        runDisk()
        feed(.login(login))
    }

    /// The folder of the token's file has changed.
    func tokenFileChanged() { readToken(isAsked: false) }

    /// The disk thread reads the token's file.
    private func readToken(isAsked: Bool) {
        guard mutation != .ignoreTokenFile else { return }
        let current = incarnation
        world.schedule(in: .milliseconds(300) + random.upTo(.milliseconds(100))) { [self] in
            guard incarnation == current, account.uid == owner else { return }
            guard fileToken != account.token || (isAsked && connectionState == .refused) else { return }
            world.log("the token is read again")
            account.token = fileToken
            loginExcused()
            logIn()
        }
    }

    func kill() {
        guard machine != nil else { return }
        world.log("the agent is killed")
        if isDiskBusy, commit == nil, case .command(.append(let name, let offset, let bytes)) = queue.first {
            disk.tear(name, offset, bytes)
        }
        for case .command(.setNegative(let name, _, _)) in queue { lifted(name) }
        commit = nil
        machine = nil
        incarnation += 1
        queue.removeAll()
        inputs.removeAll()
        acknowledged = [:]
        heldReply = nil
        isDiskBusy = false
        timerAt = nil
        watch.isAttached = false
        watch.forget()
        link?.link.cut("the agent died")
        link = nil
        client?.client.close()
        client = nil
        died()
    }

    // MARK: Driving the machine

    func feed(_ input: AgentInput) { feed([input]) }

    /// What came together.
    private func feed(_ together: [AgentInput]) {
        guard machine != nil else { return }
        inputs.append(together)
        guard !isFeeding else { return }
        isFeeding = true
        defer { isFeeding = false }
        while let next = inputs.popFirst() {
            let before = connectionState
            let actions = machine?.agent.handle(next, now: world.now) ?? []
            let byLogin = if case .login? = next.first { true } else { false }
            moved(before, connectionState, byLogin)
            for action in actions {
                if random.happens(killRate) { return kill() }
                perform(action)
            }
        }
        isFed()
        rearm()
    }

    private func rearm() {
        if mutation == .noBackoff, case .waiting = connectionState {
            let current = incarnation
            // A person who asks again and again would do the same.
            world.schedule(in: .milliseconds(5)) { [self] in
                guard incarnation == current else { return }
                feed(.bus(StreamID(0), .resume(nil)))
            }
        }
        guard let deadline = machine?.look({ $0.deadline }) else { return }
        // Most deadlines move on with every reply: a timer that comes too early for that looks again.
        if let timerAt, timerAt <= deadline { return }
        timerAt = deadline
        let current = incarnation
        world.schedule(at: deadline) { [self] in
            guard incarnation == current, timerAt == deadline else { return }
            timerAt = nil
            if let due = machine?.look({ $0.deadline }), due > world.now { rearm() } else { feed(.tick) }
        }
    }

    private func perform(_ action: AgentAction) {
        switch action {
        case .connect(let number): open(number)
        case .disconnect(let number):
            if client?.number == number {
                client?.client.close()
                client = nil
            }
            guard link?.number == number else { return }
            link?.link.close(by: .agent)
            link = nil
        case .send(let request): send(request)
        case .ask(let question): ask(question)
        case .disk(let command):
            queue.append(.command(command))
            switch command {
            case .setNegative(let name, let reason, let attempts): refused(name, reason, attempts)
            case .clearNegatives(let names): for name in names { lifted(name) }
            default: break
            }
            runDisk()
        case .bus(let output): told(output)
        case .note(let note): world.log("agent:", note.what, detail: note.name ?? "")
        case .readToken(let isAsked): readToken(isAsked: isAsked)
        case .attach(.cache) where disk.isCacheMoved: feed(.folder(.unopened(.cache, reason: "no such folder")))
        case .attach(let folder):
            disk.open(folder)
            watch.isAway.remove(folder)
            feed(.folder(.back(folder)))
        case .bindBus: feed(.busBound(failure: nil))
        // systemd starts it anew.
        case .end: kill()
        }
    }

    // MARK: The connection

    private func ask(_ question: ServerQuestion) {
        world.log("agent asks the server about itself", "\(question)")
        if let client { return client.client.greet() }
        var buffer = ByteBuffer()
        ClassicMapping.message(for: question, uid: account.uid, token: account.token).encode(into: &buffer)
        link?.link.send(buffer, from: .agent)
    }

    private func send(_ request: ServerRequest) {
        switch request {
        case .download(let name, let seq, _):
            world.log("agent asks for", name.string, seq)
            asked(name)
        case .upload(let crop, let chunk):
            world.log("agent sends", crop.name.string, chunk.seq)
            if mutation == .skipKnownUploads, serverHas(crop) { return acknowledgeForServer(crop, chunk) }
            if mutation == .ignoreLostReply { sentChunks["\(crop.md5.hex) \(chunk.seq)"] = (crop.id, chunk) }
            sent(crop.id, account.uid)
        case .askProgress(let crop):
            world.log("agent asks how far", crop.name.string)
            if mutation == .ignoreLostReply, let chunk = acknowledged[crop.id] { return answerForServer(crop, chunk) }
        case .http(_, let call): tell(of: call)
        case .body(_, let crop, _, _): sent(crop.id, account.uid)
        case .cancel: break
        }
        if hangsUp(request) {
            let doomed = client?.client.link ?? link?.link
            return world.schedule(in: random.upTo(.milliseconds(2))) { doomed?.cut("the server hangs up") }
        }
        if let client { return client.client.send(request) }
        guard let message = ClassicMapping.message(for: request, uid: account.uid, token: account.token) else { return }
        var buffer = ByteBuffer()
        message.encode(into: &buffer)
        link?.link.send(buffer, from: .agent)
    }

    private func tell(of call: HTTPCall) {
        switch call {
        case .picture(let name, let from, _, _):
            world.log("agent asks for", name.string, from)
            asked(name)
        case .put(let crop), .createUpload(let crop), .continueUpload(let crop, _, _):
            world.log("agent sends", crop.name.string, crop.size)
            sent(crop.id, account.uid)
        case .changes(let users, _): world.log("agent follows", "", Int64(users.count))
        case .avatar(let user):
            world.log("agent asks for the avatar of", "\(user)")
            askedAvatar(user)
        case .askOffset: world.log("agent asks how far")
        }
    }

    /// Who ignores that a reply was lost goes on behind the last one that came.
    private func answerForServer(_ crop: Crop, _ chunk: ClassicUpload.Chunk) {
        guard let number = link?.number else { return }
        let current = incarnation
        world.schedule(in: .milliseconds(1)) { [self] in
            guard incarnation == current else { return }
            let progress = ClassicUpload.Progress.at(
                seq: chunk.seq, totalSize: crop.size, transSize: chunk.transSize)
            feed(.replies([ServerReply(connection: number, kind: .progress(name: crop.name.exact, progress))]))
        }
    }

    /// Who takes an upload that the server has had for done goes through it without the server.
    private func acknowledgeForServer(_ crop: Crop, _ chunk: ClassicUpload.Chunk) {
        guard let number = link?.number else { return }
        let current = incarnation
        world.schedule(in: .milliseconds(1)) { [self] in
            guard incarnation == current else { return }
            let kind = ServerReply.Kind.upload(
                UploadReply(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: chunk.seq))
            heard(kind)
            feed(.replies([ServerReply(connection: number, kind: kind)]))
        }
    }

    private func open(_ number: Int) {
        if isHTTP { return openClient(number) }
        let current = incarnation
        let link: SimLink
        switch connect(false) {
        case .link(let opened): link = opened
        case .refused(let cause): return failToConnect(number, after: random.upTo(.milliseconds(20)), cause)
        case .silent: return failToConnect(number, after: Limits.Connection.connectTimeout, "no answer")
        }
        self.link = (number, link)
        decoder = FrameBytes()
        link.ends.agent.received = { [self] bytes in
            guard incarnation == current, self.link?.number == number else { return }
            received(bytes, number)
        }
        link.ends.agent.closed = { [self] cause in
            guard incarnation == current else { return }
            // Who logs in anew after every hang-up never learns what the server hangs up on.
            if mutation == .forgetHangUps, cause == "the server hangs up" {
                feed(.logout)
                loginExcused()
                logIn()
            } else {
                feed(.connection(.closed(number, cause: cause)))
            }
        }
        world.schedule(in: random.upTo(.milliseconds(5))) { [self] in
            guard incarnation == current else { return }
            feed(.connection(.opened(number)))
            if mutation == .trustAcceptance {
                let nothing = ServerReply.Kind.upload(UploadReply(error: 0, name: "nobody.png", md5: nil, seq: nil))
                feed(.replies([ServerReply(connection: number, kind: nothing)]))
            }
        }
    }

    private func openClient(_ number: Int) {
        let current = incarnation
        guard
            let client = SimHTTPClient(
                world: world, random: SeededRandom(seed: random.next()), login: account, mutation: mutation,
                connect: { [self] in connect(true) })
        else { return }
        self.client = (number, client)
        client.lost = lost
        client.putOff = putOff
        client.opened = { [self] kinds in
            guard incarnation == current, self.client?.number == number else { return }
            feed([.connection(.opened(number)), .replies(kinds.map { take($0, number) })])
        }
        client.replied = { [self] kinds in
            guard incarnation == current, self.client?.number == number else { return }
            feed(.replies(kinds.map { take($0, number) }))
        }
        client.closed = { [self] cause in
            guard incarnation == current, self.client?.number == number else { return }
            self.client = nil
            feed(.connection(.closed(number, cause: cause)))
        }
        client.start()
    }

    private func failToConnect(_ number: Int, after delay: Duration, _ cause: String) {
        let current = incarnation
        world.schedule(in: delay) { [self] in
            if incarnation == current { feed(.connection(.closed(number, cause: cause))) }
        }
    }

    private func received(_ bytes: ByteBuffer, _ number: Int) {
        decoder.append(bytes)
        var replies: [ServerReply] = []
        while let frame = decoder.next(bodyBytesMax: Limits.Wire.replyBodyBytesMax), machine != nil {
            guard let kind = ClassicMapping.reply(from: frame) else { continue }
            if mutation == .forgetWindowOrder, heldReply == nil,
                case .download(_, .chunk(let seq, _, _, let last, _)) = kind,
                seq > 1, !last, random.happens(0.2)
            {
                heldReply = kind
                continue
            }
            replies.append(take(kind, number))
            if let held = heldReply {
                heldReply = nil
                replies.append(take(held, number))
            }
        }
        if !replies.isEmpty { feed(.replies(replies)) }
    }

    private func take(_ kind: ServerReply.Kind, _ number: Int) -> ServerReply {
        heard(kind)
        var kind = kind
        if mutation == .trustAbsence, case .download(let name?, let answer) = kind {
            if answer == .error(ClassicError.fileNotExists.rawValue) { absences.insert(ExactString(name)) }
            if absences.contains(ExactString(name)) {
                kind = .download(name: name, .error(ClassicError.fileNotExists.rawValue))
            }
        }
        guard case .upload(let reply) = kind else { return ServerReply(connection: number, kind: kind) }
        if mutation == .blameTheFile, reply.error != ClassicError.success {
            kind = .upload(
                UploadReply(
                    error: reply.error, name: reply.name, md5: reply.md5, seq: reply.seq, reason: .tooLarge,
                    setsIconsInOrder: reply.setsIconsInOrder))
        }
        if mutation == .finishTogether {
            kind = .upload(
                UploadReply(
                    error: reply.error, name: reply.name, md5: reply.md5, seq: reply.seq, reason: reply.reason,
                    setsIconsInOrder: true))
        }
        if reply.error == ClassicError.success, let md5 = reply.md5, let seq = reply.seq,
            let (crop, chunk) = sentChunks["\(md5) \(seq)"]
        {
            acknowledged[crop] = chunk
        }
        return ServerReply(connection: number, kind: kind)
    }

    // MARK: The disk thread

    private func runDisk() {
        guard !isDiskBusy, !queue.isEmpty || commit != nil else { return }
        isDiskBusy = true
        let current = incarnation
        world.schedule(in: .microseconds(20) + random.upTo(.microseconds(300))) { [self] in
            guard incarnation == current else { return }
            isDiskBusy = false
            if random.happens(commit == nil ? 0 : killRate) { return kill() }
            for result in commit == nil ? runJobs() : runCommit() { feed(.disk(result)) }
            if incarnation == current { runDisk() }
        }
    }

    /// One command; or all the chunks that wait, since those share a transaction; or the first step of the commits that wait, since those
    /// share a round.
    private func runJobs() -> [DiskResult] {
        var results: [DiskResult] = []
        while case .command(.append) = queue.first, case .command(let command)? = queue.popFirst() {
            results += disk.perform(command)
        }
        if !results.isEmpty { return results }
        var items: [CommitMachine.Item] = []
        while case .command(.commit(let more)) = queue.first {
            items += more
            queue.removeFirst()
        }
        var machine = CommitMachine(durable: disk.durable)
        if let step = machine.add(items) {
            commit = Commit(machine: machine, step: step)
            return runCommit()
        }
        switch queue.popFirst() {
        case .use(let account, let epoch):
            (disk.account, disk.tokenEpoch) = (account, epoch)
            return []
        case .command(.inspect) where mutation == .ignoreDeletion: return []
        case .command(let command): return disk.perform(command)
        case nil: return []
        }
    }

    /// One step of the commit under way; what came of all its files, once the last step is over.
    private func runCommit() -> [DiskResult] {
        guard var commit else { return [] }
        let (step, items) = commit.step
        let (next, ended) = commit.machine.finished(step, disk.commit(step, items))
        commit.outcomes += ended.map { CommitOutcome($0, $1) }
        if let next {
            commit.step = next
            self.commit = commit
            return []
        }
        self.commit = nil
        return [.committed(commit.outcomes)]
    }
}

/// Frames out of bytes, as the agent's and the server's pipelines cut them.
struct FrameBytes {
    private var buffer = ByteBuffer()
    private(set) var isBroken = false

    mutating func append(_ bytes: ByteBuffer) {
        // What comes whole needs no copy.
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeImmutableBuffer(bytes) }
    }

    mutating func next(bodyBytesMax: Int) -> Frame? {
        guard !isBroken else { return nil }
        var decoder = FrameDecoder(bodyBytesMax: bodyBytesMax)
        do {
            return try decoder.decode(buffer: &buffer)
        } catch {
            isBroken = true
            return nil
        }
    }
}

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
    let mutation: Mutation?
    private var random: SeededRandom
    private var machine: AgentMachine?
    private var incarnation = 0
    private var queue = Deque<DiskCommand>()
    private var isDiskBusy = false
    private var inputs = Deque<AgentInput>()
    private var isFeeding = false
    private var timerAt: MonotonicTime?
    private var link: (number: Int, link: SimLink)?
    private var decoder = FrameBytes()
    private var heldReply: ServerReply.Kind?

    var killRate = 0.0
    var account: (uid: UserID, token: String) {
        didSet { if account.token != oldValue.token { tokenEpoch += 1 } }
    }
    private var tokenEpoch: Int64 = 1
    /// Opens a connection, or says why not.
    var connect: () -> SimLink? = { nil }
    var told: (BusOutput) -> Void = { _ in }
    var connecting: () -> Void = {}
    var died: () -> Void = {}

    init(world: World, disk: SimDisk, uid: UserID, token: String, mutation: Mutation?) {
        self.world = world
        self.disk = disk
        self.mutation = mutation
        account = (uid, token)
        random = world.random(21)
    }

    var isAlive: Bool { machine != nil }
    var status: AgentMachine.Status? { machine?.status }

    func view(_ name: AvatarName) -> AvatarView? { machine?.view(of: name, owner: nil) }

    // MARK: Life and death

    func start(lostCatalog: Bool = false) {
        guard machine == nil else { return }
        incarnation += 1
        world.log("the agent starts", "", Int64(incarnation))
        machine = AgentMachine(now: world.now, seed: random.next(), durable: disk.durable)
        let facts = lostCatalog ? disk.loseCatalog() : disk.open()
        disk.account = "server"
        feed(.disk(.started(facts)))
        logIn()
    }

    func logIn() {
        feed(
            .login(
                Login(
                    server: "server", uid: account.uid, uploadChunkBytes: Int64(Life.chunkBytes),
                    tokenEpoch: tokenEpoch)))
    }

    func kill() {
        guard machine != nil else { return }
        world.log("the agent is killed")
        machine = nil
        incarnation += 1
        queue.removeAll()
        inputs.removeAll()
        isDiskBusy = false
        timerAt = nil
        link?.link.cut("the agent died")
        link = nil
        died()
    }

    // MARK: Driving the machine

    func feed(_ input: AgentInput) {
        guard machine != nil else { return }
        inputs.append(input)
        guard !isFeeding else { return }
        isFeeding = true
        defer { isFeeding = false }
        while let next = inputs.popFirst() {
            for action in machine?.handle(next, now: world.now) ?? [] {
                if random.happens(killRate) { return kill() }
                perform(action)
            }
        }
        rearm()
    }

    private func rearm() {
        if mutation == .noBackoff, case .waiting = machine?.status.connection {
            let current = incarnation
            // A person who asks again and again would do the same.
            world.schedule(in: .milliseconds(5)) { [self] in
                guard incarnation == current else { return }
                feed(.bus(StreamID(0), .resume(nil)))
            }
        }
        guard let deadline = machine?.deadline, deadline != timerAt else { return }
        timerAt = deadline
        let current = incarnation
        world.schedule(at: deadline) { [self] in
            guard incarnation == current, timerAt == deadline else { return }
            timerAt = nil
            feed(.tick)
        }
    }

    private func perform(_ action: AgentAction) {
        switch action {
        case .connect(let number): open(number)
        case .disconnect(let number):
            guard link?.number == number else { return }
            link?.link.close(by: .agent)
            link = nil
        case .send(let request):
            log(request)
            var buffer = ByteBuffer()
            ClassicMapping.message(for: request, uid: account.uid, token: account.token).encode(into: &buffer)
            link?.link.send(Array(buffer.readableBytesView), from: .agent)
        case .disk(let command):
            queue.append(command)
            runDisk()
        case .bus(let output): told(output)
        case .note(let note): world.log("agent:", note.what + " " + (note.name ?? ""))
        case .attach(let folder): feed(.folder(.back(folder)))
        }
    }

    private func log(_ request: ServerRequest) {
        switch request {
        case .download(let name, let seq): world.log("agent asks for", name.string, seq)
        case .upload(let crop, let chunk): world.log("agent sends", crop.name.string, chunk.seq)
        case .askProgress(let crop): world.log("agent asks how far", crop.name.string)
        }
    }

    private func open(_ number: Int) {
        connecting()
        let current = incarnation
        guard let link = connect() else {
            world.schedule(in: random.upTo(.milliseconds(20))) { [self] in
                if incarnation == current { feed(.connection(.closed(number, cause: "refused"))) }
            }
            return
        }
        self.link = (number, link)
        decoder = FrameBytes()
        link.received[0] = { [self] bytes in
            guard incarnation == current, self.link?.number == number else { return }
            received(bytes, number)
        }
        link.closed[0] = { [self] cause in
            guard incarnation == current else { return }
            feed(.connection(.closed(number, cause: cause)))
        }
        world.schedule(in: random.upTo(.milliseconds(5))) { [self] in
            if incarnation == current { feed(.connection(.opened(number))) }
        }
    }

    private func received(_ bytes: ArraySlice<UInt8>, _ number: Int) {
        decoder.append(bytes)
        while let frame = decoder.next(bodyBytesMax: Limits.Wire.replyBodyBytesMax), machine != nil {
            guard let kind = ClassicMapping.reply(from: frame) else { continue }
            if mutation == .forgetWindowOrder, heldReply == nil,
                case .download(_, .chunk(let seq, _, _, let last, _)) = kind,
                seq > 1, !last, random.happens(0.2)
            {
                heldReply = kind
                continue
            }
            feed(.reply(ServerReply(connection: number, kind: kind)))
            if let held = heldReply {
                heldReply = nil
                feed(.reply(ServerReply(connection: number, kind: held)))
            }
        }
    }

    // MARK: The disk thread

    private func runDisk() {
        guard !isDiskBusy, !queue.isEmpty else { return }
        isDiskBusy = true
        let current = incarnation
        world.schedule(in: .microseconds(20) + random.upTo(.microseconds(300))) { [self] in
            guard incarnation == current, let command = queue.popFirst() else { return }
            isDiskBusy = false
            var results = disk.perform(command)
            if mutation == .ignoreDeletion, case .inspect = command { results = [] }
            for result in results { feed(.disk(result)) }
            if incarnation == current { runDisk() }
        }
    }
}

/// Frames out of bytes, as the agent's and the server's pipelines cut them.
struct FrameBytes {
    private var buffer = ByteBuffer()
    private(set) var isBroken = false

    mutating func append(_ bytes: ArraySlice<UInt8>) { buffer.writeBytes(bytes) }

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

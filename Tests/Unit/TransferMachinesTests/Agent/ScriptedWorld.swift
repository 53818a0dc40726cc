import AvatarCore
import TransferMachines

/// A disk and a server on which all goes well, but for the transfers over which the server hangs up. Time passes only when nothing else
/// is left to do.
struct ScriptedWorld {
    var agent: AgentScript
    /// The server hangs up when it is sent one of these.
    var hangsUpOver: (ServerRequest) -> Bool
    private(set) var hangUps = 0
    /// What the server took, in order.
    private(set) var uploaded: [CropID] = []
    private(set) var placed: [AvatarName] = []
    private(set) var setAside: [CropID] = []
    private(set) var told: [BusOutput] = []
    /// The last chunk of each crop that the server took.
    private var held: [CropID: ClassicUpload.Chunk] = [:]
    private var waiting: [(connection: Int, action: AgentAction)] = []

    init(_ agent: AgentScript, hangsUpOver: @escaping (ServerRequest) -> Bool) {
        self.agent = agent
        self.hangsUpOver = hangsUpOver
        take()
    }

    /// Goes on until nothing is left to do for an hour; how many steps that took.
    mutating func run() -> Int {
        let end = agent.now + .seconds(3600)
        var steps = 0
        while steps < 10_000, agent.now <= end, step() { steps += 1 }
        return steps
    }

    /// One step; whether there was one.
    mutating func step() -> Bool {
        if waiting.isEmpty {
            guard let deadline = agent.machine.deadline else { return false }
            agent.now = max(deadline, agent.now)
            give(.tick)
        } else {
            let (connection, action) = waiting.removeFirst()
            answer(action, on: connection)
        }
        return true
    }

    mutating func give(_ input: AgentInput) {
        agent.give(input)
        take()
    }

    private mutating func take() {
        told += agent.told
        waiting += agent.actions.map { (agent.connection, $0) }
    }

    private mutating func answer(_ action: AgentAction, on connection: Int) {
        switch action {
        case .connect(let number): give(.connection(.opened(number)))
        case .send(let request) where agent.machine.connectionState == .online(connection):
            if hangsUpOver(request) {
                hangUps += 1
                give(.connection(.closed(connection, cause: "reset")))
            } else {
                reply(to: request)
            }
        case .disk(let command): carryOut(command)
        default: break
        }
    }

    private mutating func reply(to request: ServerRequest) {
        switch request {
        case .download(let name, _, _): agent.chunk(name.string)
        case .upload(let crop, let chunk):
            held[crop.id] = chunk
            if chunk.isLast { uploaded.append(crop.id) }
            agent.reply(.upload(UploadReply(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: chunk.seq)))
        case .askProgress(let crop):
            let progress = held[crop.id].map {
                ClassicUpload.Progress.at(seq: $0.seq, totalSize: crop.size, transSize: $0.transSize)
            }
            agent.reply(.progress(name: crop.name.exact, progress ?? .error(1012)))
        case .http, .body, .cancel: break
        }
        take()
    }

    private mutating func carryOut(_ command: DiskCommand) {
        switch command {
        case .lookUp(let names, _): give(.disk(.lookedUp(names.map { CatalogRow(name: $0) })))
        case .append(let name, let offset, let bytes):
            give(.disk(.wrote(name, through: offset + Int64(bytes.count))))
        case .commit(let items):
            placed += items.map(\.name)
            let outcomes = items.map { CommitOutcome($0, .recorded(record($0.name.string), [])) }
            give(.disk(.committed(outcomes)))
        case .readCrop(let id, let range):
            let data = bytes(range.count, from: range.lowerBound)
            give(.disk(.cropRead(id, offset: range.lowerBound, bytes: data)))
        case .finishCrops(let ids): for id in ids { give(.disk(.cropFinished(id, name("\(id.value).png"), []))) }
        case .stageCrop(let id): give(.disk(.cropStaged(id)))
        case .setCropAside(let id, _): setAside.append(id)
        default: break
        }
    }
}

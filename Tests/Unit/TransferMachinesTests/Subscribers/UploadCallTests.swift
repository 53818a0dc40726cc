import AvatarCore
import Testing
import TransferMachines

/// `Upload` with `more`: the caller hears of a crop that goes out, then of the picture in the cache, and that was all.
@Suite struct UploadCallTests {
    private let caller = StreamID(7)
    private let name: AvatarName
    private let crop: Crop
    private let record: AvatarRecord
    private var agent = AgentMachine(now: .zero, seed: 1)

    init() throws {
        name = try AvatarName("me.png")
        let uid = try #require(UserID(1001))
        let sha256 = try #require(SHA256Digest(bytes: Array(repeating: 2, count: 32)))
        crop = Crop(
            id: CropID(1), name: name, size: 3000,
            md5: try #require(MD5Digest(bytes: Array(repeating: 1, count: 16))), sha256: sha256, everSent: false,
            account: "here:1/1001")
        record = AvatarRecord(
            name: name, owner: uid, size: 3000, sha256: sha256, assurance: .structural, generation: 1, isOwn: true)
        _ = agent.handle(.disk(.started(StartFacts())), now: .zero)
        _ = carryOut(.login(Login(server: "here:1", uid: uid, way: .classic(uploadChunkBytes: 2048))))
    }

    /// Does what the agent asks for until it asks for nothing more: a disk and a server on which all goes well. Returns
    /// what the caller was told.
    private mutating func carryOut(_ first: AgentInput) -> [(state: AvatarView.State, continues: Bool)] {
        var told: [(state: AvatarView.State, continues: Bool)] = []
        var inputs = [first]
        while !inputs.isEmpty {
            for action in agent.handle(inputs.removeFirst(), now: .zero) {
                if case .bus(.avatar(caller, let view, let continues)) = action { told.append((view.state, continues)) }
                if let answer = answer(to: action) { inputs.append(answer) }
            }
        }
        return told
    }

    private func answer(to action: AgentAction) -> AgentInput? {
        switch action {
        case .connect(let number): return .connection(.opened(number))
        case .disk(.openAccount): return .disk(.accountOpened(AccountFacts(account: crop.account)))
        case .disk(.examine(name)): return .disk(.examined(name, .settled(CropRule.Candidate())))
        case .disk(.judge(name, .isNew)): return .disk(.cropRecorded(crop))
        case .disk(.readCrop(let id, let range)):
            return .disk(.cropRead(id, offset: range.lowerBound, bytes: Array(repeating: 0, count: range.count)))
        case .send(.askProgress):
            return .replies([ServerReply(connection: 1, kind: .progress(name: nil, .error(1012)))])
        case .send(.upload(let crop, let chunk)):
            let kind = ServerReply.Kind.upload(
                UploadReply(error: 0, name: crop.name.exact, md5: crop.md5.hex, seq: chunk.seq))
            return .replies([ServerReply(connection: 1, kind: kind)])
        case .disk(.finishCrops(let ids)): return ids.first.map { .disk(.cropFinished($0, name, [])) }
        case .disk(.stageCrop(let id)): return .disk(.cropStaged(id))
        case .disk(.commit(let items)):
            return .disk(.committed(items.map { CommitOutcome($0, .recorded(record, [])) }))
        default: return nil
        }
    }

    @Test mutating func aNameThatNobodyWantedGoesOutAndIsReadyThen() {
        _ = agent.handle(.bus(caller, .upload(path: "/home/ada/me.png", more: true)), now: .zero)
        let told = carryOut(.disk(.imported(caller, name)))
        #expect(told.first?.state == .outgoing)
        #expect(told.dropLast().allSatisfy { $0.state == .outgoing && $0.continues })
        #expect(told.last?.state == .ready)
        #expect(told.last?.continues == false)
    }

    @Test mutating func whatTheCacheHasAlreadyIsFollowedUntilItIsUploadedAgain() {
        _ = agent.handle(.bus(caller, .get(.name(name, owner: nil))), now: .zero)
        _ = agent.handle(.disk(.lookedUp([CatalogRow(name: name, avatar: record)])), now: .zero)
        _ = agent.handle(.bus(caller, .upload(path: "/home/ada/me.png", more: true)), now: .zero)
        let told = carryOut(.disk(.imported(caller, name)))
        #expect(told.first?.state == .outgoing)
        #expect(told.last?.state == .ready)
        #expect(told.count { !$0.continues } == 1)
    }
}

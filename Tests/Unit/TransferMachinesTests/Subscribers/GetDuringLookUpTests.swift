import AvatarCore
import Testing
import TransferMachines

/// `Get` of a name of which the catalog has not told yet: the answer waits, and then says what holds for everybody.
@Suite struct GetDuringLookUpTests {
    private let label = StreamID(1)
    private let getter = StreamID(2)

    /// An agent that is asked for `name` twice, by a label and by `Get`, before its catalog has answered.
    private func asked(_ name: AvatarName, labelFirst: Bool) throws -> AgentMachine {
        var agent = AgentMachine(now: .zero, seed: 1)
        _ = agent.handle(.disk(.started(StartFacts())), now: .zero)
        let uid = try #require(UserID(1001))
        _ = agent.handle(.login(Login(server: "here:1", uid: uid, way: .classic(uploadChunkBytes: 2048))), now: .zero)
        let request = LabelRequest(label: "wall", target: .name(name, owner: nil), visibility: .visible)
        let calls: [AgentInput] = [
            .bus(label, .register([request], keep: true, heartbeat: false, more: true, token: "t")),
            .bus(getter, .get(.name(name, owner: nil))),
        ]
        for call in labelFirst ? calls : calls.reversed() { _ = agent.handle(call, now: .zero) }
        return agent
    }

    private func answers(_ actions: [AgentAction]) -> [AvatarView.State] {
        actions.compactMap { action in
            guard case .bus(.avatar(getter, let view, _)) = action else { return nil }
            return view.state
        }
    }

    @Test(arguments: [true, false])
    func aPictureThatALabelWantsIsPendingNotAbsent(labelFirst: Bool) throws {
        let name = try AvatarName("mural.bmp")
        var agent = try asked(name, labelFirst: labelFirst)
        #expect(answers(agent.handle(.disk(.lookedUp([CatalogRow(name: name)])), now: .zero)) == [.pending])
    }

    @Test func aNameOfWhichNothingIsKnownIsAnErrorAndAnsweredOnce() throws {
        let name = try AvatarName("mural.bmp")
        var agent = AgentMachine(now: .zero, seed: 1)
        _ = agent.handle(.disk(.started(StartFacts())), now: .zero)
        _ = agent.handle(.bus(getter, .get(.name(name, owner: nil))), now: .zero)
        let first = agent.handle(.disk(.lookedUp([CatalogRow(name: name)])), now: .zero)
        #expect(first == [.bus(.failed(getter, .unknownAvatar("mural.bmp")))])
        #expect(agent.handle(.disk(.lookedUp([CatalogRow(name: name)])), now: .zero) == [])
    }

    @Test func aPictureThatTheServerDoesNotHaveIsAbsent() throws {
        let name = try AvatarName("mural.bmp")
        var agent = AgentMachine(now: .zero, seed: 1)
        _ = agent.handle(.disk(.started(StartFacts())), now: .zero)
        _ = agent.handle(.bus(getter, .get(.name(name, owner: nil))), now: .zero)
        let negative = Negative(reason: .absent, until: .zero + .seconds(60))
        let row = CatalogRow(name: name, negative: negative)
        #expect(answers(agent.handle(.disk(.lookedUp([row])), now: .zero)) == [.absent])
    }
}

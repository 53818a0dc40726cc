internal import AvatarCore
internal import TransferMachines

/// One simulated life: an agent, a server, a user and their friends, everything that can go wrong for a while, and
/// then peace, in which everything wanted must come and everything outgoing must go.
package final class Life {
    /// Bytes in a chunk, so that small pictures have many.
    static let chunkBytes = 128
    /// After the last fault, everything is in order within this.
    package static let convergenceBound = Duration.seconds(900)
    private static let eventsMax = 200_000

    /// How one life went.
    package struct Report: Sendable {
        package let seed: UInt64
        package let events: Int
        package let digest: UInt64
        /// The first oracle that spoke, or nil.
        package let violation: String?
        package let tail: [World.Line]
        package let options: String
        /// How long after the last fault everything was in order.
        package let converged: Duration?
    }

    let world: World
    let options: LifeOptions
    let mutation: Mutation?
    let disk: SimDisk
    let server: SimServer
    let agent: SimAgent
    let oracle: Oracle
    var random: SeededRandom
    let me: UserID
    var links: [SimLink] = []
    var isPeace = false
    var isPartitioned = false
    var lastStream: UInt64 = 0
    var wanted: Set<AvatarName> = []
    var subscribers: [StreamID: Subscriber] = [:]
    var watcher: StreamID?
    var hasLostCatalog = false
    private var lastEvent = MonotonicTime.zero

    /// What a subscriber of the simulation remembers.
    struct Subscriber {
        var names: [String: AvatarName]
        var keep: Bool
        var finals: [String: Int] = [:]
    }

    package init(seed: UInt64, mutation: Mutation? = nil, tailMax: Int = 50) throws {
        world = World(seed: seed, tailMax: tailMax)
        self.mutation = mutation
        random = world.random(1)
        options = LifeOptions(random: &random)
        guard let me = UserID(1001) else { throw SimulationFault.setUp }
        self.me = me
        disk = SimDisk(world: world, durable: options.isDurable, mutation: mutation)
        server = SimServer(world: world, kind: options.isSeedServer ? .seed : .ours)
        agent = SimAgent(world: world, disk: disk, uid: me, token: "token-1", mutation: mutation)
        oracle = Oracle(world: world)
        try populate()
    }

    /// Lives it.
    package func run() -> Report {
        connectParts()
        agent.start()
        schedule()
        let faultsEnd = MonotonicTime.zero + options.faultTime
        world.run(until: faultsEnd, eventsMax: Self.eventsMax) { oracle.violation != nil }
        makePeace()
        var converged: Duration?
        let end = world.now + Self.convergenceBound
        let peace = world.now
        while oracle.violation == nil, world.now < end, world.events < Self.eventsMax {
            world.run(until: world.now + .seconds(1), eventsMax: Self.eventsMax) { oracle.violation != nil }
            if isInOrder() == nil {
                converged = world.now - peace
                break
            }
        }
        if converged != nil {
            // Peace must last: what was in order stays so.
            world.run(until: world.now + .seconds(5), eventsMax: Self.eventsMax) { oracle.violation != nil }
        }
        if oracle.violation == nil, let disorder = isInOrder() {
            oracle.fail(world.events >= Self.eventsMax ? "too many events: \(disorder)" : disorder)
        }
        if oracle.violation == nil { oracle.finish(disk: disk, server: server) }
        letGo()
        return Report(
            seed: 0, events: world.events, digest: world.digest, violation: oracle.violation, tail: world.tail,
            options: "\(options)", converged: converged)
    }

    /// The parts hold each other by their closures; without this no life would ever be freed.
    private func letGo() {
        world.end()
        agent.connect = { nil }
        agent.connecting = {}
        agent.told = { _ in }
        agent.died = {}
        server.uploads = { _, _ in }
        disk.cacheChanged = { _, _ in }
        for link in links {
            link.received = [{ _ in }, { _ in }]
            link.closed = [{ _ in }, { _ in }]
        }
    }

    // MARK: The people

    private func populate() throws {
        server.store.tokens[me] = "token-1"
        for number in 0..<options.friends {
            guard let friend = UserID(Int64(2000 + number)) else { continue }
            let name = try AvatarName("friend-\(number).png")
            let picture = try Picture(size: random.pick(120...options.pictureMax), random: &random)
            // The seed's server looks under the asker only.
            let owner = options.isSeedServer ? me : friend
            server.store.tokens[friend] = "other-\(number)"
            server.store.files[ResourceKey(owner: owner, name: name)] = picture.bytes
            if !options.isSeedServer { server.store.icons[friend] = name }
            oracle.versions[name.string, default: []].append(picture)
        }
    }

    private func connectParts() {
        agent.connect = { [self] in
            guard server.isUp, !isPartitioned else { return nil }
            let cut = !isPeace && random.happens(options.cutRate) ? random.pick(0...options.cutAfterMax) : nil
            let link = SimLink(
                world: world, random: SeededRandom(seed: random.next()),
                delayMax: isPeace ? .milliseconds(1) : options.delayMax, pieces: options.pieces, cutAfter: cut)
            links.removeAll { !$0.isOpen }
            links.append(link)
            server.accept(link)
            if !isPeace, random.happens(options.silentRate) {
                world.schedule(in: random.upTo(.seconds(5))) { link.goSilent() }
            }
            return link
        }
        agent.connecting = { [self] in oracle.connecting() }
        agent.told = { [self] output in told(output) }
        agent.died = { [self] in
            subscribers = [:]
            watcher = nil
        }
        server.uploads = { [self] chunk, isAcknowledged in
            oracle.uploaded(chunk, isAcknowledged: isAcknowledged, server: server)
        }
        disk.cacheChanged = { [self] name, isThere in
            if isThere { oracle.placed(name, in: disk) }
            if mutation == .uploadOwnWrites, isThere, let inode = disk.cache[name] {
                disk.crops[name] = inode
                later { if let name = try? AvatarName(name) { self.agent.feed(.folder(.settled(.crops, name))) } }
            }
            later {
                guard let name = try? AvatarName(name) else { return }
                self.agent.feed(.folder(isThere ? .settled(.cache, name) : .gone(.cache, name)))
            }
        }
    }

    /// An inotify event on its way, behind those before it; lost when the agent dies meanwhile, as the kernel's queue
    /// is.
    func later(_ body: @escaping () -> Void) {
        lastEvent = max(lastEvent, world.now + random.upTo(.milliseconds(3)))
        world.schedule(at: lastEvent, body)
    }

    // MARK: What subscribers hear

    private func told(_ output: BusOutput) {
        switch output {
        case .labels(let reply):
            for state in reply.states {
                if state.avatar.state == .ready { oracle.announced(state.avatar, in: disk) }
                guard var subscriber = subscribers[reply.stream], state.avatar.state.isFinal else { continue }
                subscriber.finals[state.label, default: 0] += 1
                if !subscriber.keep, (subscriber.finals[state.label] ?? 0) > 1 {
                    oracle.fail("the one-shot label \(state.label) was told twice")
                }
                subscribers[reply.stream] = subscriber
            }
            if !reply.continues { subscribers[reply.stream] = nil }
        case .changes(let stream, let epoch, let cursor, let reset, let changes, _):
            guard stream == watcher else { return }
            oracle.watched(epoch: epoch, cursor: cursor, reset: reset, changes: changes)
        case .failed(_, let fault): oracle.fail("a call failed: \(fault)")
        default: break
        }
    }

    /// What is not in order yet, in peace.
    private func isInOrder() -> String? {
        guard agent.isAlive, let status = agent.status else { return "the agent is down" }
        guard case .online = status.connection else {
            return isIdle(status) ? wantedMissing() : "not online: \(status.cause ?? "")"
        }
        return wantedMissing()
    }

    private func isIdle(_ status: AgentMachine.Status) -> Bool { status.connection == .idle }

    private func wantedMissing() -> String? {
        guard let status = agent.status else { return "the agent is down" }
        if status.uploads > 0 { return "\(status.uploads) crops are not uploaded" }
        for name in wanted.sorted() {
            guard let view = agent.view(name) else { continue }
            let exists = oracle.versions[name.string] != nil
            if exists, view.state != .ready { return "\(name) is \(view.state) (\(view.reason ?? "")), not ready" }
            if !exists, view.state != .absent { return "\(name) is \(view.state), not absent" }
        }
        return oracle.crops.isEmpty || hasLostCatalog ? nil : oracle.iconMissing(server: server, me: me)
    }
}

/// Something that cannot happen in setting a life up.
enum SimulationFault: Error {
    case setUp
}

internal import AvatarCore
internal import TransferMachines

/// One simulated life: an agent, a server, a user and their friends, everything that can go wrong for a while, and
/// then peace, in which everything wanted must come and everything outgoing must go.
package final class Life {
    /// Bytes in a chunk, so that small pictures have many.
    static let chunkBytes = 256
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
    let watch: SimWatch
    let server: SimServer
    let visitor: SimVisitor
    let agent: SimAgent
    let oracle: Oracle
    let politeness: Politeness
    var random: SeededRandom
    /// For what happens to the folders themselves.
    var folderRandom: SeededRandom
    var moveRandom: SeededRandom
    /// For what pictures and files do that nobody closes.
    var otherRandom: SeededRandom
    /// For what only servers do that speak HTTP, and for what is followed there.
    var webRandom: SeededRandom
    let me: UserID
    /// Another user of the same machine.
    let them: UserID
    /// The crop that the server hangs up on, in some lives.
    static let unwelcomeCrop = try? AvatarName("crop-unwelcome.png")
    /// The picture that the server hangs up on, in some lives.
    static let unwelcomePicture = try? AvatarName("friend-unwelcome.png")
    var links: [SimLink] = []
    var isPeace = false
    var isPartitioned = false
    /// Whether nobody trusts the server's certificate for a while.
    var hasBadCertificate = false
    /// What the agent's catalog kept of users' avatars when the account was opened, and the place in the server's log up to which that held.
    var known: (avatars: [UserID: UserAvatar], position: ExactString?) = ([:], nil)
    /// Where the server keeps crops that go up in pieces, as the agent's catalog had it when the account was opened.
    var keptPlaces: [AvatarName: ExactString] = [:]
    /// Friends who have no avatar for a while, and which they had.
    var removed: [UserID: AvatarName] = [:]
    /// What becomes of connections while the server is away and something before it accepts them; nil while it is there.
    var isAway: Away?

    /// What accepts in the server's place, and never answers.
    enum Away { case resets, mute }

    var lastStream: UInt64 = 0
    var wanted: Set<AvatarName> = []
    var subscribers: [StreamID: Subscriber] = [:]
    var watcher: StreamID?
    var hasLostCatalog = false
    /// Pictures that friends have not uploaded yet.
    var late: [(friend: UserID, name: AvatarName, picture: Picture)] = []
    /// How many replies a stream that does not read holds before the bus closes it.
    let unreadMax: Int
    /// Streams that do not read, and the replies that wait on each.
    var unread: [StreamID: Int] = [:]
    private var feeds = 0
    /// Whether a person fetched the pictures again once everything was in order.
    var isFetchedInPeace = false
    /// Calls that fetch pictures again.
    var fetches: Set<StreamID> = []
    /// Crops that the agent may not read yet.
    var unreadable: [(name: AvatarName, inode: Int, picture: Picture)] = []
    /// Crops that somebody is writing, be they closed for a moment.
    var writers: Set<AvatarName> = []
    private let namesMax: Int
    /// After how many bytes in both directions the next connections are cut, one after the other.
    private var cuts: [Int] = []
    /// How many of them were.
    package private(set) var cutsMade = 0

    /// What a subscriber of the simulation remembers.
    struct Subscriber {
        var labels: Int
        var keep: Bool
        /// One-shot labels that had their final state.
        var done: Set<ExactString> = []
        /// Labels that show whatever a friend's avatar is, and what each was told last.
        var owners: [ExactString: UserID] = [:]
        var shown: [ExactString: AvatarView] = [:]
    }

    /// Which server a life has, and how it is spoken to.
    package enum Server: CaseIterable, Sendable { case ours, seed, http }

    /// A life of several crops that are closed one right after the other and sent at once, in which nothing goes wrong but this: the first
    /// connections are cut after so many bytes each.
    package convenience init(cropsCutAfter cuts: [Int], server: Server) throws {
        try self.init(seed: 1) { options in
            options.calm()
            (options.isSeedServer, options.isDurable) = (server == .seed, true)
            options.way = server == .http ? .http : .classic
            (options.friends, options.crops, options.cropsInARow, options.pictureMax) = (1, 0, 3, 1_400)
        }
        self.cuts = cuts
    }

    /// A life of one large crop that goes up in pieces, in which nothing goes wrong but this: the first connections are cut after so many bytes each.
    package convenience init(largeCropCutAfter cuts: [Int]) throws {
        try self.init(seed: 1) { options in
            options.calm()
            (options.isSeedServer, options.isDurable, options.way) = (false, true, .http)
            (options.friends, options.crops, options.cropsInARow, options.largeCrops) = (1, 0, 0, 1)
        }
        self.cuts = cuts
    }

    package convenience init(seed: UInt64, mutation: Mutation? = nil, tailMax: Int = 50) throws {
        try self.init(seed: seed, mutation: mutation, tailMax: tailMax) { _ in }
    }

    private init(
        seed: UInt64, mutation: Mutation? = nil, tailMax: Int = 50, change: (inout LifeOptions) -> Void
    ) throws {
        world = World(seed: seed, tailMax: tailMax)
        self.mutation = mutation
        random = world.random(1)
        folderRandom = world.random(61)
        moveRandom = world.random(62)
        otherRandom = world.random(71)
        var webRandom = world.random(81)
        var options = LifeOptions(
            random: &random, folders: &folderRandom, others: &otherRandom, web: &webRandom, moves: &moveRandom)
        self.webRandom = webRandom
        if let mutation {
            options.take(mutation.way)
            // What shows these mutations is in few lives otherwise.
            if mutation == .ignoreOffsets || mutation == .forgetPlaces {
                (options.largeCrops, options.cutRate) = (2, 0.6)
            }
            if mutation == .forgetKeptPlaces { options.largeCrops = 3 }
            if mutation == .ignoreCutLog { (options.manners.resets, options.replacements) = (7, 8) }
            if mutation == .countEveryLogin { (options.tokenChanges, options.friends) = (5, 12) }
            if mutation == .takeWholesForRests { (options.manners.halves, options.manners.wholes) = (0.3, 0.5) }
        }
        // What these mutations get wrong shows in few lives: a server that is away behind something that accepts, again and again, many crops
        // at once or large ones, and files that nobody closes.
        if mutation == .trustAcceptance { (options.absences, options.faultTime) = (options.absences + 6, .seconds(60)) }
        if mutation == .finishTogether || mutation == .forgetIconOrder { options.cropsInARow = 8 }
        if mutation == .ignoreCropChange { options.pictureMax = 12_000 }
        if mutation == .ignoreLinks { options.links += 2 }
        if mutation == .trustAbsence { options.lateFriends += 2 }
        if mutation == .ignoreModes { options.modes += 2 }
        change(&options)
        self.options = options
        guard let me = UserID(1001), let them = UserID(1002) else { throw SimulationFault.setUp }
        self.me = me
        self.them = them
        unreadMax = random.pick(1...8)
        namesMax =
            options.friends + 3 + options.renames + options.largeCrops + options.crops + options.cropsInARow
            + options.links + options.modes
        disk = SimDisk(world: world, durable: options.isDurable, mutation: mutation)
        watch = SimWatch(world: world, options: options, ignoresOverflow: mutation == .ignoreOverflow)
        server = SimServer(world: world, kind: options.isSeedServer ? .seed : .ours, mutation: mutation)
        agent = SimAgent(
            world: world, disk: disk, watch: watch, uid: me, token: "token-1",
            recheckAfter: options.recheckAfter, mutation: mutation)
        let oracle = Oracle(world: world)
        self.oracle = oracle
        visitor = SimVisitor(world: world, server: server) { oracle.fail($0) }
        politeness = Politeness(world: world) { oracle.fail($0) }
        try populate()
    }

    /// Lives it.
    package func run() -> Report {
        connectParts()
        agent.isHTTP = options.way == .http
        server.front.manners = options.manners
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
            fetchAllAgain()
            // Peace must last: what was in order stays so.
            world.run(until: world.now + .seconds(5), eventsMax: Self.eventsMax) { oracle.violation != nil }
            // The server may just now have been asked again for what it did not have.
            if isInOrder() != nil {
                world.run(until: world.now + .seconds(1), eventsMax: Self.eventsMax) { oracle.violation != nil }
            }
        }
        if oracle.violation == nil, let disorder = isInOrder() {
            oracle.fail(world.events >= Self.eventsMax ? "too many events: \(disorder)" : disorder)
        }
        if oracle.violation == nil, let status = agent.status { checkLabels(status) }
        if oracle.violation == nil { checkFetchedAgain() }
        if oracle.violation == nil { oracle.finish(disk: disk, server: server, me: me) }
        letGo()
        return Report(
            seed: 0, events: world.events, digest: world.digest, violation: oracle.violation, tail: world.tail,
            options: "\(options)", converged: converged)
    }

    /// The parts hold each other by their closures; without this no life would ever be freed.
    private func letGo() {
        world.end()
        agent.connect = { _ in .refused("over") }
        agent.lost = { _ in }
        agent.putOff = { _ in }
        (server.front.limitsRightLogin, server.front.begins) = ({}, { _, _, _, _ in })
        server.store.changed = {}
        (server.front.took, server.front.lied, server.front.promised) = ({ _, _, _, _ in }, { _ in }, { _ in })
        oracle.account = { _ in "" }
        disk.placed = { _ in }
        agent.moved = { _, _, _ in }
        (agent.asked, agent.askedAvatar) = ({ _ in }, { _ in })
        agent.sent = { _, _ in }
        agent.hangsUp = { _ in false }
        agent.loginExcused = {}
        agent.serverHas = { _ in false }
        disk.imported = { _ in }
        disk.looked = { _ in }
        disk.recorded = { _ in }
        disk.avatarsKnown = { _, _ in }
        (disk.tookOver, disk.placesKept) = ({ _, _ in }, { _ in })
        agent.heard = { _ in }
        agent.refused = { _, _, _ in }
        agent.lifted = { _ in }
        agent.isFed = {}
        agent.told = { _ in }
        agent.died = {}
        server.uploads = { _, _ in }
        server.held = { _ in }
        disk.cacheChanged = { _, _ in }
        disk.harmed = { _ in }
        disk.refusalLost = { _ in }
        visitor.leave()
        for link in links { (link.ends, link.cutShort) = ((SimLink.End(), SimLink.End()), {}) }
    }

    // MARK: The people

    private func populate() throws {
        server.store.tokens[me] = "token-1"
        server.store.tokens[them] = "token-of-them"
        if options.hangsUpOnPicture, let name = Self.unwelcomePicture {
            let picture = try Picture(size: 900, random: &random)
            server.store.files[ResourceKey(owner: me, name: name)] = picture.bytes
            oracle.versions[name, default: []].append(picture)
        }
        for number in 0..<options.friends {
            guard let friend = UserID(Int64(2000 + number)) else { continue }
            let name = try AvatarName("friend-\(number).png")
            let picture = try Picture(size: random.pick(120...options.pictureMax), random: &random)
            server.store.tokens[friend] = "other-\(number)"
            if number < options.lateFriends {
                late.append((friend, name, picture))
            } else {
                place(picture, name, friend)
            }
        }
    }

    /// A friend uploads a picture.
    func place(_ picture: Picture, _ name: AvatarName, _ friend: UserID) {
        // The seed's server looks under the asker only.
        let owner = options.isSeedServer ? me : friend
        server.store.files[ResourceKey(owner: owner, name: name)] = picture.bytes
        if !options.isSeedServer { server.store.setIcon(name, of: friend) }
        oracle.versions[name, default: []].append(picture)
    }

    private func connectParts() {
        agent.connect = { [self] isHTTP in connect(isHTTP) }
        agent.told = { [self] output in told(output) }
        agent.died = { [self] in
            subscribers = [:]
            unread = [:]
            watcher = nil
            politeness.excuse()
            politeness.forgetPutOff()
            (known, keptPlaces) = (([:], nil), [:])
            if agent.isHTTP { oracle.agentForgot(server.store, disk) }
        }
        connectOracles()
        disk.cacheChanged = { [self] name, isThere in
            if isThere { oracle.placed(name, in: disk) }
            if mutation == .uploadOwnWrites, isThere, let inode = disk.cache[name] {
                disk.crops[name] = inode
                watch.happened(.crops, name)
            }
            watch.happened(.cache, name, isThere ? .settled : .gone)
        }
    }

    private func connect(_ isHTTP: Bool) -> SimAgent.Connecting {
        guard !isPartitioned else { return random.happens(0.5) ? .refused("refused") : .silent }
        if let isAway { return .link(deadLink(isAway)) }
        guard server.isUp else { return .refused("refused") }
        if isHTTP, hasBadCertificate { return .refused("the server's certificate has expired") }
        var cut = !isPeace && random.happens(options.cutRate) ? random.pick(0...options.cutAfterMax) : nil
        if !cuts.isEmpty { cut = cuts.removeFirst() }
        let link = SimLink(
            world: world, random: SeededRandom(seed: random.next()),
            delayMax: isPeace ? .milliseconds(1) : options.delayMax, pieces: options.pieces, cutAfter: cut)
        link.cutShort = { [self] in cutsMade += 1 }
        links.removeAll { !$0.isOpen }
        links.append(link)
        if isHTTP { server.front.accept(link) } else { server.accept(link) }
        if !isPeace, random.happens(options.silentRate) {
            let isHalf = random.happens(0.5)
            world.schedule(in: random.upTo(.seconds(5))) { if isHalf { link.goHalfSilent() } else { link.goSilent() } }
        }
        return .link(link)
    }

    private func deadLink(_ away: Away) -> SimLink {
        let link = SimLink(
            world: world, random: SeededRandom(seed: random.next()), delayMax: .milliseconds(1), pieces: 1,
            cutAfter: nil)
        links.append(link)
        switch away {
        case .mute: link.goSilent()
        case .resets: world.schedule(in: .milliseconds(6) + random.upTo(.milliseconds(20))) { link.cut("reset") }
        }
        return link
    }

    private func connectOracles() {
        agent.moved = { [self] before, after, byLogin in politeness.moved(from: before, to: after, byLogin: byLogin) }
        agent.asked = { [self] name in politeness.asked(name, tokenEpoch: disk.tokenEpoch) }
        disk.avatarsKnown = { [self] in known = ($0, $1) }
        disk.tookOver = { [self] in oracle.tookOver(from: $0, to: $1, server.store, disk) }
        agent.askedAvatar = { [self] user in checkAsked(user) }
        agent.hangsUp = { [self] request in
            switch request {
            case .upload(let crop, _): crop.name == Self.unwelcomeCrop
            case .download(let name, _, _): name == Self.unwelcomePicture && !isPeace
            case .http(_, .picture(let name, _, _, _)): name == Self.unwelcomePicture && !isPeace
            case .http(_, .put(let crop)), .http(_, .createUpload(let crop)): crop.name == Self.unwelcomeCrop
            case .askProgress, .http, .body, .cancel: false
            }
        }
        agent.loginExcused = { [self] in
            politeness.excuse()
            politeness.liftAll()
        }
        agent.serverHas = { [self] crop in
            server.store.commits.contains { $0.key.owner == me && $0.key.name == crop.name && $0.md5 == crop.md5 }
        }
        disk.looked = { [self] names in
            for name in names where watch.isToTell(ofCrop: name) { oracle.closeComesLate(name) }
        }
        disk.imported = { [self] name in
            oracle.saidAgain(name, in: disk)
            watch.happened(.crops, name)
        }
        agent.sent = { [self] id, user in oracle.sent(id, by: user) }
        oracle.account = { [self] user in SimAgent.account(of: user, isHTTP: agent.isHTTP) }
        agent.lost = { [self] call in
            switch call {
            case .put(let crop), .continueUpload(let crop, _, _), .createUpload(let crop): oracle.answerLost(crop)
            case .askOffset, .avatar, .changes, .picture: break
            }
        }
        server.front.took = { [self] key, offset, bytes, digest in
            oracle.took(key, offset: offset, bytes, digest: digest)
        }
        server.front.lied = { [self] name in oracle.harmed(name) }
        server.front.begins = { [self] key, digest, there, place in
            oracle.begins(key, digest, after: there, isKept: keptPlaces[key.name]?.string == place)
        }
        disk.placesKept = { [self] in keptPlaces = $0 }
        agent.putOff = { [self] time in politeness.putOff(time) }
        server.front.limitsRightLogin = { [self] in oracle.fail("who shows the right token has to wait for wrong ones")
        }
        server.front.promised = { [self] digest in oracle.promised(digest) }
        disk.placed = { [self] record in oracle.recorded(record) }
        disk.recorded = { [self] crop in oracle.recorded(crop) }
        agent.heard = { [self] kind in if Self.isSensible(kind) { politeness.excuse() } }
        agent.refused = { [self] name, reason, attempts in
            politeness.refused(
                name, reason, attempts: attempts, until: agent.view(name)?.retryAt, tokenEpoch: disk.tokenEpoch)
            if reason == .corrupt { oracle.foundCorrupt(name) }
        }
        agent.lifted = { [self] name in politeness.lift(name) }
        agent.isFed = { [self] in
            feeds += 1
            guard feeds.isMultiple(of: 8), let load = agent.load else { return }
            politeness.holds(load, names: namesMax)
            if options.accountSwitches > 0, let status = agent.status { oracle.shows(status, server: server) }
        }
        server.uploads = { [self] chunk, isAcknowledged in
            oracle.uploaded(chunk, isAcknowledged: isAcknowledged, server: server)
        }
        server.held = { [self] count in politeness.serverHolds(count) }
        disk.harmed = { [self] name in oracle.harmed(name) }
        disk.refusalLost = { [self] name in politeness.lift(name) }
    }

    /// Whether a server that answers so lives, and takes who we are.
    private static func isSensible(_ kind: ServerReply.Kind) -> Bool {
        switch kind {
        case .upload(let reply):
            reply.error != ClassicError.tokenInvalid.rawValue && reply.error != ClassicError.uidInvalid.rawValue
        case .download(_, .error(let code)):
            code != ClassicError.tokenInvalid.rawValue && code != ClassicError.uidInvalid.rawValue
        case .download(_, .chunk): true
        case .http(_, .head(let head)), .greeting(let head): head.status != 401
        case .http: true
        case .download(_, .garbled), .progress, .other, .unreadable: false
        }
    }

    // MARK: What subscribers hear

    private func told(_ output: BusOutput) {
        switch output {
        case .labels(let reply):
            guard isRead(reply.stream), var subscriber = subscribers[reply.stream] else { return }
            for state in reply.states {
                if state.avatar.state == .ready {
                    oracle.announced(state.avatar, in: disk)
                    if disk.isMoveSeen { oracle.fail("\(state.label) is sent to a folder that is away") }
                }
                if subscriber.owners[state.label] != nil { subscriber.shown[state.label] = state.avatar }
                guard !subscriber.keep, state.avatar.state.isFinal else { continue }
                guard subscriber.done.insert(state.label).inserted else {
                    return oracle.fail("the one-shot label \(state.label) was told twice")
                }
            }
            subscribers[reply.stream] = reply.continues ? subscriber : nil
        case .changes(let stream, let epoch, let cursor, let reset, let changes, _):
            guard stream == watcher, isRead(stream) else { return }
            oracle.watched(epoch: epoch, cursor: cursor, reset: reset, changes: changes)
        // A fetch ends with the server's refusal of the login.
        case .failed(let stream, .serverRefused), .failed(let stream, .notLoggedIn):
            if !fetches.contains(stream) { oracle.fail("a call failed: the login") }
            isFetchedInPeace = false
        case .failed(_, let fault): oracle.fail("a call failed: \(fault)")
        default: break
        }
    }

    /// Whether the subscriber reads; one that does not is closed once its bounded queue is full, and never waited for.
    private func isRead(_ stream: StreamID) -> Bool {
        guard let waiting = unread[stream] else { return true }
        unread[stream] = waiting + 1
        if waiting + 1 == unreadMax { closeLaggard(stream) }
        return false
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
        if wanted.isEmpty { return "nobody wants anything yet" }
        if status.uploads > 0 { return "\(status.uploads) crops are not uploaded" }
        if isUnwelcomeCropOpen(status) { return "the crop that the server hangs up on is not set aside" }
        for name in wanted.sorted() {
            guard let view = agent.view(name) else { continue }
            let exists = oracle.versions[name] != nil
            // A friend who has another avatar has taken this one back, and the agent may have come too late for it.
            if exists, options.renames > 0, !server.store.isShown(name), name != Self.unwelcomePicture { continue }
            if exists, view.state != .ready { return "\(name) is \(view.state) (\(view.reason ?? "")), not ready" }
            if exists, disk.cache[name] == nil { return "\(name) is called ready, and is not in the folder" }
            guard !exists else { continue }
            if view.state != .absent { return "\(name) is \(view.state), not absent" }
            if let at = view.retryAt, at - world.now > Negative.timeToLive(.absent, of: name, attempts: .max) {
                return "the refusal of \(name) holds for \(at - world.now)"
            }
        }
        if let old = notCurrent() { return old }
        return oracle.crops.isEmpty || hasLostCatalog ? nil : oracle.iconMissing(server: server, disk: disk, me: me)
    }

    /// Whether nothing was decided yet of the crop that the server hangs up on.
    private func isUnwelcomeCropOpen(_ status: AgentMachine.Status) -> Bool {
        guard options.hangsUpOnCrop, let name = Self.unwelcomeCrop, let inode = disk.crops[name] else { return false }
        guard let row = disk.catalog.crops[name], row.inode == inode else { return true }
        guard row.state == .pending, row.crop.account == status.login?.account else { return false }
        return !status.problems.contains { $0.key == "upload crop-unwelcome.png" }
    }

    /// The agent remembers the labels that are alive, and no other.
    private func checkLabels(_ status: AgentMachine.Status) {
        let alive = subscribers.values.reduce(0) { $0 + $1.labels - $1.done.count }
        if status.labels != alive { oracle.fail("\(status.labels) labels are kept, \(alive) are alive") }
    }
}

/// Something that cannot happen in setting a life up.
enum SimulationFault: Error {
    case setUp
}

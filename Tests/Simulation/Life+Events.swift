internal import AvatarCore
internal import TransferMachines

// What happens in a life, and when.
extension Life {
    func schedule() {
        agent.killRate = options.killRate
        server.loseReplyRate = options.loseReplyRate
        disk.flipRate = options.flipRate
        register(keep: true)
        at { self.watch() }
        for number in 0..<options.crops { at { self.beginCrop(number) } }
        for _ in 0..<options.kills { at { self.kill() } }
        for _ in 0..<options.serverCrashes { at { self.crashServer() } }
        for _ in 0..<options.partitions { at { self.partition() } }
        for _ in 0..<options.diskFulls { at { self.fillDisk() } }
        for _ in 0..<options.tokenChanges { at { self.changeToken() } }
        for _ in 0..<options.deletions { at { self.deleteOne() } }
        for _ in 0..<options.hangUps { at { self.hangUpAndComeBack() } }
        at { self.register(keep: false) }
        if options.suspendsForAWeek { at { self.suspend() } }
        if options.lags { at { self.lag() } }
        heal()
    }

    private func at(_ body: @escaping () -> Void) {
        world.schedule(in: random.upTo(options.faultTime)) { [self] in if !isPeace { body() } }
    }

    /// An agent that died by a fault is started again, as systemd would.
    private func heal() {
        world.schedule(in: .milliseconds(200) + random.upTo(.milliseconds(800))) { [self] in
            if !agent.isAlive { startAgain() }
            if !isPeace || !agent.isAlive { heal() }
        }
    }

    private func startAgain() {
        let loses = !isPeace && random.happens(options.catalogLossRate)
        if loses {
            hasLostCatalog = true
            oracle.exempt = true
            world.log("the catalog is lost")
        }
        agent.start(lostCatalog: loses)
        for name in disk.cache.keys.sorted() { oracle.check(name, in: disk) }
        register(keep: true)
        watch()
    }

    func makePeace() {
        isPeace = true
        world.log("peace")
        agent.killRate = 0
        server.loseReplyRate = 0
        disk.flipRate = 0
        disk.isFull = false
        isPartitioned = false
        server.restart()
        agent.account.token = server.store.tokens[me] ?? ""
        if agent.isAlive {
            agent.logIn()
            agent.feed(.networkChanged)
            if wanted.isEmpty { register(keep: true) }
        } else {
            startAgain()
        }
        heal()
    }

    // MARK: Subscribers

    func register(keep: Bool) {
        guard agent.isAlive else { return }
        lastStream += 1
        let stream = StreamID(lastStream)
        var names: [String: AvatarName] = [:]
        var requests: [LabelRequest] = []
        for number in 0..<options.friends + 1 where keep || random.happens(0.5) {
            // One name that nobody has.
            guard let name = try? AvatarName(number == options.friends ? "ghost.png" : "friend-\(number).png") else {
                continue
            }
            let label = "label-\(stream.value)-\(number)"
            names[label] = name
            requests.append(
                LabelRequest(
                    label: label, target: .name(name, owner: nil),
                    visibility: Visibility.allCases[random.pick(0...Visibility.allCases.count - 1)]))
            if keep { wanted.insert(name) }
        }
        guard !requests.isEmpty else { return }
        subscribers[stream] = Subscriber(names: names, keep: keep)
        world.log("labels are registered", keep ? "to stay" : "once", Int64(requests.count))
        agent.feed(
            .bus(stream, .register(requests, keep: keep, heartbeat: false, more: true, token: "s\(stream.value)")))
    }

    private func hangUpAndComeBack() {
        guard agent.isAlive, let stream = subscribers.keys.sorted().first(where: { subscribers[$0]?.keep == true })
        else { return }
        world.log("a subscriber hangs up")
        subscribers[stream] = nil
        wanted = []
        agent.feed(.hungUp(stream))
        world.schedule(in: random.upTo(.seconds(2))) { [self] in register(keep: true) }
    }

    /// A subscriber that does not read: the bus closes it, and the agent hears that it hung up.
    private func lag() {
        guard let stream = subscribers.keys.sorted().last(where: { subscribers[$0]?.keep == false }) else { return }
        world.log("a subscriber lags")
        subscribers[stream] = nil
        agent.feed(.hungUp(stream))
    }

    private func watch() {
        guard agent.isAlive else { return }
        lastStream += 1
        watcher = StreamID(lastStream)
        let (epoch, since) = oracle.watchPosition
        agent.feed(.bus(StreamID(lastStream), .watch(epoch: epoch, since: since, heartbeat: false, more: true)))
    }

    // MARK: The user's crops

    private func beginCrop(_ number: Int) {
        let reuses = number > 0 && random.happens(0.25)
        let name = reuses ? "crop-\(number - 1).png" : "crop-\(number).png"
        guard let picture = try? Picture(size: random.pick(120...options.pictureMax), random: &random) else { return }
        if let inode = disk.crops[name], disk.files[inode]?.isBeingWritten == true { return }
        if random.happens(0.2) {
            // Written elsewhere, and renamed here.
            disk.crops[name] = disk.newFile(picture.bytes)
            closed(name, picture)
            return
        }
        let inode = disk.beginCrop(name, reuse: reuses && random.happens(0.5))
        write(name, inode, picture, from: 0)
    }

    private func write(_ name: String, _ inode: Int, _ picture: Picture, from start: Int) {
        guard disk.crops[name] == inode else { return }
        let end = min(picture.bytes.count, start + random.pick(1...picture.bytes.count))
        disk.write(inode, picture.bytes[start..<end])
        world.schedule(in: random.upTo(.milliseconds(400))) { [self] in
            guard end == picture.bytes.count else {
                // A writer that closes in between, and opens again.
                if random.happens(0.3) { settle(name) }
                return write(name, inode, picture, from: end)
            }
            guard disk.crops[name] == inode else { return }
            disk.closeCrop(inode)
            closed(name, picture)
        }
    }

    private func closed(_ name: String, _ picture: Picture) {
        world.log("a crop is closed", name, Int64(picture.bytes.count))
        if let inode = disk.crops[name] { disk.touch(inode) }
        oracle.closed(name, picture)
        settle(name)
    }

    private func settle(_ name: String) {
        later { [self] in
            guard agent.isAlive else { return }
            guard !isPeace, random.happens(options.overflowRate * 0.3) else {
                if let name = try? AvatarName(name) { agent.feed(.folder(.settled(.crops, name))) }
                return
            }
            world.log("inotify overflows")
            if mutation != .ignoreOverflow { agent.feed(.folder(.overflow)) }
        }
    }

    private func deleteOne() {
        guard let name = disk.cache.keys.sorted().first(where: { _ in random.happens(0.5) }) else { return }
        world.log("a picture is deleted by hand", name)
        oracle.deleted(name)
        disk.setName(.cache, name, nil)
    }

    // MARK: Faults

    private func kill() {
        guard agent.isAlive else { return }
        agent.kill()
        guard random.happens(options.powerCutRate) else { return }
        world.log("the power fails")
        disk.cutPower()
        oracle.powerFailed(disk: disk)
    }

    private func crashServer() {
        server.crash()
        if random.happens(options.forgetRate) {
            world.log("the server forgets its progress")
            server.store.forgetProgress()
            oracle.serverForgot()
        }
        oracle.serverCrashed()
        world.schedule(in: random.upTo(.seconds(8))) { [self] in server.restart() }
    }

    private func partition() {
        world.log("the network is parted")
        isPartitioned = true
        for link in links { link.goSilent() }
        world.schedule(in: random.upTo(.seconds(30))) { [self] in isPartitioned = false }
    }

    private func fillDisk() {
        world.log("the disk is full")
        disk.isFull = true
        world.schedule(in: random.upTo(.seconds(6))) { [self] in disk.isFull = false }
    }

    /// The token expires; a while later somebody logs in with the new one.
    private func changeToken() {
        let token = "token-\(random.pick(2...1_000_000))"
        world.log("the token expires")
        server.store.tokens[me] = token
        world.schedule(in: random.upTo(.seconds(10))) { [self] in
            agent.account.token = token
            if agent.isAlive { agent.logIn() }
        }
    }

    /// A week asleep: nothing runs, and every connection is dead without a word.
    private func suspend() {
        world.log("asleep for a week")
        for link in links { link.goSilent() }
        world.sleep(.seconds(7 * 24 * 3600))
    }
}

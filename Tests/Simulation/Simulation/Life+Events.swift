internal import AvatarCore
internal import TransferMachines

// What happens in a life, and when.
extension Life {
    func schedule() {
        agent.killRate = options.killRate
        server.loseReplyRate = options.loseReplyRate
        disk.flipRate = options.flipRate
        disk.tornRate = options.tornRate
        register(keep: true)
        at { self.watchLog() }
        for number in 0..<options.crops { at { self.beginCrop(number) } }
        for _ in 0..<options.cropDeletions { at { self.deleteCrop() } }
        for _ in 0..<options.replacements { at { self.replacePicture() } }
        for _ in 0..<options.kills { at { self.kill() } }
        for _ in 0..<options.serverCrashes { at { self.crashServer() } }
        for _ in 0..<options.partitions { at { self.partition() } }
        for _ in 0..<options.diskFulls { at { self.fillDisk() } }
        for _ in 0..<options.tokenChanges { at { self.changeToken() } }
        for _ in 0..<options.deletions { at { self.deleteOne() } }
        for _ in 0..<options.hangUps { at { self.hangUpAndComeBack() } }
        for _ in 0..<options.clockJumps { at { self.setClock() } }
        for _ in 0..<options.lags { at { self.lag() } }
        at { self.register(keep: false) }
        if options.suspendsForAWeek { at { self.suspend() } }
        if options.hangsUpOnCrop { at { self.closeUnwelcomeCrop() } }
        for _ in 0..<options.accountSwitches { at { self.switchAccount() } }
        for _ in 0..<options.serverFulls { at { self.fillServer() } }
        for _ in 0..<options.saidAgain { at { self.sayAgain() } }
        for _ in 0..<options.absences { at { self.leave() } }
        scheduleFolderFaults()
        scheduleOthers()
        if options.way != .classic { scheduleWeb() }
        if server.kind == .ours { visitor.schedule(before: options.faultTime) }
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
        let loses = (!isPeace && random.happens(options.catalogLossRate)) || disk.isStateLost
        if loses {
            hasLostCatalog = true
            oracle.catalogLost(hidesCrops: disk.hiddenCropFolder != nil)
            politeness.liftAll()
            world.log("the catalog is lost")
        }
        if options.way == .switching, !isPeace, webRandom.happens(0.6) {
            agent.isHTTP.toggle()
            politeness.liftAll()
            world.log("the agent takes another way:", agent.isHTTP ? "HTTP" : "classic")
        }
        agent.start(lostCatalog: loses)
        oracle.checkAll(in: disk)
        register(keep: true)
        watchLog()
    }

    func makePeace() {
        isPeace = true
        world.log("peace")
        agent.killRate = 0
        server.loseReplyRate = 0
        disk.flipRate = 0
        disk.tornRate = 0
        disk.isFull = false
        watch.overflowRate = 0
        watch.reorderRate = 0
        isPartitioned = false
        server.store.isFull = false
        isAway = nil
        hasBadCertificate = false
        bringAllBack()
        server.front.manners.mend()
        unmount()
        moveCacheBack()
        mendAll()
        server.restart()
        let token = server.store.tokens[me] ?? ""
        // The token that came last stands in its file: nobody need log in for it.
        let isInFile = agent.account.uid == me && random.happens(0.5)
        agent.fileToken = token
        if !isInFile { agent.account = (me, token) }
        politeness.forgetPutOff()
        for stream in unread.keys.sorted() { closeLaggard(stream) }
        // A login begins a new connection; without one the silent connections of before must not outlast the faults.
        if isInFile { for link in links { link.cut("peace") } }
        if agent.isAlive {
            if isInFile { agent.tokenFileChanged() } else { logIn() }
            networkChanged()
            if wanted.isEmpty { register(keep: true) }
            if watcher == nil { watchLog() }
        } else {
            startAgain()
        }
        heal()
    }

    private func logIn() {
        politeness.excuse()
        politeness.liftAll()
        agent.logIn()
    }

    func networkChanged() {
        politeness.excuse()
        agent.feed(.networkChanged)
    }

    // MARK: Subscribers

    func register(keep: Bool) {
        guard agent.isAlive else { return }
        lastStream += 1
        let stream = StreamID(lastStream)
        var requests: [LabelRequest] = []
        for number in 0..<options.friends + 1 where keep || random.happens(0.5) {
            // One name that nobody has.
            guard let name = try? AvatarName(number == options.friends ? "ghost.png" : "friend-\(number).png") else {
                continue
            }
            let label = "label-\(stream.value)-\(number)"
            requests.append(
                LabelRequest(
                    label: ExactString(label), target: .name(name, owner: nil),
                    visibility: Visibility.allCases[random.pick(0...Visibility.allCases.count - 1)]))
            if keep { wanted.insert(name) }
        }
        if keep, options.hangsUpOnPicture, let name = Self.unwelcomePicture {
            requests.append(
                LabelRequest(
                    label: "label-\(stream.value)-unwelcome", target: .name(name, owner: nil), visibility: .visible))
            wanted.insert(name)
        }
        let owners = keep ? ownerLabels(stream) : [:]
        for (label, user) in owners.sorted(by: { $0.key < $1.key }) {
            requests.append(LabelRequest(label: label, target: .ownerOnly(user), visibility: .visible))
        }
        guard !requests.isEmpty else { return }
        subscribers[stream] = Subscriber(labels: requests.count, keep: keep, owners: owners)
        world.log("labels are registered", keep ? "to stay" : "once", Int64(requests.count))
        agent.feed(
            .bus(stream, .register(requests, keep: keep, heartbeat: false, more: true, token: "s\(stream.value)")))
    }

    private func hangUpAndComeBack() {
        guard agent.isAlive, let stream = subscribers.keys.sorted().first(where: { subscribers[$0]?.keep == true })
        else { return }
        world.log("a subscriber hangs up")
        hungUp(stream)
        comeBack()
    }

    private func hungUp(_ stream: StreamID) {
        if subscribers.removeValue(forKey: stream)?.keep == true { wanted = [] }
        unread[stream] = nil
        if watcher == stream { watcher = nil }
        if mutation != .keepGoneSubscribers { agent.feed(.hungUp(stream)) }
    }

    private func comeBack() {
        world.schedule(in: random.upTo(.seconds(2))) { [self] in
            guard agent.isAlive else { return }
            if wanted.isEmpty { register(keep: true) }
            if watcher == nil { watchLog() }
        }
    }

    /// A subscriber stops reading: what waits for it fills its bounded queue.
    private func lag() {
        let streams = subscribers.keys.sorted() + [watcher].compactMap(\.self)
        guard !streams.isEmpty else { return }
        let stream = streams[random.pick(0...streams.count - 1)]
        guard unread[stream] == nil else { return }
        world.log("a subscriber does not read any more", "", Int64(stream.value))
        unread[stream] = 0
    }

    /// The bus closes who does not read, and the agent hears that it hung up.
    func closeLaggard(_ stream: StreamID) {
        let current = agent.incarnation
        world.schedule(in: random.upTo(.milliseconds(5))) { [self] in
            guard agent.incarnation == current, unread[stream] != nil else { return }
            world.log("a subscriber lags, and is closed", "", Int64(stream.value))
            hungUp(stream)
            comeBack()
        }
    }

    private func watchLog() {
        guard agent.isAlive, watcher == nil else { return }
        lastStream += 1
        watcher = StreamID(lastStream)
        let (epoch, since) = oracle.watchPosition
        agent.feed(.bus(StreamID(lastStream), .watch(epoch: epoch, since: since, heartbeat: false, more: true)))
    }

    // MARK: Faults

    private func kill() {
        guard agent.isAlive else { return }
        agent.kill()
        guard random.happens(options.powerCutRate) else { return }
        world.log("the power fails")
        let forgotten = disk.cutPower()
        oracle.powerFailed(disk: disk)
        if !forgotten.isEmpty { oracle.serverForgot(server.store, disk) }
    }

    private func crashServer() {
        server.crash()
        oracle.serverCrashed(server.store)
        if random.happens(options.forgetRate) {
            world.log("the server forgets its progress")
            oracle.serverForgot(server.store, disk)
            server.store.forgetProgress()
        }
        world.schedule(in: random.upTo(.seconds(8))) { [self] in server.restart() }
    }

    private func partition() {
        world.log("the network is parted")
        isPartitioned = true
        for link in links { link.goSilent() }
        world.schedule(in: random.upTo(.seconds(30))) { [self] in
            isPartitioned = false
            // The kernel tells of a route that is back, if it was this machine's own.
            if !isPeace, random.happens(0.5) { networkChanged() }
        }
    }

    private func fillDisk() {
        world.log("the disk is full")
        disk.isFull = true
        world.schedule(in: random.upTo(.seconds(6))) { [self] in disk.isFull = false }
    }

    /// The server goes, and whatever stands before it accepts connections in its place.
    private func leave() {
        let away: Away = random.happens(0.5) ? .resets : .mute
        world.log("the server is away", away == .mute ? "and connections are mute" : "and connections are reset")
        isAway = away
        for link in links { away == .mute ? link.goSilent() : link.cut("reset") }
        world.schedule(in: random.upTo(.seconds(150))) { [self] in isAway = nil }
    }

    private func fillServer() {
        world.log("the server's disk is full")
        server.store.isFull = true
        world.schedule(in: random.upTo(.seconds(60))) { [self] in server.store.isFull = false }
    }

    /// The token expires; a while later somebody logs in with the new one, or it stands in the token's file.
    private func changeToken() {
        let token = "token-\(random.pick(2...1_000_000))"
        world.log("the token expires")
        server.store.tokens[me] = token
        oracle.tokenExpired(server.store, disk)
        world.schedule(in: random.upTo(.seconds(10))) { [self] in
            guard !isPeace else { return }
            world.log("somebody logs in anew")
            guard agent.account.uid == me else { return }
            agent.fileToken = server.store.tokens[me] ?? token
            if random.happens(0.5) { return agent.tokenFileChanged() }
            agent.account.token = server.store.tokens[me] ?? token
            if agent.isAlive { logIn() }
        }
    }

    /// Another user logs in for a while.
    private func switchAccount() {
        world.log("another user logs in")
        politeness.forgetPutOff()
        if agent.isHTTP { oracle.agentForgot(server.store, disk) }
        agent.account = (them, server.store.tokens[them] ?? "")
        if agent.isAlive { logIn() }
        world.schedule(in: random.upTo(.seconds(4))) { [self] in
            guard !isPeace else { return }
            world.log("the user logs in again")
            politeness.forgetPutOff()
            agent.account = (me, server.store.tokens[me] ?? "")
            if agent.isAlive { logIn() }
        }
    }

    /// A week asleep: nothing runs, and every connection is dead without a word.
    private func suspend() {
        world.log("asleep for a week")
        for link in links { link.goSilent() }
        world.sleep(.seconds(7 * 24 * 3600))
    }

    /// Somebody sets the wall clock, by up to three days either way.
    private func setClock() {
        let jump = random.upTo(.seconds(3 * 24 * 3600))
        world.log("the wall clock jumps")
        disk.wallOffset += random.happens(0.5) ? jump : .zero - jump
        politeness.liftAll()
    }

    private func deleteOne() {
        guard let name = disk.cache.keys.sorted().first(where: { _ in random.happens(0.5) }) else { return }
        world.log("a picture is deleted by hand", name.string)
        oracle.deleted(name)
        disk.setName(.cache, name, nil)
    }

    /// A friend has a new picture under the old name, perhaps of the same size: chunks of both may come.
    private func replacePicture() {
        let keys = server.store.files.keys.filter { $0.name.string.hasPrefix("friend-") }.sorted { $0.name < $1.name }
        guard !keys.isEmpty else { return }
        let key = keys[random.pick(0...keys.count - 1)]
        let size = random.happens(0.5) ? server.store.files[key]?.count ?? 0 : random.pick(120...options.pictureMax)
        guard let picture = try? Picture(size: size, random: &random) else { return }
        world.log("a friend has a new picture", key.name.string, Int64(picture.bytes.count))
        oracle.versions[key.name, default: []].append(picture)
        oracle.harmed(key.name)
        server.store.files[key] = picture.bytes
        if let owner = key.owner, !options.isSeedServer { server.store.noteAvatar(of: owner) }
    }
}

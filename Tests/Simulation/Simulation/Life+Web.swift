internal import AvatarCore
internal import TransferMachines

// What only happens where the agent speaks HTTP: friends whose avatars are followed, and a server that misbehaves in its own ways.
extension Life {
    func scheduleWeb() {
        for number in 0..<options.renames { atWebTime { self.rename(number) } }
        for number in 0..<options.largeCrops { atWebTime { self.closeLargeCrop(number) } }
        for _ in 0..<options.removals { atWebTime { self.removeAvatar() } }
        for _ in 0..<options.manners.resets { atWebTime { self.resetLog() } }
        for _ in 0..<options.manners.goAways { atWebTime { self.server.front.goAway() } }
        for _ in 0..<options.manners.badCertificates { atWebTime { self.showBadCertificate() } }
        if options.way == .switching {
            // Whoever changes the way starts the agent anew.
            for _ in 0..<webRandom.pick(1...3) { atWebTime { if self.agent.isAlive { self.agent.kill() } } }
        }
    }

    private func atWebTime(_ body: @escaping () -> Void) {
        world.schedule(in: webRandom.upTo(options.faultTime)) { [self] in if !isPeace { body() } }
    }

    /// Labels that show whatever a friend's avatar is.
    func ownerLabels(_ stream: StreamID) -> [ExactString: UserID] {
        var labels: [ExactString: UserID] = [:]
        for number in 0..<min(options.ownerLabels, options.friends) {
            labels[ExactString("owner-\(stream.value)-\(number)")] = UserID(Int64(2000 + number))
        }
        return labels
    }

    /// A crop that goes up in pieces.
    private func closeLargeCrop(_ number: Int) {
        let size = Int(Limits.HTTPWay.putBytesMax) + webRandom.pick(1...60_000)
        guard let name = try? AvatarName("crop-large-\(number).png"),
            let picture = try? Picture(size: size, random: &webRandom)
        else { return }
        let inode = disk.newFile(picture.bytes)
        disk.crops[name] = inode
        disk.touch(inode)
        world.log("a large crop is closed", name.string, Int64(picture.bytes.count))
        oracle.closed(name, picture)
        watch.happened(.crops, name)
    }

    private var friends: [UserID] { server.store.icons.keys.filter { $0.value >= 2000 && $0.value < 3000 }.sorted() }

    /// A friend has another avatar, under another name.
    private func rename(_ number: Int) {
        let friends = friends
        guard !friends.isEmpty else { return }
        let friend = friends[webRandom.pick(0...friends.count - 1)]
        guard let name = try? AvatarName("friend-\(friend.value - 2000)-\(number).png"),
            let picture = try? Picture(size: webRandom.pick(120...options.pictureMax), random: &webRandom)
        else { return }
        world.log("a friend has an avatar under another name", name.string)
        if let old = server.store.icons[friend] { oracle.harmed(old) }
        place(picture, name, friend)
    }

    /// A friend has no avatar for a while.
    private func removeAvatar() {
        let friends = friends
        guard !friends.isEmpty else { return }
        let friend = friends[webRandom.pick(0...friends.count - 1)]
        guard let name = server.store.icons[friend] else { return }
        world.log("a friend has no avatar any more", name.string)
        server.store.setIcon(nil, of: friend)
        removed[friend] = name
        world.schedule(in: webRandom.upTo(.seconds(10))) { [self] in bringBack(friend) }
    }

    private func bringBack(_ friend: UserID) {
        guard let name = removed.removeValue(forKey: friend), server.store.icons[friend] == nil else { return }
        world.log("a friend has an avatar again", name.string)
        server.store.setIcon(name, of: friend)
    }

    /// Before peace.
    func bringAllBack() { for friend in removed.keys.sorted() { bringBack(friend) } }

    private func resetLog() {
        if webRandom.happens(0.5) {
            world.log("the log of changes is lost")
            server.store.loseLog()
        } else {
            world.log("the log of changes is cut")
            server.store.cutLog(to: webRandom.pick(0...2))
        }
    }

    private func showBadCertificate() {
        world.log("nobody trusts the server's certificate")
        hasBadCertificate = true
        server.front.goAway()
        world.schedule(in: webRandom.upTo(.seconds(20))) { [self] in hasBadCertificate = false }
    }

    /// The agent asks what a user's avatar is: the catalog did not know it, or the server has told of a change since, or can tell of none. Of the
    /// user who is logged in it asks with each connection.
    func checkAsked(_ user: UserID) {
        guard user != me, user != them, known.avatars[user] != nil, let position = known.position,
            !server.store.mayHaveChanged(user, since: position.string)
        else { return }
        oracle.fail("the avatar of \(user) is asked for, and was known")
    }

    /// In peace: what is followed and not current.
    func notCurrent() -> String? {
        guard agent.isHTTP else { return nil }
        for name in wanted.sorted() where server.store.isShown(name) {
            guard let record = disk.catalog.avatars[name]?.record, !record.isOwn, let owner = record.owner,
                let bytes = server.store.files[ResourceKey(owner: owner, name: name)], server.store.icons[owner] == name
            else { continue }
            if disk.cache[name].flatMap({ disk.files[$0]?.bytes }) != bytes {
                return "\(name) is followed, and an old picture"
            }
        }
        for (_, subscriber) in subscribers.sorted(by: { $0.key < $1.key }) {
            for (label, owner) in subscriber.owners.sorted(by: { $0.key < $1.key }) {
                if let wrong = isWrong(subscriber.shown[label], owner) { return "\(label) \(wrong)" }
            }
        }
        return nil
    }

    /// What is wrong with what a label shows of a user's avatar.
    private func isWrong(_ view: AvatarView?, _ owner: UserID) -> String? {
        guard let view else { return "shows nothing" }
        guard let name = server.store.icons[owner] else {
            return view.state == .absent
                ? nil : "shows \(view.name?.string ?? "nothing") as \(view.state), \(owner) has no avatar"
        }
        let bytes = server.store.files[ResourceKey(owner: owner, name: name)]
        guard view.state == .ready, view.name == name.exact else {
            return
                "shows \(view.name?.string ?? "nothing") as \(view.state) (\(view.reason ?? "")), the avatar is \(name)"
        }
        let shown = disk.cache[name].flatMap { disk.files[$0]?.bytes }
        return shown == bytes || disk.catalog.avatars[name]?.record.owner == nil ? nil : "shows an old \(name)"
    }
}

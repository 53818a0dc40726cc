internal import AvatarCore
internal import TransferMachines

// Pictures that come after the question or are replaced, and files of the upload folder that nobody closes.
extension Life {
    func scheduleOthers() {
        for (friend, name, picture) in late {
            atOtherTime {
                self.world.log("a friend uploads a first picture", name.string)
                self.place(picture, name, friend)
                self.showLater(name)
            }
        }
        for _ in 0..<options.fetchesAgain { atOtherTime { self.fetchAgain() } }
        for number in 0..<options.links { atOtherTime { self.link(number) } }
        for number in 0..<options.modes { atOtherTime { self.closeUnreadable(number) } }
    }

    /// Somebody writes with that friend: a new label asks once the last answer is old, in peace, too.
    private func showLater(_ name: AvatarName) {
        world.schedule(in: Limits.Negative.freshFor + .seconds(1) + otherRandom.upTo(.seconds(20))) { [self] in
            // Whoever starts it again shows all labels anew.
            guard agent.isAlive else { return }
            lastStream += 1
            let stream = StreamID(lastStream)
            let label = LabelRequest(
                label: ExactString("late-\(stream.value)"), target: .name(name, owner: nil), visibility: .visible)
            subscribers[stream] = Subscriber(labels: 1, keep: false)
            world.log("a new label shows the late picture", name.string)
            agent.feed(
                .bus(
                    stream,
                    .register([label], keep: false, heartbeat: false, more: true, token: "s\(stream.value)")))
        }
    }

    private func atOtherTime(_ body: @escaping () -> Void) {
        world.schedule(in: otherRandom.upTo(options.faultTime)) { [self] in if !isPeace { body() } }
    }

    // MARK: Asking again

    private func fetchAgain() {
        guard agent.isAlive, agent.account.uid == me else { return }
        let names = friendNames.filter { _ in otherRandom.happens(0.6) }
        fetchAgain(names)
    }

    private func fetchAgain(_ names: [AvatarName]) {
        guard !names.isEmpty else { return }
        world.log("pictures are fetched again", "", Int64(names.count))
        // A person asks.
        politeness.excuse()
        for name in names { politeness.lift(name) }
        lastStream += 1
        fetches.insert(StreamID(lastStream))
        agent.feed(.bus(StreamID(lastStream), .fetch(names, visibility: .near, again: true, more: true)))
    }

    private var friendNames: [AvatarName] {
        oracle.versions.keys.filter { $0.string.hasPrefix("friend-") && $0 != Self.unwelcomePicture }.sorted()
    }

    /// In peace, when everything is in order and the agent has no complaint. A person who asks has crops tried again, too, so that a server
    /// which hangs up over one would do so again.
    func fetchAllAgain() {
        guard !options.hangsUpOnCrop, let status = agent.status, status.problems.isEmpty else { return }
        isFetchedInPeace = true
        fetchAgain(friendNames)
    }

    /// Whoever fetched a picture again in peace has the one that the server has now.
    func checkFetchedAgain() {
        guard isFetchedInPeace else { return }
        for name in friendNames {
            guard let inode = disk.cache[name], let bytes = disk.files[inode]?.bytes else { continue }
            // Nobody hands out what a friend has taken back.
            if options.renames + options.removals > 0, !server.store.isShown(name) { continue }
            if !server.store.files.contains(where: { $0.key.name == name && $0.value == bytes }) {
                return oracle.fail("\(name) was fetched again, and is an old picture")
            }
        }
    }

    // MARK: Files that nobody closes

    /// A picture gets its name by link(2): it is whole, or somebody goes on writing it under another name.
    private func link(_ number: Int) {
        guard let name = try? AvatarName("crop-link-\(number).png"),
            let picture = try? Picture(size: otherRandom.pick(120...options.pictureMax), random: &otherRandom)
        else { return }
        if otherRandom.happens(0.6) {
            let inode = disk.newFile(picture.bytes)
            disk.crops[name] = inode
            disk.touch(inode)
            world.log("a whole file is linked into the upload folder", name.string)
            oracle.closed(name, picture, isHeard: false)
            return watch.happened(.crops, name, .appeared)
        }
        let inode = disk.newFile(Array(picture.bytes.prefix(picture.bytes.count / 2)))
        disk.setBeingWritten(inode, true)
        disk.crops[name] = inode
        world.log("a file that is being written is linked into the upload folder", name.string)
        watch.happened(.crops, name, .appeared)
        world.schedule(in: otherRandom.upTo(.milliseconds(400))) { [self] in
            guard disk.holds(name, inode) else { return }
            disk.writeCrop(inode, picture.bytes.dropFirst(picture.bytes.count / 2))
            disk.setBeingWritten(inode, false)
            disk.touch(inode)
            world.log("its writer is done", name.string)
            oracle.closed(name, picture, isHeard: false)
            // Only a watch on the file itself hears of a close under another name; without one the next look finds it.
            if disk.awaited.remove(name) != nil {
                watch.happened(.crops, name, .appeared)
            } else {
                oracle.isUnheard(name)
            }
        }
    }

    /// A crop that the agent may not read, until its mode is mended.
    private func closeUnreadable(_ number: Int) {
        guard let name = try? AvatarName("crop-mode-\(number).png"),
            let picture = try? Picture(size: otherRandom.pick(120...options.pictureMax), random: &otherRandom)
        else { return }
        let inode = disk.newFile(picture.bytes)
        disk.crops[name] = inode
        disk.touch(inode)
        disk.unreadable.insert(inode)
        world.log("a crop is closed that the agent may not read", name.string)
        unreadable.append((name, inode, picture))
        watch.happened(.crops, name)
        world.schedule(in: otherRandom.upTo(.seconds(5))) { [self] in mend(name) }
    }

    private func mend(_ name: AvatarName) {
        guard let index = unreadable.firstIndex(where: { $0.name == name }) else { return }
        // Nobody gets at a file over whose folder another is mounted.
        guard disk.crops[name] == unreadable[index].inode || !disk.holds(name, unreadable[index].inode) else {
            world.schedule(in: .seconds(1)) { [self] in mend(name) }
            return
        }
        let (_, inode, picture) = unreadable.remove(at: index)
        disk.unreadable.remove(inode)
        guard disk.holds(name, inode) else { return }
        // The ctime says so.
        disk.touch(inode)
        world.log("the mode of a crop is mended", name.string)
        oracle.closed(name, picture, isHeard: false)
        if mutation != .ignoreModes { watch.happened(.crops, name, .touched) }
    }

    /// Before peace.
    func mendAll() { for name in unreadable.map(\.name) { mend(name) } }
}

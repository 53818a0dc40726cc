internal import AvatarCore
internal import TransferMachines

// What the user does in the upload folder.
extension Life {
    func beginCrop(_ number: Int) {
        let reuses = number > 0 && random.happens(0.25)
        guard let name = try? AvatarName("crop-\(reuses ? number - 1 : number).png") else { return }
        crop(name, reuses: reuses, again: 2)
    }

    /// Pictures that were saved elsewhere are moved in, one right after the other.
    func closeInARow(_ count: Int) {
        for number in 0..<count {
            world.schedule(in: .microseconds(300 * number)) { [self] in
                guard let name = try? AvatarName("crop-\(options.crops + number).png"), disk.crops[name] == nil,
                    let picture = try? Picture(size: random.pick(120...options.pictureMax), random: &random)
                else { return }
                let inode = disk.newFile(picture.bytes)
                disk.crops[name] = inode
                closed(name, inode, picture, again: 0)
            }
        }
    }

    /// Writes a picture under that name, and perhaps another soon after, while this one is on its way.
    private func crop(_ name: AvatarName, reuses: Bool, again: Int) {
        guard !writers.contains(name),
            let picture = try? Picture(size: random.pick(120...options.pictureMax), random: &random)
        else { return }
        if random.happens(0.2) {
            // Written elsewhere, and renamed here.
            let inode = disk.newFile(picture.bytes)
            disk.crops[name] = inode
            return closed(name, inode, picture, again: again)
        }
        writers.insert(name)
        let inode = disk.beginCrop(name, reuse: reuses && random.happens(0.5))
        write(name, inode, picture, from: 0, again: again)
    }

    private func write(_ name: AvatarName, _ inode: Int, _ picture: Picture, from start: Int, again: Int) {
        disk.setBeingWritten(inode, true)
        let end = min(picture.bytes.count, start + random.pick(1...picture.bytes.count))
        disk.writeCrop(inode, picture.bytes[start..<end])
        // A writer that closes in between, and opens again.
        let closesBetween = end < picture.bytes.count && random.happens(0.3)
        if closesBetween {
            disk.setBeingWritten(inode, false)
            watch.happened(.crops, name)
        }
        world.schedule(in: random.upTo(.milliseconds(400))) { [self] in
            // A folder that is mounted over keeps its writers.
            guard disk.holds(name, inode) else {
                writers.remove(name)
                return
            }
            guard end == picture.bytes.count else { return write(name, inode, picture, from: end, again: again) }
            disk.setBeingWritten(inode, false)
            writers.remove(name)
            closed(name, inode, picture, again: again)
        }
    }

    private func closed(_ name: AvatarName, _ inode: Int, _ picture: Picture, again: Int) {
        world.log("a crop is closed", name.string, Int64(picture.bytes.count))
        disk.touch(inode)
        oracle.closed(name, picture)
        watch.happened(.crops, name)
        guard again > 0, random.happens(options.cropsAgainRate) else { return }
        world.schedule(in: random.upTo(random.happens(0.5) ? .milliseconds(40) : .milliseconds(300))) { [self] in
            guard !isPeace, disk.crops[name] != nil else { return }
            crop(name, reuses: true, again: again - 1)
        }
    }

    /// The user says of a picture that lies in the folder: this is my avatar now.
    func sayAgain() {
        let names = disk.crops.keys.filter {
            !writers.contains($0) && $0 != Self.unwelcomeCrop && disk.isReadable($0)
        }.sorted()
        guard agent.isAlive, agent.account.uid == me, !names.isEmpty else { return }
        let name = names[random.pick(0...names.count - 1)]
        world.log("the user says it again", name.string)
        lastStream += 1
        agent.feed(.bus(StreamID(lastStream), .upload(path: name.string, more: false)))
    }

    /// A crop that the server hangs up on, as one does whose chunks are larger than the server takes.
    func closeUnwelcomeCrop() {
        guard let name = Self.unwelcomeCrop, let picture = try? Picture(size: 700, random: &random) else { return }
        world.log("a crop is closed that the server hangs up on", name.string)
        oracle.versions[name, default: []].append(picture)
        let inode = disk.newFile(picture.bytes)
        disk.crops[name] = inode
        disk.touch(inode)
        watch.happened(.crops, name)
    }

    /// The user takes a crop away, be it half written, on its way, or long there.
    func deleteCrop() {
        let names = disk.crops.keys.sorted()
        guard !names.isEmpty else { return }
        let name = names[random.pick(0...names.count - 1)]
        world.log("a crop is deleted", name.string)
        oracle.cropDeleted(name)
        disk.crops[name] = nil
        watch.happened(.crops, name, .gone)
    }
}

internal import AvatarCore
internal import TransferMachines
internal import WireProtocol

/// What must always hold; the first thing that does not ends the life.
final class Oracle {
    let world: World
    private(set) var violation: String?
    /// Every whole picture that a name ever had, at the server or by the user's hand.
    var versions: [String: [Picture]] = [:]
    /// The user's crops in the order in which they were closed last.
    var crops: [(name: String, picture: Picture)] = []
    /// The catalog was lost: what was closed before is a baseline.
    var exempt = false

    private var announcedContent: [String: [UInt8]] = [:]
    private var deletedNames: Set<String> = []
    private var acknowledged: [String: Int64] = [:]
    private var epoch: String?
    private var cursor: Int64?
    private var connects: [MonotonicTime] = []
    private var serverCrashes = 0
    private var serverForgets = 0

    private static let connectsWindow = Duration.seconds(10)
    private static let connectsMax = 60

    init(world: World) { self.world = world }

    func fail(_ reason: String) {
        guard violation == nil else { return }
        violation = reason
    }

    // MARK: The folder

    /// A final name appeared: its bytes are a whole version of that name.
    func placed(_ name: String, in disk: SimDisk) { check(name, in: disk) }

    func check(_ name: String, in disk: SimDisk) {
        guard let inode = disk.cache[name], let bytes = disk.files[inode]?.bytes else { return }
        if !isWhole(name, bytes) { fail("the final name \(name) holds bytes that nobody has: \(bytes.count)") }
    }

    private func isWhole(_ name: String, _ bytes: [UInt8]) -> Bool {
        versions[name]?.contains { $0.bytes == bytes } == true
    }

    func deleted(_ name: String) {
        deletedNames.insert(name)
        announcedContent[name] = nil
    }

    /// A label was told that a picture is there: it is, and whole.
    func announced(_ avatar: AvatarView, in disk: SimDisk) {
        guard let name = avatar.name else { return }
        guard let inode = disk.cache[name], let bytes = disk.files[inode]?.bytes else {
            if !deletedNames.contains(name) { fail("\(name) was announced and is not there") }
            return
        }
        check(name, in: disk)
        announcedContent[name] = bytes
    }

    /// What was announced survives a power cut.
    func powerFailed(disk: SimDisk) {
        for name in announcedContent.keys.sorted() where !deletedNames.contains(name) {
            guard let inode = disk.cache[name], let bytes = disk.files[inode]?.bytes else {
                return fail("\(name) was announced and is lost in a power cut")
            }
            if !isWhole(name, bytes) { fail("\(name) was announced and lost bytes in a power cut") }
        }
    }

    // MARK: Uploads

    func closed(_ name: String, _ picture: Picture) {
        versions[name, default: []].append(picture)
        crops.removeAll { $0.name == name }
        crops.append((name, picture))
    }

    func serverCrashed() { serverCrashes += 1 }

    func serverForgot() {
        serverForgets += 1
        acknowledged = [:]
    }

    /// A chunk was answered: it is the user's own crop, and no further back than what was acknowledged of it.
    func uploaded(_ chunk: UploadChunk, isAcknowledged: Bool, server: SimServer) {
        guard let known = versions[chunk.name], chunk.name.hasPrefix("crop-") else {
            return fail("\(chunk.name) was uploaded, and is no crop")
        }
        guard known.contains(where: { $0.md5.hex == chunk.md5 }) else {
            return fail("\(chunk.name) was uploaded with bytes that were never closed")
        }
        guard server.kind == .ours else {
            // The seed's server keeps whatever came: what the agent calls finished must be whole there too.
            guard chunk.last, isAcknowledged, let user = UserID(chunk.uid), let name = try? AvatarName(chunk.name),
                let bytes = server.store.files[ResourceKey(owner: user, name: name)]
            else { return }
            if !isWhole(chunk.name, bytes) { fail("\(chunk.name) is finished on the seed's server, and not whole") }
            return
        }
        let key = chunk.name + chunk.md5
        let before = acknowledged[key] ?? 0
        if chunk.seq < before { fail("\(chunk.name) went back from chunk \(before) to \(chunk.seq)") }
        if isAcknowledged { acknowledged[key] = max(before, chunk.seq) }
    }

    func iconMissing(server: SimServer, me: UserID) -> String? {
        guard let last = crops.last else { return nil }
        guard server.store.icons[me]?.string == last.name else {
            return "the icon is \(server.store.icons[me]?.string ?? "none"), the last crop closed was \(last.name)"
        }
        for (name, picture) in crops {
            guard let avatar = try? AvatarName(name) else { continue }
            if server.store.files[ResourceKey(owner: me, name: avatar)] != picture.bytes {
                return "the server's \(name) is not the crop"
            }
        }
        return nil
    }

    // MARK: Events

    var watchPosition: (String?, Int64?) { (epoch, cursor) }

    func watched(epoch: String, cursor: Int64, reset: Bool, changes: [AvatarChange]) {
        if reset || self.epoch != epoch {
            self.epoch = epoch
            self.cursor = cursor
            return
        }
        for change in changes {
            guard let last = self.cursor else { break }
            if change.cursor != last + 1 { return fail("event \(change.cursor) follows \(last)") }
            self.cursor = change.cursor
        }
    }

    // MARK: Politeness

    func connecting() {
        connects.append(world.now)
        connects.removeAll { world.now - $0 > Self.connectsWindow }
        if connects.count > Self.connectsMax { fail("\(connects.count) connections in \(Self.connectsWindow)") }
    }

    // MARK: The end

    func finish(disk: SimDisk, server: SimServer) {
        for name in disk.cache.keys.sorted() { check(name, in: disk) }
        guard !exempt else { return }
        for (name, picture) in crops {
            let times = server.store.commits.count { $0.key.name.string == name && $0.md5 == picture.md5 }
            if times == 0 { return fail("\(name) never reached the server whole") }
            // A server that died between the rename and its note of it, or forgot, is told again: the same bytes, the same name.
            if server.kind == .ours, times > 1 + serverCrashes + serverForgets {
                return fail("\(name) reached the server \(times) times")
            }
        }
    }
}

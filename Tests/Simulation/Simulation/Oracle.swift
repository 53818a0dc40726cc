internal import AvatarCore
internal import TransferMachines
internal import WireProtocol

/// What must always hold; the first thing that does not ends the life.
final class Oracle {
    /// A crop that was closed, and whether the user took it away since.
    struct ClosedCrop {
        let name: AvatarName
        var picture: Picture
        var isDeleted = false
        /// Whether the user said it again, and the agent may not have noted that.
        var isUncertain = false
        /// When it was closed, or said again.
        var at: MonotonicTime
        /// Whether the user said it again so soon after another crop was closed that the agent may have heard of that one later.
        var isAmbiguous = false
        /// Whether the agent heard of it by a close; of a link or a mended mode it hears by a look, which may come after a later close.
        var isHeard = true
        /// Whether nothing told the agent of it, so that it counts as new whenever a look finds it.
        var isUnheard = false
    }

    let world: World
    private(set) var violation: String?
    /// Every whole picture that a name ever had, at the server or by the user's hand.
    var versions: [AvatarName: [Picture]] = [:]
    /// The user's crops in the order in which they were closed last.
    private(set) var crops: [ClosedCrop] = []
    /// The catalog was lost: what was closed before is a baseline.
    var exempt = false

    private var announcedNames: Set<AvatarName> = []
    private var deletedNames: Set<AvatarName> = []
    /// Pictures whose bytes on the disk or at the server were changed under the agent's hand.
    private var harmedNames: Set<AvatarName> = []
    private var acknowledged: [String: Int64] = [:]
    /// Uploads of which a chunk was refused, until their first chunk is taken: what the server says of the chunks behind it does not count.
    private var refused: Set<String> = []
    /// How often each crop may have to be sent once more.
    private var repetitions: [String: Int] = [:]
    /// For whom each crop was recorded.
    private var owners: [CropID: String] = [:]
    private var epoch: String?
    private var cursor: Int64?
    /// How the catalog tells a user's account from others now.
    var account: (UserID) -> String = { _ in "" }
    /// When the agent last forgot where the server keeps uploads in pieces, and when the crop of each name was recorded.
    private var forgotAt = MonotonicTime.zero
    private var recordedAt: [AvatarName: MonotonicTime] = [:]
    /// Digests that the server promised.
    private var promises: Set<SHA256Digest> = []
    /// Whether a watcher may be told to read again.
    private var mayReset = true

    init(world: World) { self.world = world }

    func fail(_ reason: String) {
        guard violation == nil else { return }
        violation = reason
    }

    // MARK: The folder

    /// A final name appeared: its bytes are a whole version of that name.
    func placed(_ name: AvatarName, in disk: SimDisk) {
        deletedNames.remove(name)
        check(name, in: disk)
    }

    func check(_ name: AvatarName, in disk: SimDisk) {
        guard let inode = disk.cache[name], let bytes = disk.files[inode]?.bytes else { return }
        if !isWhole(name, bytes) { fail("the final name \(name) holds bytes that nobody has: \(bytes.count)") }
    }

    func checkAll(in disk: SimDisk) { for name in disk.cache.keys.sorted() { check(name, in: disk) } }

    private func isWhole(_ name: AvatarName, _ bytes: [UInt8]) -> Bool {
        versions[name]?.contains { $0.bytes == bytes } == true
    }

    func deleted(_ name: AvatarName) {
        deletedNames.insert(name)
        announcedNames.remove(name)
    }

    /// A label was told that a picture is there: it is, and whole, and the catalog knows it.
    func announced(_ avatar: AvatarView, in disk: SimDisk) {
        guard let name = avatar.name.flatMap({ try? AvatarName($0.string) }), !deletedNames.contains(name) else {
            return
        }
        guard let inode = disk.cache[name] else { return fail("\(name) was announced and is not there") }
        // Between a rename and its row the new picture lies under a name that was told of before: whole, and on its way to be told.
        guard let row = disk.catalog.avatars[name],
            row.inode == inode || disk.catalog.intents[name]?.inode == inode
        else { return fail("\(name) was announced before its commit") }
        check(name, in: disk)
        announcedNames.insert(name)
    }

    /// What was announced survives a power cut, and no final name lost bytes in it.
    func powerFailed(disk: SimDisk) {
        for name in announcedNames.sorted() where disk.cache[name] == nil {
            return fail("\(name) was announced and is lost in a power cut")
        }
        checkAll(in: disk)
    }

    func harmed(_ name: AvatarName) { harmedNames.insert(name) }

    /// The agent calls a picture damaged: somebody damaged it.
    func foundCorrupt(_ name: AvatarName) {
        if !harmedNames.contains(name) { fail("\(name) came out damaged, and nobody harmed it") }
    }

    // MARK: Uploads

    func closed(_ name: AvatarName, _ picture: Picture, isHeard: Bool = true) {
        versions[name, default: []].append(picture)
        // A download of it may find the old picture and the new one at the server, or half of it at one of the seed's kind.
        harmed(name)
        crops.removeAll { $0.name == name }
        var crop = ClosedCrop(name: name, picture: picture, at: world.now)
        crop.isHeard = isHeard
        crop.isAmbiguous = crops.contains { (!isHeard || !$0.isHeard) && world.now - $0.at < .milliseconds(500) }
        crops.append(crop)
    }

    /// Nothing told the agent of the crop: the next look through the folder finds it, if there is one.
    func isUnheard(_ name: AvatarName) {
        for index in crops.indices where crops[index].name == name {
            (crops[index].isDeleted, crops[index].isUnheard) = (true, true)
        }
    }

    /// The user says it of a picture that was closed before: from now on that is the last one, once it is recorded.
    func saidAgain(_ name: AvatarName, in disk: SimDisk) {
        guard let index = crops.firstIndex(where: { $0.name == name }) else { return }
        var crop = crops.remove(at: index)
        // Another folder may lie at the path than the one in which the crop of this name was closed last.
        let bytes = disk.crops[name].flatMap { disk.files[$0]?.bytes }
        if let lying = versions[name]?.first(where: { $0.bytes == bytes }) { crop.picture = lying }
        (crop.isUncertain, crop.isDeleted) = (true, false)
        crop.isAmbiguous = crops.contains { world.now - $0.at < .milliseconds(500) }
        crop.at = world.now
        crops.append(crop)
        mayComeAgain(crop)
    }

    /// The crop may be sent once more, from its first chunk.
    private func mayComeAgain(_ crop: ClosedCrop) {
        repetitions[crop.name.string + crop.picture.md5.hex, default: 0] += 1
        startsAnew(crop.name, crop.picture.md5)
    }

    /// A look through the folder has found the crop before its close is heard: that close may be of a copy with the same bytes and times.
    func closeComesLate(_ name: AvatarName) {
        for crop in crops where crop.name == name { mayComeAgain(crop) }
    }

    private func startsAnew(_ name: AvatarName, _ md5: MD5Digest) {
        for key in acknowledged.keys where key.hasSuffix(" " + name.string + md5.hex) { acknowledged[key] = nil }
    }

    func cropDeleted(_ name: AvatarName) {
        for index in crops.indices where crops[index].name == name { crops[index].isDeleted = true }
    }

    /// What was in its place and not noted as complete is sent again.
    func serverCrashed(_ store: SimStore) {
        for commit in store.commits {
            // Who speaks HTTP hears of an answer that is lost.
            guard !commit.isHTTP else { continue }
            let record = store.records[commit.key]
            guard record?.md5 != commit.md5 || record?.isComplete != true else { continue }
            repetitions[commit.key.name.string + commit.md5.hex, default: 0] += 1
        }
    }

    // MARK: Accounts

    func recorded(_ crop: Crop) {
        if let account = crop.account { owners[crop.id] = account }
        startsAnew(crop.name, crop.md5)
        recordedAt[crop.name] = world.now
        for index in crops.indices where crops[index].name == crop.name { crops[index].isUncertain = false }
    }

    /// An account got the crops of another: both are the same user's. What that user sent in the other way and has not heard of yet is sent again.
    func tookOver(from other: String, to account: String, _ store: SimStore, _ disk: SimDisk) {
        for (id, owner) in owners where owner == other { owners[id] = account }
        unknownIsSentAgain(store, disk)
    }

    /// A crop goes out for a user: it is that user's own.
    func sent(_ id: CropID, by user: UserID) {
        guard let owner = owners[id], owner != account(user) else { return }
        fail("a crop of \(owner) is sent for \(user)")
    }

    /// The icon that `Status` shows is one that this user uploaded.
    func shows(_ status: AgentMachine.Status, server: SimServer) {
        guard let login = status.login, let icon = status.icon?.name, !exempt else { return }
        if !server.store.commits.contains(where: { $0.key.owner == login.uid && $0.key.name.exact == icon }) {
            fail("\(icon) is shown as the icon of \(login.uid), who never uploaded it")
        }
    }

    /// Whether the crop that lies under the name now was recorded for another user.
    private func isAnothers(_ name: AvatarName, _ disk: SimDisk, _ me: UserID) -> Bool {
        guard let account = disk.catalog.crops[name]?.crop.account else { return false }
        return account != self.account(me)
    }

    /// The answer to the upload of a crop over HTTP is lost: the server may have it.
    func answerLost(_ crop: Crop) { repetitions[crop.name.string + crop.md5.hex, default: 0] += 1 }

    /// Bytes of an upload came over HTTP: they are those of the user's own crop that has the digest.
    func took(_ key: ResourceKey, offset: Int, _ bytes: [UInt8], digest: SHA256Digest?) {
        guard key.name.string.hasPrefix("crop-"), let known = versions[key.name] else {
            return fail("\(key.name) was uploaded, and is no crop")
        }
        guard let picture = known.first(where: { $0.sha256 == digest }) else {
            return fail("\(key.name) was uploaded with bytes that were never closed")
        }
        if !picture.bytes.dropFirst(offset).starts(with: bytes) {
            fail("what came of \(key.name) at \(offset) is other bytes than the crop's")
        }
    }

    /// A crop whose upload in pieces was begun is gone on with, unless the agent was started since and did not find the place in its catalog
    /// (`isKept`), or the crop is another one.
    func begins(_ key: ResourceKey, _ digest: SHA256Digest?, after there: SimStore.Pieces, isKept: Bool) {
        guard there.sha256 == digest, !there.bytes.isEmpty, there.at > forgotAt || isKept,
            there.at > recordedAt[key.name] ?? .zero
        else { return }
        fail("\(key.name) begins anew, and the server has \(there.bytes.count) bytes of it")
    }

    // MARK: What the server promised

    func promised(_ digest: SHA256Digest) { promises.insert(digest) }

    /// A picture that counts as held against the server's digest is one of which the server told the digest.
    func recorded(_ record: AvatarRecord) {
        if record.assurance == .digest, !promises.contains(record.sha256) {
            fail("\(record.name) counts as held against a digest that no server told")
        }
    }

    /// What the server has and the agent does not know of yet is sent again.
    func serverForgot(_ store: SimStore, _ disk: SimDisk) {
        acknowledged = [:]
        unknownIsSentAgain(store, disk)
    }

    /// The token counts no more. Whoever sends a last chunk again with it is told to begin anew, unless the crop is the icon.
    func tokenExpired(_ store: SimStore, _ disk: SimDisk) { unknownIsSentAgain(store, disk) }

    /// What the agent was told of and has not noted is sent again over HTTP, where nobody asks how far a small crop came.
    func agentForgot(_ store: SimStore, _ disk: SimDisk) {
        forgotAt = world.now
        unknownIsSentAgain(store, disk)
    }

    private func unknownIsSentAgain(_ store: SimStore, _ disk: SimDisk) {
        for commit in store.commits {
            let row = disk.catalog.crops[commit.key.name]
            guard row?.state != .done || row?.crop.md5 != commit.md5 else { continue }
            repetitions[commit.key.name.string + commit.md5.hex, default: 0] += 1
        }
    }

    /// A chunk was answered: it is the user's own crop, and no further back than what was acknowledged of it.
    func uploaded(_ chunk: UploadChunk, isAcknowledged: Bool, server: SimServer) {
        guard chunk.name.hasPrefix("crop-"), let name = try? AvatarName(chunk.name), let known = versions[name] else {
            return fail("\(chunk.name) was uploaded, and is no crop")
        }
        guard let picture = known.first(where: { $0.md5Hex == chunk.md5 }) else {
            return fail("\(name) was uploaded with bytes that were never closed")
        }
        let offset = Int(chunk.transSize) - chunk.data.count
        guard offset >= 0, picture.bytes.dropFirst(offset).starts(with: chunk.data) else {
            return fail("chunk \(chunk.seq) of \(name) holds other bytes than the crop")
        }
        guard server.kind == .ours else {
            // The seed's server keeps whatever came: what the agent calls finished must be whole there too.
            guard chunk.last, isAcknowledged, let user = UserID(chunk.uid),
                let bytes = server.store.files[ResourceKey(owner: user, name: name)]
            else { return }
            if !isWhole(name, bytes) { fail("\(name) is finished on the seed's server, and not whole") }
            return
        }
        let upload = "\(chunk.uid) " + chunk.name
        let key = upload + chunk.md5
        // The server keeps one upload of a name: another crop of it, in another folder perhaps, takes its place.
        if isAcknowledged, chunk.seq == 1 {
            for other in acknowledged.keys where other != key && other.dropLast(32) == upload {
                acknowledged[other] = nil
            }
        }
        let before = acknowledged[key] ?? 0
        if chunk.seq < before { fail("\(name) went back from chunk \(before) to \(chunk.seq)") }
        // Who was refused begins again at 1.
        if !isAcknowledged { refused.insert(key) } else if chunk.seq == 1 { refused.remove(key) }
        acknowledged[key] = refused.contains(key) ? 0 : max(before, chunk.seq)
    }

    /// Whether the server would not take the crop before it took a later one: then the crop must not be sent any more.
    private func isOvertaken(_ crop: ClosedCrop, _ disk: SimDisk) -> Bool {
        disk.catalog.crops[crop.name]?.state == .superseded && crop.name != crops.last?.name
    }

    /// The icon is the last crop closed; one that was taken away may have been too late to be it.
    func iconMissing(server: SimServer, disk: SimDisk, me: UserID) -> String? {
        let others = crops.filter { isAnothers($0.name, disk, me) }
        let crops = crops.filter { !isAnothers($0.name, disk, me) }
        // Another user's crop may have taken the name from one that is this user's icon.
        var allowed: [AvatarName?] = others.map(\.name) + crops.filter(\.isUnheard).map(\.name)
        for crop in crops.reversed() {
            allowed.append(crop.name)
            if !crop.isDeleted, !crop.isUncertain, !crop.isAmbiguous { break }
        }
        if crops.allSatisfy(\.isDeleted) { allowed.append(nil) }
        let icon = server.store.icons[me]
        guard allowed.contains(icon) else {
            return
                "the icon is \(icon?.string ?? "none"), the last crop closed was \(crops.last?.name.string ?? "none")"
        }
        for crop in crops where !crop.isDeleted && !isOvertaken(crop, disk) {
            if server.store.files[ResourceKey(owner: me, name: crop.name)] != crop.picture.bytes {
                return "the server's \(crop.name) is not the crop"
            }
        }
        return nil
    }

    // MARK: Events

    var watchPosition: (String?, Int64?) { (epoch, cursor) }

    /// With the catalog went what it knew of crops in a folder that another is mounted over: they come back as new ones.
    func catalogLost(hidesCrops: Bool) {
        exempt = true
        if hidesCrops { acknowledged = [:] }
        mayReset = true
    }

    func watched(epoch: String, cursor: Int64, reset: Bool, changes: [AvatarChange]) {
        if reset || self.epoch != epoch {
            if !mayReset { return fail("a watcher was told to read again, and nothing was lost") }
            mayReset = false
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

    // MARK: The end

    func finish(disk: SimDisk, server: SimServer, me: UserID) {
        checkAll(in: disk)
        if let cursor, cursor != disk.catalog.lastCursor {
            return fail("the watcher heard of event \(cursor), the last is \(disk.catalog.lastCursor)")
        }
        guard !exempt else { return }
        for crop in crops where !isAnothers(crop.name, disk, me) {
            let (name, md5) = (crop.name, crop.picture.md5)
            let times = server.store.commits.count {
                $0.key.owner == me && $0.key.name == name && $0.md5 == md5
            }
            if times == 0, !crop.isDeleted, !isOvertaken(crop, disk) {
                return fail("\(name) never reached the server whole")
            }
            if server.kind == .ours, times > 1 + (repetitions[name.string + md5.hex] ?? 0) {
                return fail("\(name) reached the server \(times) times")
            }
        }
    }
}
